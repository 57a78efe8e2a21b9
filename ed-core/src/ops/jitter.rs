//! Cholesky factors of covariance matrices, which rounding may have robbed of one: with as little on the diagonal as
//! brings it back.

use std::cell::Cell;
use std::rc::Rc;

use super::linalg::fits;
use crate::error::{Error, Result};
use crate::kernels::cholesky as kernel;
use crate::kernels::linalg::LinalgError;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// The largest jitter, as a multiple of the mean variance: more would be another model.
pub const MOST_JITTER: f64 = 0.1;

/// How much more is tried where a jitter does not suffice.
const STEP: f64 = 4.0;

/// What came of a factorisation: from the forward pass to who applied it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// There is a factor with this multiple of the mean variance on the diagonal.
    Raised(f64),
    /// The minor of this order is not positive with any.
    Failed(usize),
}

/// Looks for the least jitter with which `factor` succeeds, from a multiple `start` of the mean variance `scale` on.
pub(super) fn raise<E: Float>(
    start: f64,
    scale: f64,
    matrix: &[E],
    mut factor: impl FnMut(E) -> std::result::Result<(), LinalgError>,
) -> Outcome {
    let mut multiple = start;
    loop {
        match factor(E::from_f64(multiple * scale)) {
            Ok(()) => return Outcome::Raised(multiple),
            Err(LinalgError::NotPositiveDefinite { minor, .. }) => {
                let hopeless = multiple >= MOST_JITTER || !matrix.iter().all(|x| x.is_finite());
                if hopeless {
                    return Outcome::Failed(minor);
                }
                multiple = (STEP * multiple).max(E::EPSILON.to_f64()).min(MOST_JITTER);
            }
            Err(LinalgError::Length { .. }) => return Outcome::Failed(0),
        }
    }
}

/// The mean of the variances that a jitter is a multiple of.
pub(super) fn mean_variance<E: Float>(variances: impl ExactSizeIterator<Item = E>) -> f64 {
    let count = variances.len().max(1) as f64;
    variances.map(|variance| variance.to_f64()).sum::<f64>() / count
}

/// `L` with `L Lᵀ = K + j I` in `factor`. A pivot that is no larger than the rounding of the variance that it is what is
/// left of is none: its sign is chance.
pub(super) fn factor_with<E: Float>(
    (k, variances): (&[E], &[E]),
    jitter: E,
    factor: &mut [E],
) -> std::result::Result<(), LinalgError> {
    let order = variances.len();
    let raised = (jitter != E::ZERO).then(|| {
        let mut raised = k.to_vec();
        raised.iter_mut().step_by(order + 1).for_each(|x| *x += jitter);
        raised
    });
    kernel::cholesky(order, raised.as_deref().unwrap_or(k), factor)?;
    let pivots = factor.iter().step_by(order + 1).zip(variances);
    match pivots.map(|(&l, &variance)| l * l > E::EPSILON * variance).position(|holds| !holds) {
        Some(place) => Err(LinalgError::NotPositiveDefinite { matrix: 0, minor: place + 1 }),
        None => Ok(()),
    }
}

/// The factor of a covariance matrix; inputs: the matrix, and the variances that it was made from.
#[derive(Debug)]
struct CovarianceFactor {
    start: f64,
    outcome: Rc<Cell<Outcome>>,
}

impl<E: Float> Op<E> for CovarianceFactor {
    fn name(&self) -> &'static str {
        "the factor of a covariance"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let (k, variances) = (inputs[0], inputs[1]);
        let scale = mean_variance(variances.iter().copied());
        let outcome = raise(self.start, scale, k, |jitter| factor_with((k, variances), jitter, out));
        self.outcome.set(outcome);
        if let Outcome::Failed(_) = outcome {
            // On a tape that runs again: NaN turns the point down.
            out.fill(E::NAN);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (l, g, order) = (pass.out, pass.grad_out, pass.inputs[1].len());
        if let Some(slot) = pass.grad(0) {
            fits(kernel::cholesky_backward(order, l, g, slot.add()));
        }
    }
}

/// The lower Cholesky factor of a covariance matrix `[N, N]`, and the jitter that it took: the multiple of the mean of
/// `variances`, `[N]`, that was added to the diagonal.
///
/// `variances` are those that the matrix was computed from: its diagonal, or, for what conditioning leaves of a covariance,
/// that before it, whose rounding the matrix has. `start` is added in any case; it is none unless somebody asks for it. If
/// there is no factor with it, or a pivot is no larger than that rounding, the least that makes one is added, by powers of
/// four from one unit of rounding to [`MOST_JITTER`], with every evaluation anew. It counts as a constant: gradients flow to
/// the matrix alone.
///
/// # Errors
/// [`Error::NotPositiveDefinite`] if none does (NaN included), [`Error::Shape`] or [`Error::Broadcast`] if the matrix is not
/// square or the variances do not fit, or the error that an input carries.
pub fn covariance_factor<E: Float>(
    k: &Value<E>,
    variances: &Value<E>,
    start: f64,
) -> Result<(Value<E>, f64)> {
    const OP: &str = "the factor of a covariance";
    let (lhs, rhs) = (*k.check()?.dims(), *variances.check()?.dims());
    let order = match *lhs {
        [rows, columns] if rows == columns => rows,
        _ => return Err(Error::Shape { op: OP, expected: "[N, N]".into(), got: lhs }),
    };
    if rhs != Dims::vector(order) {
        return Err(Error::Broadcast { op: OP, lhs, rhs });
    }
    let outcome = Rc::new(Cell::new(Outcome::Failed(0)));
    let factor = apply(CovarianceFactor { start, outcome: outcome.clone() }, &[k, variances], lhs);
    match outcome.get() {
        Outcome::Raised(jitter) => Ok((factor, jitter)),
        Outcome::Failed(minor) => Err(Error::NotPositiveDefinite { op: OP, minor }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::test_gradients::{assert_slopes, weighted_sum};

    fn square<E: Float>(order: usize, number: impl Fn(usize, usize) -> f64) -> Value<E> {
        let numbers = (0..order * order).map(|i| E::from_f64(number(i / order, i % order))).collect();
        Value::from_vec(numbers, Dims::vector(order).with_last(order)).unwrap()
    }

    fn ones<E: Float>(order: usize) -> Value<E> {
        Value::full(E::ONE, Dims::vector(order))
    }

    /// What was added, and how far `L Lᵀ` is from the matrix off the diagonal.
    fn factored<E: Float>(k: &Value<E>, order: usize, start: f64) -> (f64, f64) {
        let (l, jitter) = covariance_factor(k, &ones(order), start).unwrap();
        let (l, k) = (l.peek().unwrap(), k.peek().unwrap());
        let entry = |i: usize, j: usize| -> f64 {
            (0..order).map(|m| l[i * order + m].to_f64() * l[j * order + m].to_f64()).sum()
        };
        let pairs = (0..order).flat_map(|i| (0..i).map(move |j| (i, j)));
        (jitter, pairs.map(|(i, j)| (entry(i, j) - k[i * order + j].to_f64()).abs()).fold(0.0, f64::max))
    }

    #[test]
    fn a_matrix_that_has_a_factor_gets_nothing_added() {
        let near = |order: usize, noise: f64| {
            move |i: usize, j: usize| {
                let d = (i as f64 - j as f64) * 5.0 / order as f64;
                (-0.5 * d * d).exp() + if i == j { noise } else { 0.0 }
            }
        };
        assert_eq!(factored(&square::<f32>(20, near(20, 1e-5)), 20, 0.0).0, 0.0);
        assert_eq!(factored(&square::<f64>(20, near(20, 1e-12)), 20, 0.0).0, 0.0);
        // What was asked for is added, and no more.
        assert_eq!(factored(&square::<f64>(3, near(3, 0.0)), 3, 1e-3).0, 1e-3);
    }

    #[test]
    fn a_singular_matrix_gets_a_few_units_of_rounding() {
        let (jitter, off) = factored(&square::<f32>(30, |_, _| 1.0), 30, 0.0);
        assert!(jitter > 0.0 && jitter < 64.0 * f64::from(f32::EPSILON), "{jitter}");
        assert!(off < 1e-6, "{off}");
        let (jitter, off) = factored(&square::<f64>(30, |_, _| 1.0), 30, 0.0);
        assert!(jitter > 0.0 && jitter < 64.0 * f64::EPSILON, "{jitter}");
        assert!(off < 1e-14, "{off}");
    }

    #[test]
    fn what_no_jitter_mends_is_refused() {
        let refuse = |k: Value<f64>| covariance_factor(&k, &ones(2), 0.0).unwrap_err();
        let indefinite = square(2, |i, j| if i == j { 1.0 } else { 2.0 });
        assert!(matches!(refuse(indefinite), Error::NotPositiveDefinite { minor: 2, .. }));
        assert!(matches!(refuse(square(2, |_, _| f64::NAN)), Error::NotPositiveDefinite { minor: 1, .. }));
        assert!(covariance_factor(&ones::<f64>(2), &ones(2), 0.0).is_err());
        assert!(covariance_factor(&square::<f64>(2, |_, _| 1.0), &ones(3), 0.0).is_err());
    }

    #[test]
    fn the_gradient_by_a_covariance_is_its_slope() {
        let a = [square::<f64>(3, |i, j| ((3 * i + j) as f64).sin())];
        // A symmetric matrix from any: A Aᵀ + I.
        let program = |x: &[Value<f64>]| {
            let product = crate::ops::linalg::dot(&x[0], &crate::ops::layout::transpose(&x[0]))?;
            let k = crate::ops::elementwise::add(&product, &square(3, |i, j| f64::from(u8::from(i == j))));
            Ok(weighted_sum(&covariance_factor(&k, &ones(3), 0.01)?.0))
        };
        assert_slopes(program, &a, 1e-8);
    }
}
