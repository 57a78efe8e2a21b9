//! `ed`: a probabilistic programming language in which a model is a plain function.

pub use ed_core::*;
pub use ed_layers as layers;

pub mod prelude {
    //! The names that a first program needs.
    #[doc(no_inline)]
    pub use ed_core::prelude::*;
}
