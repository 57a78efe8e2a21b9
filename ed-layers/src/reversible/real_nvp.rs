//! [`RealNvp`]: numbers transformed by what a network makes of others.

use std::sync::Arc;

use ed_core::bijectors::Bijector;
use ed_core::tensor::Float;
use ed_core::{Error, Result, SiteName};

use super::autoregressive::Autoregressive;
use super::bind::{Binding, Reversible, Side, reversible_inputs};
use super::made::{Made, Start};
use super::transform::Transform;
use crate::layer::Layer;
use crate::scope::{self, Identity};

/// A network that says by which parameters each number is transformed.
pub trait Conditioner<E: Float>: Layer {
    /// Reads the parameters, with the network's name in force, and makes the bijector; `seen` is the side that an
    /// autoregressive network sees.
    ///
    /// # Errors
    /// As [`Reversible::bind`].
    fn bijector(&self, at: &Binding<E>, transform: Transform, seen: Side) -> Result<Arc<dyn Bijector<E>>>;
}

/// A flow that transforms numbers by what a network makes of other numbers.
///
/// With a [`Made`] it is a masked autoregressive flow: a density takes one pass, and a draw goes through the positions
/// in turn, computing every unit once. [`RealNvp::inverse_autoregressive`] turns that round: draws, and their
/// densities, take one pass, as a variational posterior wants it. With a [`Coupling`](super::Coupling) both ways take
/// one pass.
///
/// The transformation is stated from the side that the network sees ([`Transform`]). It starts as the identity.
///
/// # Source
/// Dinh et al. 2017 (Real NVP); Papamakarios et al. 2017 (masked autoregressive flow); Kingma et al. 2016 (inverse
/// autoregressive flow).
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let model = sequential![
///     RealNvp::new(Made::new([32, 32])),
///     RealNvp::new(Made::new([32, 32]).order(RightToLeft)),
/// ];
/// let features = Var::<_, f64>::ones((5usize, 3usize));
/// let outputs = seed(0, || {
///     let base = sample_as("base", Normal::standard((5usize, 3usize))?)?;
///     model.forward(base)
/// })?;
/// let loss = -outputs.distribution().log_prob(&features)?.sum();
/// assert!((loss.item()? - 15.0 * (0.5 + 0.5 * std::f64::consts::TAU.ln())).abs() < 1e-9);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RealNvp<N> {
    identity: Identity,
    network: N,
    transform: Transform,
    seen: Side,
}

impl<N: Layer> RealNvp<N> {
    /// An affine flow of a network.
    pub fn new(network: N) -> RealNvp<N> {
        RealNvp { identity: Identity::anonymous(), network, transform: Transform::Affine, seen: Side::Output }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        RealNvp { identity: self.identity.named(name), ..self }
    }

    /// With another transformation of the numbers.
    pub fn transform(self, transform: Transform) -> Self {
        RealNvp { transform, ..self }
    }

    /// The network.
    pub fn network(&self) -> &N {
        &self.network
    }
}

impl RealNvp<Made> {
    /// With a network that sees the input of the flow: draws and their densities take one pass, the density of anything
    /// else goes through the positions in turn.
    pub fn inverse_autoregressive(self) -> Self {
        RealNvp { seen: Side::Input, ..self }
    }
}

impl<N: Layer> Layer for RealNvp<N> {
    fn kind(&self) -> &'static str {
        "RealNvp"
    }
    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
    fn settings(&self) -> String {
        self.transform.name().to_string()
    }
    fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        visit("network", &self.network);
    }
}

impl<E: Float, N: Conditioner<E>> Reversible<E> for RealNvp<N> {
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        scope::enter(&self.network, || self.network.bijector(at, self.transform, self.seen))
    }
}

reversible_inputs! { [N: Layer,] RealNvp<N>; }

impl<E: Float> Conditioner<E> for Made {
    fn bijector(&self, at: &Binding<E>, transform: Transform, seen: Side) -> Result<Arc<dyn Bijector<E>>> {
        let Some(&features) = at.dims.last() else {
            let expected = "with features along the last axis".to_string();
            return Err(Error::Shape { op: "RealNvp", expected, got: at.dims });
        };
        let outputs = (transform.num_params(), self.channels_of_position());
        let net = self.bound(features, outputs, at.context.as_ref(), Start::Zero)?;
        Ok(Arc::new(Autoregressive::new(net, self.places(features)?, transform, seen)))
    }
}
