//! [`Sequential`]: layers one after the other.

use ed_core::Result;

use crate::layer::{Apply, Layer};
use crate::scope::{self, Identity};

/// Layers one after the other, made by [`sequential!`](crate::sequential). The names of its layers are their places.
#[derive(Clone, Debug)]
pub struct Sequential<L> {
    identity: Identity,
    layers: L,
}

impl<L: Chain> Sequential<L> {
    /// From a chain of pairs: `(first, (second, (third, ())))`.
    pub fn of(layers: L) -> Sequential<L> {
        Sequential { identity: Identity::anonymous(), layers }
    }

    /// The same with a name, which comes before those of its layers.
    pub fn named(self, name: impl Into<ed_core::SiteName>) -> Self {
        Sequential { identity: self.identity.named(name), ..self }
    }

    /// The chain of pairs.
    pub fn layers(&self) -> &L {
        &self.layers
    }
}

/// Layers one after the other.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let net = sequential![Dense::new(16), Relu, Dense::new(3)].named("net");
/// let x: Var<_, f32> = Var::ones((5usize, 4usize));
/// let mut params = Params::new();
/// let y = seed(0, || net.init(&mut params, &x))?;
/// assert_eq!(y.shape(), &(5, 3));
/// let names: Vec<&str> = params.names().map(SiteName::as_str).collect();
/// assert_eq!(names, ["net/0/kernel", "net/0/bias", "net/2/kernel", "net/2/bias"]);
/// # Ok(()) }
/// ```
#[macro_export]
macro_rules! sequential {
    (@chain) => { () };
    (@chain $first:expr $(, $rest:expr)*) => { ($first, $crate::sequential!(@chain $($rest),*)) };
    ($($layer:expr),* $(,)?) => { $crate::Sequential::of($crate::sequential!(@chain $($layer),*)) };
}

/// A chain of pairs of layers.
pub trait Chain: std::fmt::Debug {
    /// Calls `visit` with the place, counted from `place`, and each layer.
    fn visit(&self, place: usize, visit: &mut dyn FnMut(&str, &dyn Layer));
}

impl Chain for () {
    fn visit(&self, _: usize, _: &mut dyn FnMut(&str, &dyn Layer)) {}
}

impl<A: Layer, B: Chain> Chain for (A, B) {
    fn visit(&self, place: usize, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        visit(&place.to_string(), &self.0);
        self.1.visit(place + 1, visit);
    }
}

/// A chain that takes an `X`.
pub trait Run<X>: Chain {
    /// What comes out at its end.
    type Output;
    /// Runs the layers one after the other.
    ///
    /// # Errors
    /// The first error of a layer.
    fn run(&self, input: X) -> Result<Self::Output>;
}

impl<X> Run<X> for () {
    type Output = X;
    fn run(&self, input: X) -> Result<X> {
        Ok(input)
    }
}

impl<X, A, B> Run<X> for (A, B)
where
    A: Apply<X>,
    B: Run<A::Output>,
{
    type Output = B::Output;
    fn run(&self, input: X) -> Result<B::Output> {
        self.1.run(scope::enter(&self.0, || self.0.apply(input))?)
    }
}

impl<L: Chain> Layer for Sequential<L> {
    fn kind(&self) -> &'static str {
        "Sequential"
    }
    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
    fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        self.layers.visit(0, visit);
    }
}

impl<X, L: Run<X>> Apply<X> for Sequential<L> {
    type Output = L::Output;
    fn apply(&self, input: X) -> Result<L::Output> {
        self.layers.run(input)
    }
}
