//! The beta distribution.

use super::param::filled;
use super::univariate::*;
use crate::kernels::saddle_point;
use crate::ops::density;

distribution! {
    /// Beta distribution with concentrations `a` (of 1) and `b` (of 0), of mean `a / (a + b)`.
    ///
    /// A draw is a ratio of Gamma draws and carries their implicit gradients.
    ///
    /// # Density
    /// `log p(x) = (a - 1) ln x + (b - 1) ln(1 - x) - ln B(a, b)`; support: `0 < x < 1`.
    ///
    /// # Shapes
    /// `concentration1`, `concentration0`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Beta::new(2.0, 0.7)?.log_prob(&Var::<(), f64>::scalar(0.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -0.923017, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Beta::new(A concentration1: positive, B concentration0: positive)
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Beta";
    type Prepared<T: Real> = Shares<T>;

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([a, b]: [T; 2]) -> Shares<T> {
        Shares::new(a, b)
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [a, b]: [T; 2], shares: Shares<T>) -> Terms<T, 2> {
        let rest = T::ONE - x;
        let large = shares.large;
        // Around the mean a / (a + b) if both are large, with the powers themselves otherwise.
        let (a, b) = if large { (a, b) } else { (a - T::ONE, b - T::ONE) };
        // (a + b) x - a, to its last digits.
        let (of_a, lost_a) = math::two_product::<A, T>(a, x);
        let (of_b, lost_b) = math::two_product::<A, T>(b, x);
        let (less, lost) = math::two_sum(of_a, -a);
        let gap = (less + of_b) + (lost + lost_a + lost_b);
        let around = if large { (gap / a, -gap / b) } else { (x - T::ONE, -x) };
        let (ln, bend) = math::ln_and_rest::<A, T>(x * shares.scale[0], around.0);
        let (ln_rest, bend_rest) = math::ln_and_rest::<A, T>(rest * shares.scale[1], around.1);
        let log_prob = if large {
            -(ln + ln_rest) - (a * bend + b * bend_rest)
        } else {
            weighted(a, ln) + weighted(b, ln_rest)
        };
        let pull = if large { x + x - T::ONE - gap } else { -gap };
        Terms {
            log_prob: shares.constant + log_prob,
            d_value: pull / (x * rest),
            d_params: [ln + shares.slopes[0], ln_rest + shares.slopes[1]],
        }
        .inside(x > T::ZERO && x < T::ONE)
    }
}

/// What the density needs of the concentrations alone.
#[derive(Clone, Copy, Debug)]
struct Shares<T> {
    /// Whether both are so large that the density is better taken around the mean.
    large: bool,
    /// What `x` and `1 - x` are measured by: the means then, and 1 otherwise.
    scale: [T; 2],
    constant: T,
    slopes: [T; 2],
}

impl<T: Real> Shares<T> {
    #[inline(always)]
    fn new(a: T, b: T) -> Self {
        let (a, b) = (a.to_f64(), b.to_f64());
        let n = a + b;
        let large = a >= 10.0 && b >= 10.0;
        let scale = if large { [n / a, n / b] } else { [1.0, 1.0] };
        let both = special::digamma(n);
        let slope = |x: f64, scale: f64| T::from_f64((both - special::digamma(x)) - scale.ln());
        let constant = if large {
            let remainders = special::stirling_remainder(n)
                - special::stirling_remainder(a)
                - special::stirling_remainder(b);
            // Of ½ ln (ab / 2πn), and of x and 1 - x by their means.
            remainders + 0.5 * (scale[0].ln() + scale[1].ln() + (n / std::f64::consts::TAU).ln())
        } else {
            -special::ln_beta(a, b)
        };
        Shares {
            large,
            scale: scale.map(T::from_f64),
            constant: T::from_f64(constant),
            slopes: [slope(a, scale[0]), slope(b, scale[1])],
        }
    }
}

/// `weight x`, where a weight of zero is stronger than an infinite `x`.
#[inline(always)]
fn weighted<T: Real>(weight: T, x: T) -> T {
    if weight == T::ZERO { T::ZERO } else { weight * x }
}

impl<S: Shape, E: Float> Beta<S, E> {
    /// `ψ(a)`, `ψ(b)` and `ψ(a + b)`.
    fn digammas(&self) -> Result<[Var<S, E>; 3]> {
        let (a, b) = (self.concentration1()?, self.concentration0()?);
        Ok([&a, &b, &(&a + &b)].map(|x| x.map(ew::digamma)))
    }

    fn ln_beta(&self) -> Result<Var<S, E>> {
        let (a, b) = (self.concentration1()?, self.concentration0()?);
        (a.ln_gamma() + b.ln_gamma() - (a + b).ln_gamma()).check()
    }
}

impl<S: Shape, E: Float> Beta<S, E> {
    /// Concentrations whose gammas have logarithms in the precision.
    ///
    /// Where both are so small that they have none, a draw is 1 with probability `a / (a + b)` and 0 otherwise, to all
    /// digits, and only their ratio matters: both are scaled up.
    fn drawable(&self) -> Result<(Value<E>, Value<E>)> {
        let (a, b) = (&self.concentration1, &self.concentration0);
        // The logarithm of a uniform is above -40, and so that of a gamma is above `-40 / concentration`.
        let smallest = E::MIN_POSITIVE.to_f64() * 256.0;
        let tiny = |x: &Value<E>| Ok::<_, Error>(x.peek()?.iter().any(|x| x.to_f64() < smallest));
        if !(tiny(a)? && tiny(b)?) {
            return Ok((a.clone(), b.clone()));
        }
        let (a, b) = (filled(a, &self.shape)?.into_value(), filled(b, &self.shape)?.into_value());
        let pairs = a.peek()?.iter().zip(b.peek()?);
        let factors = pairs.map(|(&a, &b)| {
            let larger = if a > b { a.to_f64() } else { b.to_f64() };
            E::from_f64(if larger < smallest { smallest / larger } else { 1.0 })
        });
        let factors = Value::from_vec(factors.collect(), *a.dims())?;
        Ok((ew::mul(&a, &factors), ew::mul(&b, &factors)))
    }
}

impl<S: Shape, E: Float> Distribution for Beta<S, E> {
    univariate!(Beta, Density, concentration1, concentration0);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Interval(Value::scalar(E::ZERO), Value::scalar(E::ONE))
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let dims = crate::tensor::Dims::of(&self.shape);
        let [one, zero] = key.split_array();
        let (one_of, zero_of) = self.drawable()?;
        let ln_one = draws::ln_gamma_draw(&one_of, one, dims);
        let ln_zero = draws::ln_gamma_draw(&zero_of, zero, dims);
        // x / (x + y) from logarithms: both may underflow and their ratio be ordinary.
        Var::from_value(draws::inside_unit(&ew::sigmoid(&ew::sub(&ln_one, &ln_zero))))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (self.concentration1()? / (self.concentration1()? + self.concentration0()?)).check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        let total = self.concentration1()? + self.concentration0()?;
        let shares = (self.concentration1()? / &total) * (self.concentration0()? / &total);
        (shares / (total + 1.0)).check()
    }

    /// `ln B(a, b) - (a - 1) ψ(a) - (b - 1) ψ(b) + (a + b - 2) ψ(a + b)`.
    fn entropy(&self) -> Result<Var<S, E>> {
        let (a, b) = (self.concentration1()?, self.concentration0()?);
        let [of_a, of_b, of_both] = self.digammas()?;
        (self.ln_beta()? - (&a - 1.0) * of_a - (&b - 1.0) * of_b + (a + b - 2.0) * of_both).check()
    }

    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        closed_form::<Self, Beta<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> KlTo<Beta<S, E>> for Beta<S, E> {
    /// `Σ ln B(c, d) - ln B(a, b) + (a - c) ψ(a) + (b - d) ψ(b) + (c - a + d - b) ψ(a + b)`.
    fn kl_divergence(&self, prior: &Beta<S, E>) -> Result<Var<(), E>> {
        let ours = self.concentration1()?;
        prior.check_shape(&ours)?;
        let others = [&self.concentration0, &prior.concentration1, &prior.concentration0];
        Var::from_value(density::log_prob_sum::<Divergence, E, 3>(ours.value(), others))
    }
}

/// The divergence, as a function of this concentration of 1; parameters: this one of 0, and the prior's.
#[derive(Clone, Copy, Debug)]
struct Divergence;

impl Family<3> for Divergence {
    const NAME: &'static str = "the divergence between beta distributions";
    type Prepared<T: Real> = ();

    #[inline(always)]
    fn prepare<A: Arch, T: Real>(_: [T; 3]) {}

    #[inline(always)]
    fn terms<A: Arch, T: Real>(a: T, params: [T; 3], (): ()) -> Terms<T, 3> {
        let (a, [b, c, d]) = (a.to_f64(), params.map(T::to_f64));
        let (ours, theirs) = (a + b, c + d);
        // Of the prior's concentrations from those with which the means would agree.
        let gap = saddle_point::difference_of_products(c, b, d, a) / ours;
        let between_means = saddle_point::gamma_deviance(c, theirs * (a / ours), gap)
            + saddle_point::gamma_deviance(d, theirs * (b / ours), -gap);
        let remainders = saddle_point::ln_gamma_divergence(c, a) + saddle_point::ln_gamma_divergence(d, b)
            - saddle_point::ln_gamma_divergence(theirs, ours);
        let shared = ((a - c) + (b - d)) * special::trigamma(ours);
        let by_ours = |x: f64, prior: f64| (x - prior) * special::trigamma(x) - shared;
        let totals = special::digamma(theirs) - special::digamma(ours);
        let by_theirs = |prior: f64, x: f64| (special::digamma(prior) - special::digamma(x)) - totals;
        Terms {
            log_prob: T::from_f64(between_means + remainders),
            d_value: T::from_f64(by_ours(a, c)),
            d_params: [by_ours(b, d), by_theirs(c, a), by_theirs(d, b)].map(T::from_f64),
        }
    }
}
