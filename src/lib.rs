//! `ed`: a probabilistic programming language in which a model is a plain function.
//!
//! This page is a tour; each section ends at the modules that it is about.
//!
//! # A model
//!
//! [`#[model]`](macro@model) makes a model of a function that returns a [`Result`]. Inside it, `sample` draws a random
//! variable and names it after its `let` binding. A [`RandomVariable`] stands in formulas, as a parameter
//! and as the input of a layer; where a function wants a tensor, `&x` is one.
//!
//! ```
//! use ed::prelude::*;
//!
//! /// Effects of one treatment in several groups, partially pooled.
//! #[model]
//! fn groups(scale: &Var<(usize,), f64>) -> Result<RandomVariable<Normal<(usize,), f64>>> {
//!     let centre = sample(Normal::new(0.0, 5.0)?);
//!     let log_spread = sample(Normal::new(0.0, 1.0)?);
//!     let z = sample(Normal::standard((scale.len(),))?);
//!     let effects = deterministic(&centre + log_spread.exp() * z);
//!     let y = sample(Normal::new(effects, scale)?);
//!     Ok(y)
//! }
//!
//! # fn main() -> Result<()> {
//! let scale = Var::from([1.5, 1.0, 1.6]);
//! let y = seed(0, || groups(&scale))?;
//! assert_eq!(y.shape(), &(3,));
//! # Ok(()) }
//! ```
//!
//! Every draw is a function of the [`seed`](handlers::seed) and the variable's name. → [`distributions`], [`tensor`]
//!
//! # Its joint log-density
//!
//! The names come out as items beside the function, so that a name that the model does not have does not compile.
//! Gradients come from a [`Tape`](tensor::Tape):
//!
//! ```
//! # use ed::prelude::*;
//! # #[model]
//! # fn line(x: &Var<(usize,), f64>) -> Result<RandomVariable<Normal<(usize,), f64>>> {
//! #     let slope = sample(Normal::new(0.0, 1.0)?);
//! #     let y = sample(Normal::new(&slope * x, 0.5)?);
//! #     Ok(y)
//! # }
//! # fn main() -> Result<()> {
//! let (x, y) = (Var::from([1.0, 2.0]), Var::from([1.2, 1.8]));
//! let tape = Tape::<f64>::of();
//! let slope = tape.watch(&Var::scalar(0.9));
//!
//! let log_joint = make_log_joint(|| line(&x));
//! let value = log_joint.at(values![line::slope = &slope, line::y = y])?;
//! let gradients = value.backward()?;
//! // ∂/∂slope: -slope + Σ x (y - slope x) / 0.5²
//! assert!((gradients.get(&slope.into())?.item()? - (-0.9 + 4.0 * 0.3)).abs() < 1e-12);
//! # Ok(()) }
//! ```
//!
//! → [`model`](mod@model), [`trace`]
//!
//! # Its posterior
//!
//! [`condition`](handlers::condition) makes some random variables data. A handled model is a model, so everything that
//! takes a model takes it:
//!
//! ```
//! # use ed::prelude::*;
//! # #[model]
//! # fn line(x: &Var<(usize,), f64>) -> Result<RandomVariable<Normal<(usize,), f64>>> {
//! #     let slope = sample(Normal::new(0.0, 1.0)?);
//! #     let y = sample(Normal::new(&slope * x, 0.5)?);
//! #     Ok(y)
//! # }
//! # fn main() -> Result<()> {
//! let (x, y) = (Var::from([1.0, 2.0]), Var::from([1.2, 1.8]));
//! let observed = condition(|| line(&x), values![line::y = y]);
//!
//! // Variational inference: the priors are swapped for the guide's posteriors.
//! let fit = Svi::new(&observed, MeanField::of(&observed)?).samples(8).learning_rate(0.02).run(0)?;
//! // Markov chain Monte Carlo.
//! let draws = Nuts::new(&observed).chains(2).run(0)?;
//! println!("{}\n{}", fit.summary()?, draws.summary()?);
//!
//! // Conjugate: precision 1 + 5 / 0.25, mean 4.8 / 0.25 over it.
//! let exact = (4.8 / 0.25) / (1.0 + 5.0 / 0.25);
//! assert!((draws.mean(line::slope)?.item()? - exact).abs() < 0.05);
//! assert!((fit.mean()?.required("slope")?.item()? - exact).abs() < 0.1);
//! # Ok(()) }
//! ```
//!
//! → [`inference`], [`diagnostics`], [`plot`], [`params`]
//!
//! # Tracing
//!
//! A random variable passes through a stack of tracers on its way to a value and back, the innermost first. Every
//! handler is a small tracer, and so is what you write yourself:
//!
//! ```
//! use ed::prelude::*;
//! use std::rc::Rc;
//!
//! /// Prints every random variable with its log-density.
//! struct Print;
//!
//! impl Tracer for Print {
//!     fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
//!         next.forward(site)?;
//!         println!("{} = {:?}, {}", site.label(), site.value()?, site.log_prob()?.item()?);
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! let model = || sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?);
//! with_tracer(Rc::new(Print), || seed(0, model))?;
//! # Ok(()) }
//! ```
//!
//! → [`handlers`], [`trace`]
//!
//! # Errors
//!
//! Whatever a program is given, it answers with an [`Error`] that says what was expected, what was found and at which
//! random variable. An operator cannot return a `Result`; a mismatch travels inside of the value, and comes out of the
//! next call that can:
//!
//! ```
//! use ed::prelude::*;
//! # fn main() {
//! let sum = Var::from([1.0f32, 2.0]) + Var::from([1.0f32, 2.0, 3.0]);
//! let error = (sum * 2.0).exp().to_vec().unwrap_err();
//! assert!(error.to_string().starts_with("add: the shapes [2] and [3] do not fit together"));
//!
//! let refused = seed(0, || sample_as("x", Normal::<(), f32>::new(0.0, -1.0)?)).unwrap_err();
//! assert_eq!(refused.to_string(), "Normal: `scale` must be finite and positive, got -1");
//! # }
//! ```

pub use ed_core::*;
pub use ed_layers as layers;

pub mod prelude {
    //! The names that a first program needs.
    #[doc(no_inline)]
    pub use ed_core::prelude::*;
    // The distribution of this name is in `distributions`; models say `deterministic(…)`.
    #[doc(no_inline)]
    pub use ed_layers::estimator::Deterministic;
    #[doc(no_inline)]
    pub use ed_layers::prelude::*;
}

// The programs of the README, of the poster's page and of the macros' pages compile and run as they stand.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
#[cfg(doctest)]
#[doc = include_str!("../docs/poster.md")]
mod poster {}
#[cfg(doctest)]
#[doc = include_str!("../ed-macros/src/model.md")]
mod model_page {}
#[cfg(doctest)]
#[doc = include_str!("../ed-macros/src/derive_layer.md")]
mod derive_layer_page {}
