//! Attention over sequences, in one operation, and over growing sequences, position by position.

use std::sync::Arc;

use super::linalg::fits;
use crate::error::{Error, Result};
use crate::kernels::attention::{self as kernel, Passed, Sizes};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

pub use crate::kernels::attention::Pattern;

/// The features of all heads and of one, if the packed ones divide.
fn widths(op: &'static str, dims: Dims, heads: usize) -> Result<(usize, usize)> {
    let packed = dims.last().copied().unwrap_or(0);
    if heads == 0 || packed == 0 || packed % (3 * heads) != 0 {
        let expected = format!(
            "[…, 3 · features]: queries, keys and values whose features divide by the number of heads, {heads}"
        );
        return Err(Error::Shape { op, expected, got: dims });
    }
    Ok((packed / 3, packed / 3 / heads))
}

/// A pattern whose blocks have a position at least.
fn checked(op: &'static str, pattern: Pattern) -> Result<()> {
    match pattern {
        Pattern::Local(0) | Pattern::LocalCausal(0) => {
            Err(Error::Parameter { of: op, name: "block", must_be: "at least 1", got: "0".into() })
        }
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct Attention {
    sizes: Sizes,
    pattern: Pattern,
    lengths: Option<Arc<[usize]>>,
}

impl<E: Float> Op<E> for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let kept = keep.saved_scratch(self.sizes.kept_len());
        fits(kernel::forward(self.sizes, self.pattern, self.lengths.as_deref(), inputs[0], out, kept));
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let passed = Passed { packed: pass.inputs[0], kept: pass.saved, grad_out: pass.grad_out };
        if let Some(slot) = pass.grad(0) {
            fits(kernel::backward(
                self.sizes,
                self.pattern,
                self.lengths.as_deref(),
                passed,
                slot.gradient(),
            ));
        }
    }
}

/// `softmax(Q Kᵀ / √D) V` for each of several heads of `D` features: `[N, T, 3 · heads · D] → [N, T, heads · D]`.
///
/// The input holds queries, then keys, then values, each with the heads one after the other. Which positions a position
/// attends to says the pattern; to the others it is blind, in the result and in the gradient. Memory is linear in the
/// number of positions, and with blocks so is time.
///
/// # Source
/// Vaswani et al. 2017, "Attention is all you need", equation 1 and section 3.2.2; the blocks are those of Parmar et al.
/// 2018, "Image transformer", section 3.2.1.
///
/// # Errors
/// [`Error::Shape`] for other axes, or features that do not divide by the heads; [`Error::Parameter`] for blocks of no
/// positions; or the error that the input carries.
///
/// # Examples
/// ```
/// use ed::ops::{Pattern, attention};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// // Two positions of one feature; queries of zero compare all keys alike.
/// let packed = Var::from_vec(vec![0.0f64, 5.0, 1.0, 0.0, -5.0, 3.0], (1usize, 2usize, 3usize))?;
/// assert_eq!(attention(packed.value(), 1, Pattern::Full)?.as_slice()?, [2.0, 2.0]);
/// assert_eq!(attention(packed.value(), 1, Pattern::Causal)?.as_slice()?, [1.0, 2.0]);
/// # Ok(()) }
/// ```
pub fn attention<E: Float>(packed: &Value<E>, heads: usize, pattern: Pattern) -> Result<Value<E>> {
    attend(packed, heads, pattern, None)
}

/// As [`attention`], for sequences of lengths of their own, padded to one: nobody attends to what is behind the end of its
/// sequence, whatever that holds, and the result there is zero.
///
/// # Errors
/// As [`attention`]; [`Error::Shape`] unless there is a length for each sequence; [`Error::Parameter`] for one above `T`.
///
/// # Examples
/// ```
/// use ed::ops::{Pattern, attention_with_lengths};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let numbers = vec![0.0f64, 5.0, 1.0, 0.0, -5.0, 3.0, f64::NAN, f64::NAN, f64::NAN];
/// let packed = Var::from_vec(numbers, (1usize, 3usize, 3usize))?;
/// let y = attention_with_lengths(packed.value(), 1, Pattern::Full, &[2].into())?;
/// assert_eq!(y.as_slice()?, [2.0, 2.0, 0.0]);
/// # Ok(()) }
/// ```
pub fn attention_with_lengths<E: Float>(
    packed: &Value<E>,
    heads: usize,
    pattern: Pattern,
    lengths: &Arc<[usize]>,
) -> Result<Value<E>> {
    attend(packed, heads, pattern, Some(lengths))
}

fn attend<E: Float>(
    packed: &Value<E>,
    heads: usize,
    pattern: Pattern,
    lengths: Option<&Arc<[usize]>>,
) -> Result<Value<E>> {
    let dims = *packed.check()?.dims();
    let [batch, length, _] = *dims else {
        return Err(Error::Shape { op: "attention", expected: "[N, T, 3 · features]".into(), got: dims });
    };
    let (features, width) = widths("attention", dims, heads)?;
    checked("attention", pattern)?;
    if let Some(lengths) = lengths {
        check_lengths("attention", lengths, dims)?;
    }
    let sizes = Sizes { batch, length, heads, width };
    let out: Dims = [batch, length, features].into_iter().collect();
    Ok(apply(Attention { sizes, pattern, lengths: lengths.cloned() }, &[packed], out))
}

/// Checks that there is a length for each of the sequences `[N, T, …]`, none of them above `T`.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Parameter`] if not.
pub fn check_lengths(of: &'static str, lengths: &[usize], dims: Dims) -> Result<()> {
    let [batch, steps, ..] = *dims else {
        return Err(Error::Shape { op: of, expected: "[N, T, …], sequences".into(), got: dims });
    };
    if lengths.len() != batch {
        let expected = format!("[{0}, T, …], as there are lengths of {0} sequences", lengths.len());
        return Err(Error::Shape { op: of, expected, got: dims });
    }
    match lengths.iter().enumerate().find(|&(_, &length)| length > steps) {
        None => Ok(()),
        Some((n, length)) => {
            let got = format!("{length} for sequence {n} of {steps} steps");
            Err(Error::Parameter { of, name: "lengths", must_be: "at most the number of steps", got })
        }
    }
}

/// The keys and values of the positions so far, for sequences that grow position by position.
///
/// # Examples
/// ```
/// use ed::ops::{AttentionCache, Pattern};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let mut cache = AttentionCache::new(1, Pattern::Causal)?;
/// let step = |numbers: [f64; 3]| Var::from_vec(numbers.to_vec(), (1usize, 3usize));
/// assert_eq!(cache.step(step([0.0, 5.0, 1.0])?.value())?.as_slice()?, [1.0]);
/// assert_eq!(cache.step(step([0.0, -5.0, 3.0])?.value())?.as_slice()?, [2.0]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct AttentionCache<E: Float> {
    heads: usize,
    pattern: Pattern,
    dims: Option<Dims>,
    /// Queries, keys and values of the positions from `first` on, each `[N, 3 · features]`.
    window: Vec<E>,
    first: usize,
    next: usize,
}

impl<E: Float> AttentionCache<E> {
    /// An empty cache.
    ///
    /// # Errors
    /// [`Error::Parameter`] for blocks of no positions, or a pattern that attends to later positions, which are not
    /// there yet.
    pub fn new(heads: usize, pattern: Pattern) -> Result<Self> {
        checked("AttentionCache", pattern)?;
        if !pattern.is_causal() {
            let (must_be, got) = ("causal, to go position by position", format!("{pattern:?}"));
            return Err(Error::Parameter { of: "AttentionCache", name: "pattern", must_be, got });
        }
        Ok(AttentionCache { heads, pattern, dims: None, window: Vec::new(), first: 0, next: 0 })
    }

    /// Number of positions so far.
    pub fn len(&self) -> usize {
        self.next
    }

    /// Whether there was no position yet.
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// The attention of the next position of each of `N` sequences: `[N, 3 · features] → [N, features]`, the row of
    /// [`attention`] that belongs to it. Off the tape: no gradient flows through it.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the input has the dims of the earlier positions and its features divide by the heads; or
    /// the error that it carries.
    pub fn step(&mut self, packed: &Value<E>) -> Result<Value<E>> {
        const OP: &str = "AttentionCache";
        let (numbers, dims) = (packed.as_slice()?, *packed.dims());
        let expected = match self.dims {
            Some(before) if before != dims => Some(format!("{before}, as at the positions before")),
            _ if dims.rank() != 2 => Some("[N, 3 · features]".into()),
            _ => None,
        };
        if let Some(expected) = expected {
            return Err(Error::Shape { op: OP, expected, got: dims });
        }
        let (features, width) = widths(OP, dims, self.heads)?;
        let start = self.pattern.keys(self.next, self.next + 1).start;
        self.window.drain(..(start - self.first) * numbers.len());
        self.window.extend_from_slice(numbers);
        (self.dims, self.first, self.next) = (Some(dims), start, self.next + 1);
        let sizes = Sizes { batch: dims[0], length: 1, heads: self.heads, width };
        let mut out = vec![E::ZERO; dims[0] * features];
        fits(kernel::latest(sizes, &self.window, &mut out));
        Value::from_vec(out, Dims::vector(dims[0]).with_last(features))
    }
}

/// Moves rows down by one.
#[derive(Debug)]
struct Shift {
    row: usize,
    len: usize,
}

impl<E: Float> Op<E> for Shift {
    fn name(&self) -> &'static str {
        "shift_right"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let sequence = self.row * self.len;
        for (out, x) in out.chunks_exact_mut(sequence).zip(inputs[0].chunks_exact(sequence)) {
            let (first, others) = out.split_at_mut(self.row);
            first.fill(E::ZERO);
            others.copy_from_slice(&x[..sequence - self.row]);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (g, sequence) = (pass.grad_out, self.row * self.len);
        let Some(slot) = pass.grad(0) else { return };
        for (grad, g) in slot.add().chunks_exact_mut(sequence).zip(g.chunks_exact(sequence)) {
            grad.iter_mut().zip(&g[self.row..]).for_each(|(grad, &g)| *grad += g);
        }
    }
}

/// The features of each position at the next one, zeros at the first: `[…, T, features] → […, T, features]`. So a
/// position sees nothing of itself, and a causal network predicts it from the earlier ones.
///
/// # Errors
/// [`Error::Shape`] for fewer than two axes; or the error that the input carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from_vec(vec![1.0f64, 2.0, 3.0, 4.0], (2usize, 2usize))?;
/// assert_eq!(ed::ops::shift_right(x.value())?.as_slice()?, [0.0, 0.0, 1.0, 2.0]);
/// # Ok(()) }
/// ```
pub fn shift_right<E: Float>(x: &Value<E>) -> Result<Value<E>> {
    let dims = *x.check()?.dims();
    let [.., len, row] = *dims else {
        return Err(Error::Shape { op: "shift_right", expected: "[…, T, features]".into(), got: dims });
    };
    if dims.num_elements() == 0 {
        return Ok(x.clone());
    }
    Ok(apply(Shift { row, len }, &[x], dims))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::test_gradients::{assert_slopes, gradients_of, wave, weighted_sum};
    use crate::tensor::Tape;
    use crate::tensor::tape::backward;

    const PATTERNS: [Pattern; 4] =
        [Pattern::Full, Pattern::Causal, Pattern::Local(3), Pattern::LocalCausal(3)];

    #[test]
    fn gradients_are_the_slopes() {
        for pattern in PATTERNS {
            let packed = [wave(&[2, 8, 12], 0.3, -1.0, 2.0)];
            assert_slopes(|x| Ok(weighted_sum(&attention(&x[0], 2, pattern)?)), &packed, 1e-6);
        }
        let x = [wave(&[2, 3, 2], 0.3, -1.0, 2.0)];
        assert_slopes(|x| Ok(weighted_sum(&shift_right(&x[0])?)), &x, 1e-8);
    }

    #[test]
    fn a_position_sees_exactly_what_the_pattern_names() {
        let (length, width) = (11, 4);
        for pattern in PATTERNS {
            let packed = wave::<f64>(&[1, length, 3 * width], 0.3, -1.0, 2.0);
            for query in 0..length {
                let loss = |x: &[Value<f64>]| {
                    let mut only = vec![0.0; length * width];
                    only[query * width..][..width].fill(1.0);
                    let only = Value::from_vec(only, [1, length, width].into_iter().collect())?;
                    let out = attention(&x[0], 1, pattern)?;
                    Ok(crate::ops::reduce::sum(&crate::ops::elementwise::mul(&out, &only)))
                };
                let slopes = &gradients_of(loss, std::slice::from_ref(&packed))[0];
                for (position, row) in slopes.chunks(3 * width).enumerate() {
                    let seen = pattern.keys(query, length).contains(&position);
                    let moved = row[width..].iter().any(|&slope| slope != 0.0);
                    assert_eq!(moved, seen, "{pattern:?}: {query} at {position}");
                    assert!(position == query || row[..width].iter().all(|&slope| slope == 0.0));
                }
            }
        }
    }

    #[test]
    fn gradients_add_up_when_the_input_is_used_twice() {
        let packed = wave::<f64>(&[1, 4, 6], 0.3, -1.0, 2.0);
        let twice = |x: &Value<f64>| -> Result<Value<f64>> {
            let (one, two) = (attention(x, 1, Pattern::Causal)?, attention(x, 2, Pattern::Full)?);
            Ok(weighted_sum(&crate::ops::elementwise::add(&one, &two)))
        };
        assert_slopes(|x| twice(&x[0]), std::slice::from_ref(&packed), 1e-6);
        let tape = Tape::of();
        let x = tape.watch_value(&packed);
        assert!(backward(&twice(&x).unwrap()).unwrap().get_value(&x).is_ok());
    }

    #[test]
    fn a_cache_gives_the_rows_of_the_whole() {
        let (batch, length) = (3, 10);
        let packed = wave::<f64>(&[batch, length, 12], 0.3, -1.0, 2.0);
        for pattern in [Pattern::Causal, Pattern::LocalCausal(3), Pattern::LocalCausal(1)] {
            let whole = attention(&packed, 2, pattern).unwrap();
            let mut cache = AttentionCache::new(2, pattern).unwrap();
            for t in 0..length {
                let rows = |x: &Value<f64>, row: usize| -> Vec<f64> {
                    let x = x.peek().unwrap();
                    (0..batch).flat_map(|n| x[(n * length + t) * row..][..row].to_vec()).collect()
                };
                let now = Value::from_vec(rows(&packed, 12), [batch, 12].into_iter().collect()).unwrap();
                let out = cache.step(&now).unwrap();
                for (x, y) in out.peek().unwrap().iter().zip(rows(&whole, 4)) {
                    assert!((x - y).abs() < 1e-12, "{pattern:?}, position {t}: {x} is not {y}");
                }
            }
            assert_eq!(cache.len(), length);
            let kept = pattern.block().map_or(length, |block| 2 * block);
            assert!(cache.window.len() <= kept * batch * 12, "{pattern:?} keeps too much");
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let x = wave::<f64>(&[1, 4, 6], 0.0, -1.0, 1.0);
        assert!(matches!(attention(&x, 0, Pattern::Full), Err(Error::Shape { .. })));
        assert!(matches!(attention(&x, 4, Pattern::Full), Err(Error::Shape { .. })));
        assert!(matches!(attention(&x, 1, Pattern::Local(0)), Err(Error::Parameter { .. })));
        assert!(matches!(attention(&Value::scalar(1.0), 1, Pattern::Full), Err(Error::Shape { .. })));
        assert!(shift_right(&Value::scalar(1.0)).is_err());
        assert!(AttentionCache::<f64>::new(1, Pattern::Full).is_err());
        let mut cache = AttentionCache::new(1, Pattern::Causal).unwrap();
        assert!(cache.step(&x).is_err());
        cache.step(&wave::<f64>(&[2, 3], 0.0, 0.0, 1.0)).unwrap();
        assert!(cache.step(&wave::<f64>(&[1, 3], 0.0, 0.0, 1.0)).is_err());
        let none = wave::<f64>(&[0, 4, 6], 0.0, -1.0, 1.0);
        assert!(attention(&none, 1, Pattern::Full).unwrap().peek().unwrap().is_empty());
    }
}
