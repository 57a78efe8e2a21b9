//! A kernel with uncertain factors of its inputs and outputs.

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::ops::{add_channels, scale_channels};
use ed_core::tensor::{Float, Value, Var};

use super::rows::{by_row, from_rows};
use super::{Estimator, Slot};
use crate::geometry::Geometry;
use crate::members::check_members;
use crate::weight::{NormalBelief, NormalPrior, Prior, Seen, Start};

/// `K(x∘α, w)∘γ`, or `K(x + α, w) + γ`: one kernel, a parameter, and beliefs about a vector `α` over input channels and a
/// vector `γ` over output channels, for each of `members` members; each example draws its own.
///
/// The random variables are `alpha` and `gamma`, `[members, channels]`. If somebody sets the value of one or looks at
/// it, it is the same for all examples of a member. Priors are normals around 1 with standard deviation 1 (around 0 for
/// sums), and the means start at 1 (or 0), or with several members at -1 or 1 with equal chances, so that they differ.
/// Factors that start near 0 would shut the layer.
///
/// # Members
/// With several members the batch is laid out by [`repeat_for_members`](crate::repeat_for_members), and each member has a
/// bias of its own.
///
/// The members are the components of one mixture posterior, `q = (1/K) Σ qₖ`, and a loss that is the mean over the rows
/// of such a batch is the mean over them. The divergence goes with it: `(1/K) Σ KL(qₖ ‖ p)`, which is no less than
/// `KL(q ‖ p)`, so that the evidence is bounded from below whatever `K` is; and equal members cost what one does.
/// Edward2's layers add up the members' divergences, `K` times as much. A sampler, and whoever else sets the factors,
/// meets each member's as random variables of their own.
///
/// # Source
/// Dusenberry et al. 2020, "Efficient and scalable Bayesian neural nets with rank-1 factors", section 3; the bound of a
/// mixture by its components is the convexity of the divergence (Cover and Thomas 2006, theorem 2.7.2).
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let layer = Dense::<Rank1>::new(3);
/// let x: Var<_, f32> = Var::ones((5usize, 4usize));
/// let (y, kl): (_, Var<(), f32>) = seed(0, || with_kl(1, || layer.forward(&x)))?;
/// let y = y.to_vec()?;
/// assert_ne!(y[..3], y[3..6], "equal examples have factors of their own");
/// // Seven factors at their prior mean: ln(1 / σ) - ½ + σ² / 2 each, at σ = softplus(-3).
/// assert!((kl.item()? - 7.0 * 2.5256).abs() < 1e-3);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Rank1 {
    members: usize,
    additive: bool,
    belief: NormalBelief,
    start: Option<Start>,
}

impl Default for Rank1 {
    /// One member, factors.
    fn default() -> Rank1 {
        let belief = NormalBelief::default().prior(NormalPrior::Fixed { loc: 1.0, scale: 1.0 });
        Rank1 { members: 1, additive: false, belief, start: None }
    }
}

impl Rank1 {
    /// With a number of members.
    pub fn of(members: usize) -> Rank1 {
        Rank1 { members, ..Rank1::default() }
    }

    /// With sums instead of factors, and priors around 0; a prior of one's own comes after this.
    pub fn additive(self) -> Rank1 {
        Rank1 { additive: true, belief: self.belief.prior(NormalPrior::default()), ..self }
    }

    /// With another prior of both vectors.
    pub fn prior(self, prior: impl Prior + 'static) -> Rank1 {
        Rank1 { belief: self.belief.prior(prior), ..self }
    }

    /// With standard deviations that start here.
    pub fn scale(self, scale: f64) -> Rank1 {
        Rank1 { belief: self.belief.scale(scale), ..self }
    }

    /// With means that start here.
    pub fn start(self, start: Start) -> Rank1 {
        Rank1 { start: Some(start), ..self }
    }

    /// With standard deviations that stay where they are: Gaussian dropout at rate `p` has `√(p / (1 - p))`.
    pub fn fixed_scale(self, scale: f64) -> Rank1 {
        Rank1 { belief: self.belief.fixed_scale(scale), ..self }
    }
}

/// What [`Rank1`] drew: `α` and `γ` are `[members, channels]` or `[rows, channels]`.
#[derive(Clone, Debug)]
pub struct Rank1Draw<K: Shape, E: Float> {
    kernel: Var<K, E>,
    /// `None` for codes.
    alpha: Option<Value<E>>,
    gamma: Value<E>,
    members: usize,
    additive: bool,
}

impl Estimator for Rank1 {
    const NAME: &'static str = "Rank1";
    type Drawn<K: Shape, E: Float> = Rank1Draw<K, E>;

    fn members(&self) -> usize {
        self.members
    }

    fn draw<K: Shape, E: Float>(&self, slot: &Slot<K>) -> Result<Rank1Draw<K, E>> {
        check_members("Rank1", self.members, &[slot.input.rows, slot.outputs].into_iter().collect())?;
        let start = self.start.unwrap_or(match (self.additive, self.members) {
            (true, _) => Start::At(0.0),
            (false, 1) => Start::At(1.0),
            (false, _) => Start::Signs,
        });
        let vectors = |name: &str, channels: usize| -> Result<Value<E>> {
            let shape = (self.members, channels);
            let belief = self.belief.components(self.members);
            Ok(match belief.look::<_, E>(slot.beside(name), shape, start)? {
                Seen::Value(shared) => shared.into_value(),
                Seen::Moments(moments, key) => moments.draw_rows(slot.input.rows, key)?.into_value(),
            })
        };
        Ok(Rank1Draw {
            alpha: match slot.input.channels {
                0 => None,
                channels => Some(vectors("alpha", channels)?),
            },
            gamma: vectors("gamma", slot.outputs)?,
            kernel: slot.param()?,
            members: self.members,
            additive: self.additive,
        })
    }

    fn apply<S: Shape, E: Float, G: Geometry<S>>(
        drawn: &Rank1Draw<G::Kernel, E>,
        geometry: &G,
        x: &Var<S, E>,
    ) -> Result<Var<G::Out, E>> {
        check_members("Rank1", drawn.members, &x.dims())?;
        let combine = if drawn.additive { add_channels::<E> } else { scale_channels::<E> };
        let y = match &drawn.alpha {
            None => geometry.apply(x, &drawn.kernel)?,
            Some(alpha) => {
                let rows = by_row(x, geometry.layout(&x.dims()))?;
                geometry.apply(&from_rows(combine(&rows, alpha)?, *x.shape())?, &drawn.kernel)?
            }
        };
        let rows = by_row(&y, geometry.layout(&y.dims()))?;
        from_rows(combine(&rows, &drawn.gamma)?, *y.shape())
    }
}
