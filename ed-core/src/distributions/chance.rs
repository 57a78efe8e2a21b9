//! The two ways to state a probability: by itself or by its logit. A density keeps the one that it was given, in which
//! certainty has no infinite slope and a count of millions no rounding of a logarithm.

use std::fmt::Debug;

use crate::kernels::dispatch::{Arch, Portable};
use crate::kernels::saddle_point::Odds;
use crate::kernels::{Real, math};
use crate::ops::density::{self, Family, Terms};
use crate::tensor::{Float, Value};

/// What a parameter says about a probability.
pub(super) trait Chance: Copy + Send + Sync + Debug + 'static {
    /// The probabilities of success and failure.
    fn odds<A: Arch, T: Real>(param: T) -> Odds<T>;

    /// The derivatives of `ln p` and `ln (1 - p)` by the parameter.
    fn slopes<T: Real>(odds: Odds<T>) -> (T, T);

    /// `a - (a + b) p`, to its last digits.
    fn gap(a: f64, b: f64, param: f64) -> f64;

    /// The derivative of a term whose derivative by the logit is `gap`, and that is `a ln p + b ln (1 - p)` but for a
    /// constant.
    #[inline(always)]
    fn slope(a: f64, b: f64, gap: f64, odds: Odds<f64>) -> f64 {
        let (by_success, by_failure) = Self::slopes(odds);
        if a == 0.0 {
            if b == 0.0 { 0.0 } else { b * by_failure }
        } else if b == 0.0 {
            a * by_success
        } else {
            gap * Self::of_logit(odds)
        }
    }

    /// The derivative of the logit by the parameter.
    fn of_logit<T: Real>(odds: Odds<T>) -> T;
}

/// `ℓ = ln p - ln (1 - p)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByLogit;

/// `p`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByItself;

impl Chance for ByLogit {
    #[inline(always)]
    fn odds<A: Arch, T: Real>(logit: T) -> Odds<T> {
        let e = math::exp::<A, T>(-logit.abs());
        let rest = math::ln_1p::<A, T>(e);
        let (large, small) = (T::ONE / (T::ONE + e), e / (T::ONE + e));
        let (ln_large, ln_small) = (-rest, -(logit.abs() + rest));
        if logit > T::ZERO {
            Odds { p: large, q: small, ln_p: ln_large, ln_q: ln_small }
        } else {
            Odds { p: small, q: large, ln_p: ln_small, ln_q: ln_large }
        }
    }

    #[inline(always)]
    fn slopes<T: Real>(odds: Odds<T>) -> (T, T) {
        (odds.q, -odds.p)
    }

    #[inline(always)]
    fn gap(a: f64, b: f64, logit: f64) -> f64 {
        // (a e^-ℓ - b) p, and the same from the other side.
        let (e, lost) = math::exp_and_lost::<Portable>(-logit.abs());
        let (times, other) = if logit > 0.0 { (a, b) } else { (b, a) };
        let gap = (math::product_minus::<Portable, f64>(times, e, other) + times * e * lost) / (1.0 + e);
        if logit > 0.0 { gap } else { -gap }
    }

    #[inline(always)]
    fn of_logit<T: Real>(_: Odds<T>) -> T {
        T::ONE
    }
}

impl Chance for ByItself {
    #[inline(always)]
    fn odds<A: Arch, T: Real>(p: T) -> Odds<T> {
        Odds { p, q: T::ONE - p, ln_p: math::ln::<A, T>(p), ln_q: math::ln_1p::<A, T>(-p) }
    }

    #[inline(always)]
    fn slopes<T: Real>(odds: Odds<T>) -> (T, T) {
        (T::ONE / odds.p, -T::ONE / odds.q)
    }

    #[inline(always)]
    fn gap(a: f64, b: f64, p: f64) -> f64 {
        let (of_a, lost_a) = math::two_product::<Portable, f64>(a, p);
        let (of_b, lost_b) = math::two_product::<Portable, f64>(b, p);
        let (rest, lost) = math::two_sum(a, -of_a);
        (rest - of_b) + (lost - lost_a - lost_b)
    }

    #[inline(always)]
    fn of_logit<T: Real>(odds: Odds<T>) -> T {
        T::ONE / (odds.p * odds.q)
    }
}

/// `weight x`, where a weight of zero is stronger than an infinite `x`.
#[inline(always)]
fn weighted<T: Real>(weight: T, x: T) -> T {
    if weight == T::ZERO { T::ZERO } else { weight * x }
}

/// The derivative of the probability itself by the parameter.
#[inline(always)]
fn of_itself<C: Chance, T: Real>(odds: Odds<T>) -> T {
    let (by_success, by_failure) = C::slopes(odds);
    // p (ln p)' = -q (ln q)', of which one is finite.
    if odds.p > odds.q { odds.p * by_success } else { -(odds.q * by_failure) }
}

/// The entropy of one trial, as a function of its chance.
#[derive(Clone, Copy, Debug)]
struct Entropy<C>(C);

impl<C: Chance> Family<0> for Entropy<C> {
    const NAME: &'static str = "entropy";
    type Prepared<T: Real> = ();

    #[inline(always)]
    fn prepare<A: Arch, T: Real>(_: [T; 0]) {}

    #[inline(always)]
    fn terms<A: Arch, T: Real>(chance: T, _: [T; 0], (): ()) -> Terms<T, 0> {
        let odds = C::odds::<A, T>(chance);
        let entropy = -(weighted(odds.p, odds.ln_p) + weighted(odds.q, odds.ln_q));
        let d_value = weighted(of_itself::<C, T>(odds), odds.ln_q - odds.ln_p);
        Terms { log_prob: entropy, d_value, d_params: [] }
    }
}

/// The divergence of one trial from another, as a function of both chances.
#[derive(Clone, Copy, Debug)]
struct Divergence<C, D>(C, D);

impl<C: Chance, D: Chance> Family<1> for Divergence<C, D> {
    const NAME: &'static str = "the divergence between trials";
    type Prepared<T: Real> = Odds<T>;

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([theirs]: [T; 1]) -> Odds<T> {
        D::odds::<A, T>(theirs)
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(chance: T, _: [T; 1], theirs: Odds<T>) -> Terms<T, 1> {
        let ours = C::odds::<A, T>(chance);
        let success = if ours.p == T::ZERO { T::ZERO } else { ours.ln_p - theirs.ln_p };
        let failure = if ours.q == T::ZERO { T::ZERO } else { ours.ln_q - theirs.ln_q };
        let (by_success, by_failure) = D::slopes(theirs);
        Terms {
            log_prob: weighted(ours.p, success) + weighted(ours.q, failure),
            d_value: weighted(of_itself::<C, T>(ours), success - failure),
            d_params: [-(weighted(ours.p, by_success) + weighted(ours.q, by_failure))],
        }
    }
}

/// A parameter, as the distributions keep it: the logits, and the probabilities if those were given.
pub(super) struct Stated<'a, E: Float> {
    pub(super) logits: &'a Value<E>,
    pub(super) probs: &'a Option<Value<E>>,
}

impl<E: Float> Stated<'_, E> {
    /// The entropy of one trial, for every element.
    pub(super) fn entropy(&self) -> Value<E> {
        match self.probs {
            Some(probs) => density::log_prob::<Entropy<ByItself>, E, 0>(probs, []),
            None => density::log_prob::<Entropy<ByLogit>, E, 0>(self.logits, []),
        }
    }

    /// The divergence of trials from others, summed; `self` in the full shape.
    pub(super) fn divergence(&self, other: &Stated<'_, E>) -> Value<E> {
        match (self.probs, other.probs) {
            (Some(p), Some(q)) => density::log_prob_sum::<Divergence<ByItself, ByItself>, E, 1>(p, [q]),
            (Some(p), None) => {
                density::log_prob_sum::<Divergence<ByItself, ByLogit>, E, 1>(p, [other.logits])
            }
            (None, Some(q)) => density::log_prob_sum::<Divergence<ByLogit, ByItself>, E, 1>(self.logits, [q]),
            (None, None) => {
                density::log_prob_sum::<Divergence<ByLogit, ByLogit>, E, 1>(self.logits, [other.logits])
            }
        }
    }
}
