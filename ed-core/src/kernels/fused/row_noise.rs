//! Products with random factors that belong to a row and a channel: Flipout's signs and the masks of dropout.
//!
//! The numbers lie as `[rows, positions, channels]`. The factor of a row and a channel is a function of the key and
//! these two, and the same at every position; it is made where it is used and never stored.

use super::accumulate;
use crate::kernels::parallel::{COSTLY_CHUNK, Rows, for_each};
use crate::kernels::{Arch, Kernel, Key, Real, dispatch, rng};

/// Signs that one random word has.
const WORD: usize = u32::BITS as usize;

/// The law of a random factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowFactor {
    /// -1 or 1, each with probability one half.
    Sign,
    /// 0 with probability `rate`, which is below 1, and otherwise `1 / (1 - rate)`, so that the mean is 1.
    Keep {
        /// The probability of 0, to the next multiple of 2⁻³².
        rate: f64,
    },
}

/// Random factors over `[rows, positions, channels]`.
#[derive(Clone, Copy, Debug)]
pub struct RowNoise {
    /// What the factors are a function of.
    pub key: Key,
    /// Their law.
    pub factor: RowFactor,
    /// How many positions share the factors of a row.
    pub positions: usize,
    /// How many channels a row has.
    pub channels: usize,
}

impl RowNoise {
    /// `out = base + x · factor` (no base is 0) if `out` is fresh, and `out += x · factor` otherwise. All slices have
    /// the length of `out`, which is that of whole rows.
    ///
    /// ```
    /// use ed_core::kernels::{Key, fused::{RowFactor, RowNoise}};
    /// let noise = RowNoise { key: Key::new(0), factor: RowFactor::Sign, positions: 2, channels: 3 };
    /// let mut out = [0.0f32; 6];
    /// noise.multiply(&[1.0; 6], None, &mut out, true);
    /// assert!(out.iter().all(|x| x.abs() == 1.0));
    /// assert_eq!(out[..3], out[3..]); // one row: both positions have its signs
    /// ```
    pub fn multiply<T: Real>(self, x: &[T], base: Option<&[T]>, out: &mut [T], fresh: bool) {
        let row = self.positions * self.channels;
        if row == 0 {
            return;
        }
        let parts = (Rows::new(out, row), Rows::new(x, row), base.map(|base| Rows::new(base, row)));
        for_each(parts, (COSTLY_CHUNK / row).max(1), |first_row, (out, x, base)| {
            let (out, x, base) = (out.into_inner(), x.into_inner(), base.map(Rows::into_inner));
            dispatch(Product { noise: self, first_row, x, base, out, fresh });
        });
    }

    /// The factors of the rows from `first_row` on.
    #[inline(always)]
    fn factors<A: Arch, T: Real>(self, first_row: usize, factors: &mut [T]) {
        let rows = factors.len() / self.channels;
        match self.factor {
            RowFactor::Sign => {
                let per_row = self.channels.div_ceil(WORD);
                let mut words = vec![0; rows * per_row];
                rng::words::<A>(self.key, (first_row * per_row) as u64, &mut words);
                for (factors, words) in factors.chunks_exact_mut(self.channels).zip(words.chunks(per_row)) {
                    for (factors, &word) in factors.chunks_mut(WORD).zip(words) {
                        let bits = T::join(word, 0);
                        for (bit, factor) in factors.iter_mut().enumerate() {
                            *factor = T::ONE.negate_if(bits, bit as u32);
                        }
                    }
                }
            }
            RowFactor::Keep { rate } => {
                let (kept, from) = (T::from_f64(1.0 / (1.0 - rate)), (rate * 2f64.powi(32)) as u32);
                let mut words = vec![0; factors.len()];
                rng::words::<A>(self.key, (first_row * self.channels) as u64, &mut words);
                for (factor, word) in factors.iter_mut().zip(words) {
                    *factor = if word >= from { kept } else { T::ZERO };
                }
            }
        }
    }
}

struct Product<'a, T> {
    noise: RowNoise,
    first_row: usize,
    x: &'a [T],
    base: Option<&'a [T]>,
    out: &'a mut [T],
    fresh: bool,
}

impl<T: Real> Kernel for Product<'_, T> {
    type Out = ();
    const WIDE: bool = true;

    #[inline(always)]
    fn run<A: Arch>(self) {
        let Self { noise, first_row, x, base, out, fresh } = self;
        let mut factors = vec![T::ZERO; out.len() / noise.positions];
        noise.factors::<A, T>(first_row, &mut factors);
        // With one position to a row, all rows are one run.
        let (rows, run) = match noise.positions {
            1 => (1, factors.len()),
            _ => (factors.len() / noise.channels, noise.channels),
        };
        for row in 0..rows {
            let factors = &factors[row * run..][..run];
            for position in 0..noise.positions {
                let from = (row * noise.positions + position) * run;
                let (x, out) = (&x[from..][..run], &mut out[from..][..run]);
                match base {
                    Some(base) => {
                        let base = &base[from..][..run];
                        accumulate(out, fresh, |i| x[i].mul_add::<A>(factors[i], base[i]));
                    }
                    None => accumulate(out, fresh, |i| x[i] * factors[i]),
                }
            }
        }
    }
}
