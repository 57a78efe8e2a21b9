//! The normal posterior of a weight tensor: draw and divergence in one pass over the parameters, and their gradients
//! in another.
//!
//! The posterior of every weight is `N(loc, softplus(raw_scale) + FLOOR)`. The noise of a draw is how far it lies from
//! its centre in scales, so the backward pass needs neither the noise nor its key, only the draw, which the layer keeps
//! in any case. That noise is the one that the draw, as rounded, stands for.

use super::{Gradient, Lanes, TILE, accumulate, add};
use crate::kernels::parallel::{COSTLY_CHUNK, map_reduce};
use crate::kernels::reduce::LANES;
use crate::kernels::{Arch, Broadcast, Kernel, Key, Real, dispatch, math, rng};

/// What is added to `softplus(raw_scale)`, so that no scale is zero.
pub const SCALE_FLOOR: f64 = 1e-7;

/// What a draw is centred on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawAround {
    /// `loc + scale · ε`: a weight.
    Loc,
    /// `scale · ε`: the perturbation of a weight, as Flipout needs it.
    Zero,
}

/// A normal posterior, its prior, and the noise of a draw; `loc` and `raw_scale` have one length.
#[derive(Clone, Copy, Debug)]
pub struct MeanField<'a, T> {
    /// Means of the posterior.
    pub loc: &'a [T],
    /// Scales of the posterior before `softplus`.
    pub raw_scale: &'a [T],
    /// Location and scale of the normal prior, for the divergence.
    pub prior: Option<[Broadcast<'a, T>; 2]>,
    /// The key of a draw, and what it is centred on.
    pub noise: Option<(Key, DrawAround)>,
}

/// The gradients to write, each if it is wanted.
#[derive(Debug)]
pub struct MeanFieldGradients<'a, T> {
    /// By `loc`.
    pub loc: Option<Gradient<'a, T>>,
    /// By `raw_scale`.
    pub raw_scale: Option<Gradient<'a, T>>,
    /// Whether to sum the gradients by the prior's location and scale.
    pub prior_sums: bool,
    /// By the location of the prior that each weight reads, overwritten.
    pub prior_loc: Option<&'a mut [T]>,
    /// By the scale of the prior that each weight reads, overwritten.
    pub prior_scale: Option<&'a mut [T]>,
}

impl<T: Real> MeanField<'_, T> {
    /// Writes the draw, if there is noise and a place for it, and returns the divergence from the posterior to the
    /// prior, summed over the weights, in nats; 0 without a prior.
    pub fn forward(self, draw: Option<&mut [T]>) -> f64 {
        let Self { loc, raw_scale, prior, noise } = self;
        let parts = ((loc, raw_scale), draw, prior.map(|[loc, scale]| (loc, scale)));
        map_reduce(
            parts,
            COSTLY_CHUNK,
            |start, ((loc, raw_scale), draw, prior)| {
                let prior = prior.map(|(loc, scale)| [loc, scale]);
                dispatch(Forward { posterior: MeanField { loc, raw_scale, prior, noise }, draw, start })
            },
            |a, b| a + b,
        )
    }

    /// Writes the gradients of `Σ grad_draw · draw + grad_kl · divergence`, from the draw and `grad_draw`; without them,
    /// those of the divergence alone. Returns the sums of the gradients by the prior's location and scale.
    pub fn backward(
        self,
        of_draw: Option<[&[T]; 2]>,
        grad_kl: T,
        gradients: MeanFieldGradients<T>,
    ) -> [f64; 2] {
        let Self { loc, raw_scale, prior, noise } = self;
        let prior = prior.filter(|_| grad_kl != T::ZERO).map(|[loc, scale]| (loc, scale));
        let ((d_loc, loc_fresh), (d_raw, raw_fresh)) =
            (Gradient::parts(gradients.loc), Gradient::parts(gradients.raw_scale));
        let by_prior = (gradients.prior_loc, gradients.prior_scale);
        let prior_sums = gradients.prior_sums || by_prior.0.is_some() || by_prior.1.is_some();
        let of_draw = of_draw.map(|[draw, grad]| (draw, grad));
        map_reduce(
            ((loc, raw_scale), of_draw, (d_loc, d_raw), by_prior, prior),
            COSTLY_CHUNK,
            |_, ((loc, raw_scale), of_draw, (d_loc, d_raw), (d_prior_loc, d_prior_scale), prior)| {
                let posterior =
                    MeanField { loc, raw_scale, prior: prior.map(|(loc, scale)| [loc, scale]), noise };
                let fresh = [loc_fresh, raw_fresh];
                let (by_weight, by_prior) = ([d_loc, d_raw], [d_prior_loc, d_prior_scale]);
                dispatch(Back { posterior, of_draw, grad_kl, by_weight, fresh, by_prior, prior_sums })
            },
            add,
        )
    }
}

/// The scale, its reciprocal, and its slope `sigmoid(raw)`, from one exponential and one division.
#[inline(always)]
fn scale_and_slope<A: Arch, T: Real>(raw: T) -> (T, T, T) {
    let (softplus, e) = math::softplus_and_exp::<A, T>(raw);
    let (scale, both) = (softplus + T::from_f64(SCALE_FLOOR), T::ONE + e);
    let inverse_of_product = T::ONE / (scale * both);
    let top = if raw >= T::ZERO { T::ONE } else { e };
    (scale, both * inverse_of_product, top * scale * inverse_of_product)
}

/// The prior of a tile of weights: locations and reciprocal scales.
struct PriorTile<T> {
    loc: [T; TILE],
    inverse: [T; TILE],
}

impl<T: Real> PriorTile<T> {
    #[inline(always)]
    fn new() -> Self {
        Self { loc: [T::ZERO; TILE], inverse: [T::ONE; TILE] }
    }

    /// Reads the prior of weights `start..start + len`; a scalar prior is read once.
    #[inline(always)]
    fn load(&mut self, [loc, scale]: [Broadcast<'_, T>; 2], start: usize, len: usize) {
        let once = |param: &Broadcast<'_, T>| matches!(param, Broadcast::Scalar(_));
        if start == 0 || !once(&loc) {
            loc.load(start, &mut self.loc[..len]);
        }
        if start == 0 || !once(&scale) {
            scale.load(start, &mut self.inverse[..len]);
            self.inverse[..len].iter_mut().for_each(|scale| *scale = T::ONE / *scale);
        }
    }
}

struct Forward<'a, T> {
    posterior: MeanField<'a, T>,
    draw: Option<&'a mut [T]>,
    start: usize,
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Out = f64;
    const WIDE: bool = true;

    #[inline(always)]
    fn run<A: Arch>(self) -> f64 {
        let Self { posterior, mut draw, start } = self;
        let MeanField { loc, raw_scale, prior, noise } = posterior;
        // Squares and binary exponents of the ratios of the scales; their mantissas are multiplied, for one logarithm
        // in each lane of a tile.
        let mut sums = Lanes::<T, 2>::new();
        let mut logs = Lanes::<T, 1>::new();
        let mut tile = PriorTile::new();
        let (mut scales, mut epsilon) = ([T::ONE; TILE], [T::ZERO; TILE]);
        let (mut squares, mut exponents, mut mantissas) = ([T::ZERO; TILE], [T::ZERO; TILE], [T::ONE; TILE]);
        for from in (0..loc.len()).step_by(TILE) {
            let len = TILE.min(loc.len() - from);
            let (loc, raw_scale) = (&loc[from..][..len], &raw_scale[from..][..len]);
            let scales = &mut scales[..len];
            for (scale, &raw) in scales.iter_mut().zip(raw_scale) {
                *scale = math::softplus::<A, T>(raw) + T::from_f64(SCALE_FLOOR);
            }
            if let (Some(draw), Some((key, around))) = (&mut draw, noise) {
                let (draw, epsilon) = (&mut draw[from..][..len], &mut epsilon[..len]);
                rng::normals::<A, T>(key, (start + from) as u64, epsilon);
                match around {
                    DrawAround::Loc => {
                        for i in 0..len {
                            draw[i] = scales[i].mul_add::<A>(epsilon[i], loc[i]);
                        }
                    }
                    DrawAround::Zero => {
                        for i in 0..len {
                            draw[i] = scales[i] * epsilon[i];
                        }
                    }
                }
            }
            if let Some(prior) = prior {
                tile.load(prior, from, len);
                let (prior_loc, inverse) = (&tile.loc[..len], &tile.inverse[..len]);
                let (squares, exponents) = (&mut squares[..len], &mut exponents[..len]);
                for i in 0..len {
                    let z = (loc[i] - prior_loc[i]) * inverse[i];
                    let ratio = scales[i] * inverse[i];
                    let square = ratio.mul_add::<A>(ratio, z * z) - T::ONE;
                    squares[i] = if ratio >= T::ZERO { square } else { T::NAN };
                    (exponents[i], mantissas[i]) = ratio.decompose();
                }
                sums.add_tile::<0>(squares);
                sums.add_tile::<1>(exponents);
                mantissas[len..].fill(T::ONE);
                let mut products = [T::ONE; LANES];
                for block in mantissas.as_chunks::<LANES>().0 {
                    for lane in 0..LANES {
                        products[lane] *= block[lane];
                    }
                }
                products.iter_mut().for_each(|product| *product = math::ln_positive::<A, T>(*product));
                logs.add_tile::<0>(&products);
            }
        }
        let ([squares, exponents], [logs]) = (sums.totals(), logs.totals());
        0.5 * squares - (exponents * std::f64::consts::LN_2 + logs)
    }
}

struct Back<'a, T> {
    posterior: MeanField<'a, T>,
    of_draw: Option<(&'a [T], &'a [T])>,
    grad_kl: T,
    by_weight: [Option<&'a mut [T]>; 2],
    fresh: [bool; 2],
    by_prior: [Option<&'a mut [T]>; 2],
    prior_sums: bool,
}

impl<T: Real> Kernel for Back<'_, T> {
    type Out = [f64; 2];
    const WIDE: bool = true;

    #[inline(always)]
    fn run<A: Arch>(self) -> [f64; 2] {
        let Self { posterior, of_draw, grad_kl, fresh, prior_sums, .. } = self;
        let MeanField { loc, raw_scale, prior, noise } = posterior;
        let ([mut d_loc, mut d_raw], mut by_prior) = (self.by_weight, self.by_prior);
        let mut sums = Lanes::<T, 2>::new();
        let mut tile = PriorTile::new();
        let (mut scales, mut inverse_scales) = ([T::ONE; TILE], [T::ONE; TILE]);
        let mut slopes = [T::ONE; TILE];
        let (mut by_loc, mut by_scale) = ([T::ZERO; TILE], [T::ZERO; TILE]);
        for from in (0..loc.len()).step_by(TILE) {
            let len = TILE.min(loc.len() - from);
            let (loc, raw_scale) = (&loc[from..][..len], &raw_scale[from..][..len]);
            let (scales, slopes) = (&mut scales[..len], &mut slopes[..len]);
            let inverse_scales = &mut inverse_scales[..len];
            for i in 0..len {
                (scales[i], inverse_scales[i], slopes[i]) = scale_and_slope::<A, T>(raw_scale[i]);
            }
            let (by_loc, by_scale) = (&mut by_loc[..len], &mut by_scale[..len]);
            match (of_draw, noise) {
                (Some((draw, grad)), Some((_, around))) => {
                    let (draw, grad) = (&draw[from..][..len], &grad[from..][..len]);
                    match around {
                        DrawAround::Loc => {
                            for i in 0..len {
                                by_loc[i] = grad[i];
                                by_scale[i] = grad[i] * ((draw[i] - loc[i]) * inverse_scales[i]);
                            }
                        }
                        DrawAround::Zero => {
                            for i in 0..len {
                                by_loc[i] = T::ZERO;
                                by_scale[i] = grad[i] * (draw[i] * inverse_scales[i]);
                            }
                        }
                    }
                }
                _ => {
                    by_loc.fill(T::ZERO);
                    by_scale.fill(T::ZERO);
                }
            }
            if let Some(prior) = prior {
                tile.load(prior, from, len);
                let (prior_loc, inverse) = (&tile.loc[..len], &tile.inverse[..len]);
                for i in 0..len {
                    let weight = grad_kl * inverse[i];
                    let (z, ratio) = ((loc[i] - prior_loc[i]) * inverse[i], scales[i] * inverse[i]);
                    by_loc[i] = weight.mul_add::<A>(z, by_loc[i]);
                    by_scale[i] += weight.mul_add::<A>(ratio, -(grad_kl * inverse_scales[i]));
                }
                if prior_sums {
                    for i in 0..len {
                        let weight = grad_kl * inverse[i];
                        let (z, ratio) = ((loc[i] - prior_loc[i]) * inverse[i], scales[i] * inverse[i]);
                        let partials = [-weight * z, weight * (T::ONE - ratio.mul_add::<A>(ratio, z * z))];
                        for (partial, (sum, out)) in
                            partials.into_iter().zip(sums.0.iter_mut().zip(&mut by_prior))
                        {
                            sum[i % LANES] += partial;
                            if let Some(out) = out {
                                out[from + i] = partial;
                            }
                        }
                    }
                }
            }
            if let Some(d_loc) = &mut d_loc {
                accumulate(&mut d_loc[from..][..len], fresh[0], |i| by_loc[i]);
            }
            if let Some(d_raw) = &mut d_raw {
                accumulate(&mut d_raw[from..][..len], fresh[1], |i| slopes[i] * by_scale[i]);
            }
        }
        sums.totals()
    }
}
