//! Layers that change shapes, and those that wrap another layer.

use dfdx::shapes::{Dim, Shape};
use ed_core::Result;
use ed_core::tensor::{BroadcastWith, Float, Var};

use crate::layer::{Apply, Layer};
use crate::scope;

/// Makes one axis of all axes but the first: `[N, …] → [N, features]`.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let images: Var<_, f32> = Var::ones((5usize, 4usize, 4usize, 3usize));
/// assert_eq!(Flatten.forward(&images)?.shape(), &(5, 48));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flatten;

impl Layer for Flatten {
    fn kind(&self) -> &'static str {
        "Flatten"
    }
}

macro_rules! flatten {
    ($($($axis:ident)+;)+) => {$(
        impl<E: Float, $($axis: Dim),+> Apply<Var<($($axis,)+), E>> for Flatten {
            type Output = Var<(usize, usize), E>;
            fn apply(&self, x: Var<($($axis,)+), E>) -> Result<Var<(usize, usize), E>> {
                let dims = x.dims();
                x.reshape((dims[0], dims[1..].iter().product()))
            }
        }
    )+};
}

flatten! { A; A B; A B C; A B C D; A B C D F; A B C D F G; }

/// Adds the input to what a layer makes of it: `x + f(x)` (He et al. 2016). The layer is called `inner`.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let block = Residual(sequential![Dense::new(16).relu(), Dense::new(3)]);
/// let x: Var<_, f32> = Var::ones((5usize, 3usize));
/// assert_eq!(seed(0, || block.forward(&x))?.shape(), &(5, 3));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Residual<L>(
    /// The layer that the input skips.
    pub L,
);

impl<L: Layer> Layer for Residual<L> {
    fn kind(&self) -> &'static str {
        "Residual"
    }
    fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        visit("inner", &self.0);
    }
}

impl<S, E, L> Apply<Var<S, E>> for Residual<L>
where
    S: Shape + BroadcastWith<S, Out = S>,
    E: Float,
    L: Apply<Var<S, E>, Output = Var<S, E>>,
{
    type Output = Var<S, E>;
    fn apply(&self, x: Var<S, E>) -> Result<Var<S, E>> {
        let change = scope::enter(&self.0, || self.0.apply(x.clone()))?;
        (x + change).check()
    }
}
