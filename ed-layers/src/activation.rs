//! Activations, as a setting of a layer and as layers of their own.

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::tensor::{Float, Var};

use crate::layer::{Apply, Layer};

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident $label:literal $x:ident => $f:expr;)+) => {
        /// A function of each number.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub enum Activation {
            /// The number itself.
            #[default]
            Identity,
            $($(#[$doc])* $name,)+
        }

        impl Activation {
            /// Its name in lower case; empty for the identity.
            pub fn name(self) -> &'static str {
                match self {
                    Activation::Identity => "",
                    $(Activation::$name => $label,)+
                }
            }

            /// The function, element by element.
            ///
            /// # Errors
            /// The error that the input carries.
            pub fn of<S: Shape, E: Float>(self, x: &Var<S, E>) -> Result<Var<S, E>> {
                match self {
                    Activation::Identity => x.clone().check(),
                    $(Activation::$name => { let $x = x; ($f).check() })+
                }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
            pub struct $name;

            impl Layer for $name {
                fn kind(&self) -> &'static str {
                    stringify!($name)
                }
            }

            impl<S: Shape, E: Float> Apply<Var<S, E>> for $name {
                type Output = Var<S, E>;
                fn apply(&self, x: Var<S, E>) -> Result<Var<S, E>> {
                    Activation::$name.of(&x)
                }
            }
        )+
    };
}

activations! {
    /// `max(x, 0)`.
    Relu "relu" x => x.relu();
    /// Hyperbolic tangent.
    Tanh "tanh" x => x.tanh();
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid "sigmoid" x => x.sigmoid();
    /// `ln(1 + eˣ)`.
    Softplus "softplus" x => x.softplus();
    /// `x / (1 + e⁻ˣ)` (Elfwing, Uchibe and Doya 2018).
    Silu "silu" x => x * x.sigmoid();
    /// `x Φ(x)` (Hendrycks and Gimpel 2016).
    Gelu "gelu" x => x * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
}
