//! Chains of element-wise operations in one pass, without temporaries: divergences with their gradients, the weights
//! of Bayesian layers, noise on activations, normalisation.
//!
//! Written one by one, the operations of such a chain each read and write a slice. Here each element is read once, its
//! term is added to a sum, and the partial derivatives are summed or stored on the way. Noise is made where it is used,
//! from a key and the index of the element, and made again by the backward pass.

mod local_noise;
mod mean_field;
mod norm;
mod normal_kl;
mod row_noise;

pub use local_noise::{local_noise, local_noise_backward};
pub use mean_field::{DrawAround, MeanField, MeanFieldGradients, SCALE_FLOOR};
pub use norm::{BatchNorm, LayerNorm};
pub use normal_kl::{NormalKlPartials, NormalKlSums, normal_kl};
pub use row_noise::{RowFactor, RowNoise};

use super::float::Real;
use super::reduce::{LANES, combine_lanes};

/// Elements that are taken through a chain together: their intermediate results stay in the level-1 cache.
const TILE: usize = 256;

/// A gradient that a backward pass writes.
#[derive(Debug)]
pub struct Gradient<'a, T> {
    /// As many numbers as the input has.
    pub values: &'a mut [T],
    /// Whether to overwrite the numbers instead of adding to them.
    pub fresh: bool,
}

impl<'a, T> Gradient<'a, T> {
    /// The place of the gradient, if it is wanted, and whether it is fresh.
    fn parts(wanted: Option<Self>) -> (Option<&'a mut [T]>, bool) {
        match wanted {
            Some(Gradient { values, fresh }) => (Some(values), fresh),
            None => (None, true),
        }
    }
}

/// `grad[i] = term(i)` if the gradient is fresh, and `+=` otherwise.
#[inline(always)]
fn accumulate<T: Real>(grad: &mut [T], fresh: bool, term: impl Fn(usize) -> T) {
    let pairs = grad.iter_mut().enumerate();
    if fresh {
        pairs.for_each(|(i, grad)| *grad = term(i));
    } else {
        pairs.for_each(|(i, grad)| *grad += term(i));
    }
}

/// Sums over elements, kept in lanes so that the loops vectorise.
struct Lanes<T, const N: usize>([[T; LANES]; N]);

impl<T: Real, const N: usize> Lanes<T, N> {
    #[inline(always)]
    fn new() -> Self {
        Self([[T::ZERO; LANES]; N])
    }

    /// Adds the elements of a tile to sum `K`.
    #[inline(always)]
    fn add_tile<const K: usize>(&mut self, tile: &[T]) {
        let mut lanes = self.0[K];
        let (blocks, rest) = tile.as_chunks::<LANES>();
        for block in blocks {
            for lane in 0..LANES {
                lanes[lane] += block[lane];
            }
        }
        rest.iter().zip(&mut lanes).for_each(|(&x, lane)| *lane += x);
        self.0[K] = lanes;
    }

    /// The sums as `f64`: chunks are added in double precision.
    #[inline(always)]
    fn totals(self) -> [f64; N] {
        self.0.map(|lanes| combine_lanes(lanes, |a, b| a + b).to_f64())
    }
}

/// Element-wise addition, for combining the sums of chunks.
fn add<const N: usize>(a: [f64; N], b: [f64; N]) -> [f64; N] {
    std::array::from_fn(|i| a[i] + b[i])
}

/// `slice[start + lane]`, where an output was asked for.
#[inline(always)]
fn store<T: Real>(out: &mut Option<&mut [T]>, start: usize, values: &[T]) {
    if let Some(out) = out {
        out[start..start + values.len()].copy_from_slice(values);
    }
}

/// The shortest of `len` and the lengths of the outputs that were asked for.
fn shortest<T, const N: usize>(len: usize, outputs: [&Option<&mut [T]>; N]) -> usize {
    outputs.into_iter().flatten().fold(len, |len, out| len.min(out.len()))
}

/// The first `len` elements of an output.
fn first<T>(out: Option<&mut [T]>, len: usize) -> Option<&mut [T]> {
    out.map(|out| &mut out[..len])
}

#[cfg(test)]
mod tests;
