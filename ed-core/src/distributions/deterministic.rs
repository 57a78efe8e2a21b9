//! The point mass.

use super::univariate::*;
use crate::tensor::AnyVar;

/// All probability on one value.
///
/// # Density
/// `log p(x) = 0` if `x = loc`, else minus infinity, with respect to counting measure; support: `loc`.
///
/// # Shapes
/// `loc`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
///
/// # Examples
/// ```
/// use ed::distributions::Deterministic;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let point = Deterministic::new(&Var::from([1.0f64, 2.0]));
/// assert_eq!(point.log_prob(&Var::from([1.0, 3.0]))?.to_vec()?, [0.0, f64::NEG_INFINITY]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Deterministic<S: Shape = (), E: Float = f32> {
    loc: Var<S, E>,
}

impl<S: Shape, E: Float> Deterministic<S, E> {
    /// A point mass at `loc`.
    pub fn new(loc: &Var<S, E>) -> Self {
        Deterministic { loc: loc.clone() }
    }

    /// The one value.
    pub fn loc(&self) -> &Var<S, E> {
        &self.loc
    }
}

impl<S: Shape, E: Float> Distribution for Deterministic<S, E> {
    type Elem = E;
    type Batch = S;
    type Shape = S;
    const NAME: &'static str = "Deterministic";
    const PATHWISE: bool = true;

    fn shape(&self) -> S {
        *self.loc.shape()
    }

    fn batch_shape(&self) -> S {
        self.shape()
    }

    fn support(&self) -> Constraint<E> {
        Constraint::Exactly(self.loc.value().clone())
    }

    fn sample(&self, _: Key) -> Result<Var<S, E>> {
        self.loc.clone().check()
    }

    fn log_prob(&self, value: &Var<S, E>) -> Result<Var<S, E>> {
        self.check_shape(value)?;
        let pairs = value.consult()?.iter().zip(self.loc.consult()?);
        let terms = pairs.map(|(x, loc)| if x == loc { E::ZERO } else { E::NEG_INFINITY });
        Var::from_vec(terms.collect(), self.shape())
    }

    fn mean(&self) -> Result<Var<S, E>> {
        self.loc.clone().check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        Ok(Var::zeros(self.shape()))
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        Ok(Var::zeros(self.shape()))
    }

    /// `-log p(loc)`, for every `p`.
    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        let log_prob = other.log_prob_sum(&AnyVar::from(&self.loc));
        Some(log_prob.and_then(|log_prob| Ok(ew::scale(log_prob.as_value::<E>()?, -1.0))))
    }
}
