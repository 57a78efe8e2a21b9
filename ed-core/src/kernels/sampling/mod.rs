//! Samplers over slices: element `i` depends on the key, its own parameters and `i` only.
//!
//! All of them compute in double precision, tile by tile, on all cores, and round at the end.
//! Parameters repeat over the elements ([`Broadcast`]); an element whose parameters are out of their
//! domain becomes NaN. The rejection samplers make their first attempt for a whole tile in vector code
//! and repeat what was rejected with a [`Stream`](super::rng::Stream) of its own.

mod binomial;
mod categorical;
mod gamma;
mod poisson;
mod transform;

pub use binomial::fill_binomial;
pub use categorical::fill_categorical;
pub use gamma::{fill_beta, fill_gamma, fill_log_gamma, fill_student_t};
pub use poisson::{fill_negative_binomial, fill_poisson};
pub use transform::{
    fill_bernoulli, fill_cauchy, fill_exponential, fill_geometric, fill_gumbel, fill_laplace, fill_logistic,
};

use super::broadcast::Broadcast;
use super::dispatch::{Arch, Kernel, dispatch};
use super::float::Real;
use super::parallel::for_each;
use super::rng::Key;

/// Elements that are drawn side by side.
const TILE: usize = 256;

/// Elements that are worth a thread.
const CHUNK: usize = 8 * TILE;

/// A distribution with `P` parameters.
trait Sampler<const P: usize>: Copy + Send + Sync {
    /// Elements `start..start + out.len()`, at most a tile.
    fn draw<A: Arch>(self, key: Key, start: u64, params: &[[f64; TILE]; P], out: &mut [f64]);
}

struct Tile<'a, S, const P: usize> {
    sampler: S,
    key: Key,
    start: u64,
    params: &'a [[f64; TILE]; P],
    out: &'a mut [f64],
}

impl<S: Sampler<P>, const P: usize> Kernel for Tile<'_, S, P> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        self.sampler.draw::<A>(self.key, self.start, self.params, self.out);
    }
}

/// Fills `out` with draws of `sampler`.
fn fill<T: Real, const P: usize>(
    key: Key,
    sampler: impl Sampler<P>,
    params: [Broadcast<T>; P],
    out: &mut [T],
) {
    for_each(out, CHUNK, |start, out| {
        let (mut raw, mut tile) = ([T::ZERO; TILE], [0.0; TILE]);
        let mut wide = [[0.0; TILE]; P];
        for (t, out) in out.chunks_mut(TILE).enumerate() {
            let start = start + t * TILE;
            for (wide, param) in wide.iter_mut().zip(params) {
                param.load(start, &mut raw[..out.len()]);
                wide.iter_mut().zip(&raw).for_each(|(wide, raw)| *wide = raw.to_f64());
            }
            let tile = &mut tile[..out.len()];
            dispatch(Tile { sampler, key, start: start as u64, params: &wide, out: tile });
            out.iter_mut().zip(&*tile).for_each(|(out, &x)| *out = T::from_f64(x));
        }
    });
}

#[cfg(test)]
mod tests;
