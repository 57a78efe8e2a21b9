//! [`Dropout`]: activations dropped at random.

use dfdx::shapes::Shape;
use ed_core::params::is_training;
use ed_core::tensor::{Float, Var};
use ed_core::trace::fresh_key;
use ed_core::{Result, ops};

use crate::layer::{Apply, Layer};

/// Sets each number to zero with this probability while the network is trained, and scales the others so that the mean
/// stays; otherwise does nothing. Each application drops others.
///
/// [`Dropout::always`] drops at every run: Monte Carlo dropout (Gal and Ghahramani 2016).
///
/// # Source
/// Srivastava et al. 2014.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x: Var<_, f32> = Var::ones((1000usize,));
/// assert_eq!(seed(0, || Dropout(0.25).forward(&x))?.to_vec()?, x.to_vec()?);
/// let dropped = seed(0, || Dropout(0.25).always().forward(&x))?.to_vec()?;
/// let zeros = dropped.iter().filter(|x| **x == 0.0).count();
/// assert!((200..300).contains(&zeros));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Dropout(
    /// The probability of zero, in `[0, 1)`.
    pub f64,
);

/// Dropout that is not switched off; see [`Dropout::always`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AlwaysDropout(f64);

impl Dropout {
    /// The same, whether the network is trained or not.
    pub fn always(self) -> AlwaysDropout {
        AlwaysDropout(self.0)
    }
}

macro_rules! dropout_layer {
    ($layer:ident, $active:expr) => {
        impl Layer for $layer {
            fn kind(&self) -> &'static str {
                stringify!($layer)
            }
            fn settings(&self) -> String {
                self.0.to_string()
            }
        }

        impl<S: Shape, E: Float> Apply<Var<S, E>> for $layer {
            type Output = Var<S, E>;
            fn apply(&self, x: Var<S, E>) -> Result<Var<S, E>> {
                if !$active || self.0 == 0.0 {
                    return x.check();
                }
                Var::from_value(ops::dropout(x.value(), self.0, fresh_key("dropout")?)?)
            }
        }
    };
}

dropout_layer!(Dropout, is_training());
dropout_layer!(AlwaysDropout, true);
