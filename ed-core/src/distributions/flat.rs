//! The improper flat prior.

use super::univariate::*;
use crate::bijectors::biject_to;

/// The improper prior that is flat on a constraint: what "no prior" means for one parametrisation.
///
/// # Density
/// `log p(x) = 0` on the constraint, minus infinity elsewhere. Not normalised: posteriors may be improper, too.
///
/// # Shapes
/// batch: scalar; event: the whole shape. `log_prob`: `[E…] → []`.
///
/// Nothing can be drawn from it: a model that has it can be conditioned on data and sampled from, and has no prior
/// predictive draws.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let scale = Flat::<_, f64>::on(Constraint::Positive, ())?;
/// assert_eq!(scale.log_prob(&Var::scalar(3.0))?.item()?, 0.0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Flat<S: Shape = (), E: Float = f32> {
    constraint: Constraint<E>,
    shape: S,
}

impl<S: Shape, E: Float> Flat<S, E> {
    /// The flat prior on a constraint, for values of a shape.
    ///
    /// # Errors
    /// [`Error::Undefined`] for a discrete constraint.
    pub fn on(constraint: Constraint<E>, shape: S) -> Result<Self> {
        if biject_to(&constraint).is_none() {
            let (what, instead) = ("density on whole numbers", "use a distribution that sums to one");
            return Err(Error::Undefined { of: "Flat", what, instead });
        }
        Ok(Flat { constraint, shape })
    }

    /// The flat prior on all reals.
    ///
    /// # Errors
    /// None; a `Result` as every constructor's.
    pub fn real(shape: S) -> Result<Self> {
        Flat::on(Constraint::Real, shape)
    }
}

impl<S: Shape, E: Float> Distribution for Flat<S, E> {
    type Elem = E;
    type Batch = ();
    type Shape = S;
    const NAME: &'static str = "Flat";
    const PROPER: bool = false;

    fn shape(&self) -> S {
        self.shape
    }

    fn batch_shape(&self) {}

    fn support(&self) -> Constraint<E> {
        self.constraint.clone()
    }

    fn sample(&self, _: Key) -> Result<Var<S, E>> {
        let instead =
            "it is an improper prior; draw from the posterior, give a value, or use a prior that is proper";
        Err(super::distribution::undefined::<Self>("draws", instead))
    }

    fn log_prob(&self, value: &Var<S, E>) -> Result<Var<(), E>> {
        self.check_shape(value)?;
        let inside = self.constraint.check(Self::NAME, value.value()).is_ok();
        Ok(Var::scalar(if inside { 0.0 } else { f64::NEG_INFINITY }))
    }
}
