//! The one error of the workspace: every message says what was expected, what was found, and what to do.

use std::fmt;
use std::path::PathBuf;

use crate::data::DataError;
use crate::diagnostics::DiagnosticsError;
use crate::params::Params;
use crate::plot::PlotError;
use crate::tensor::Dims;

/// What every fallible function of the workspace returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, as a value.
///
/// The variants are grouped: values, shapes, gradients, programs, numerics, and the world outside.
/// [`Error::is_recoverable`] tells a sampler whether to reject the point and go on, or to stop.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// let error = Normal::<(), f64>::new(0.0, -1.0).unwrap_err();
/// assert_eq!(error.to_string(), "Normal: `scale` must be finite and positive, got -1");
/// assert!(error.is_recoverable(), "a sampler rejects the point and goes on");
/// assert!(matches!(error, Error::Parameter { name: "scale", .. }));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Error {
    /// A parameter of a distribution, layer or algorithm lies outside its domain.
    Parameter {
        /// The distribution, layer or algorithm.
        of: &'static str,
        /// The parameter's name.
        name: &'static str,
        /// What it must be, as the end of the sentence "must be …".
        must_be: &'static str,
        /// What it was.
        got: String,
    },
    /// A value lies outside the domain of an operation.
    Value {
        /// The operation.
        of: &'static str,
        /// What it must be, as the end of the sentence "must be …".
        must_be: &'static str,
        /// What it was.
        got: String,
    },
    /// A quantity that has no value or no closed form, asked for by name.
    Undefined {
        /// The distribution or layer.
        of: &'static str,
        /// The quantity.
        what: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// A tensor does not have the shape that an operation needs.
    Shape {
        /// The operation.
        op: &'static str,
        /// The shape or relation that it needs.
        expected: String,
        /// The shape that it got.
        got: Dims,
    },
    /// Two shapes do not fit together.
    Broadcast {
        /// The operation.
        op: &'static str,
        /// Shape of the left operand.
        lhs: Dims,
        /// Shape of the right operand.
        rhs: Dims,
    },
    /// A value of one precision stands where the other is needed.
    Precision {
        /// The operation or site.
        of: String,
        /// The precision that is needed.
        expected: &'static str,
        /// The precision that was found.
        got: &'static str,
    },
    /// Values from two live gradient tapes meet in one operation.
    TwoTapes {
        /// The operation.
        op: &'static str,
    },
    /// A value whose tape has ended, or lives in another thread, is used where its gradient is needed.
    TapeGone {
        /// The operation.
        op: &'static str,
    },
    /// The gradient of something that no tape watches was asked for.
    NotWatched {
        /// What was asked for.
        what: &'static str,
    },
    /// A program whose gradient is asked for reads a number that depends on what it is differentiated by.
    GradientLost {
        /// Where: file, line and column.
        place: String,
    },
    /// The gradient of a program that reads no parameter was asked for.
    NoParameter,
    /// A name that the model does not have.
    NoSuchSite {
        /// The name.
        name: String,
        /// The names that the model has.
        known: Vec<String>,
    },
    /// A name of which there are no draws.
    NotDrawn {
        /// The name.
        name: String,
        /// The names that have been drawn.
        known: Vec<String>,
    },
    /// Two random variables of one run of a model have the same name.
    DuplicateSite {
        /// The name.
        name: String,
    },
    /// A random variable needs a name here and has none.
    UnnamedSite {
        /// Its distribution.
        distribution: &'static str,
    },
    /// A random variable needs a value here and none was given.
    Unconditioned {
        /// Its name.
        name: String,
    },
    /// A random variable has to be drawn and no key is in force.
    Unseeded {
        /// Its name.
        name: String,
    },
    /// A subsampled plate has to draw its rows and no key is in force.
    UnseededPlate {
        /// Its name.
        name: String,
        /// Number of rows to draw.
        batch: usize,
        /// Number of rows in all.
        size: usize,
    },
    /// A program reads parameters that the store in force lacks.
    MissingParameters {
        /// Their names.
        missing: Vec<String>,
        /// The names that the store has.
        known: Vec<String>,
        /// Missing names, each with the one in the store that was probably meant.
        nearest: Vec<(String, String)>,
    },
    /// A program reads parameters that no store gives, where nothing moves them.
    UnmovedParameters {
        /// What runs the program.
        by: &'static str,
        /// Their names.
        names: Vec<String>,
    },
    /// A parameter is in no store, and there is no key to draw its initial value.
    UnmadeParameter {
        /// Its name.
        name: String,
    },
    /// The sites of a model and of its guide differ.
    Guide {
        /// Latent sites of the model that the guide lacks.
        missing: Vec<String>,
        /// Sites of the guide that the model lacks or observes.
        extra: Vec<String>,
    },
    /// Something went wrong at a random variable.
    Site {
        /// Its name.
        name: String,
        /// What went wrong.
        source: Box<Error>,
    },
    /// Something went wrong in a layer.
    Layer {
        /// Its path.
        path: String,
        /// What it is: `Dense`.
        kind: &'static str,
        /// What went wrong.
        source: Box<Error>,
    },
    /// A matrix is not positive definite.
    NotPositiveDefinite {
        /// The operation.
        op: &'static str,
        /// Order of the first leading minor that is not positive.
        minor: usize,
    },
    /// A number that must be finite is not.
    NotFinite {
        /// What is not finite, as the start of a sentence.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// An algorithm could not run on what it was given.
    Algorithm {
        /// The algorithm.
        of: &'static str,
        /// What happened and what to do, as a sentence.
        why: String,
    },
    /// A training was stopped after some steps, and is not lost: see [`Error::params`].
    Stopped {
        /// By what.
        why: Box<Error>,
        /// Steps that it had taken.
        steps: usize,
        /// How many of them led to the parameters.
        kept: usize,
        /// Its parameters, or the best so far if it keeps these.
        params: Box<Params>,
    },
    /// A file could not be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The device refused an operation.
    Device {
        /// What it said.
        why: String,
    },
}

impl Error {
    /// Whether a sampler may reject the point at which this happened and go on.
    ///
    /// Numerical failures are recoverable: they happen at some points of a posterior and not at others.
    /// Everything else is a fault of the program and stops it.
    pub fn is_recoverable(&self) -> bool {
        match self {
            Error::Parameter { .. }
            | Error::Value { .. }
            | Error::NotPositiveDefinite { .. }
            | Error::NotFinite { .. } => true,
            Error::Site { source, .. } | Error::Layer { source, .. } => source.is_recoverable(),
            _ => false,
        }
    }

    /// This error as what stopped a training, with the parameters after its steps, if there were any.
    pub(crate) fn stopping(self, steps: usize, params: Params) -> Error {
        match steps {
            0 => self,
            _ => Error::Stopped { why: Box::new(self), steps, kept: steps, params: Box::new(params) },
        }
    }

    /// The parameters that a training which was stopped by this error had come to: after its last step, or the best so far
    /// where these are kept.
    pub fn params(&self) -> Option<&Params> {
        match self {
            Error::Stopped { params, .. } => Some(params),
            _ => None,
        }
    }

    /// The same error, with the name of the random variable at which it happened.
    pub fn at_site(self, name: impl fmt::Display) -> Error {
        match self {
            named @ (Error::Site { .. }
            | Error::Layer { .. }
            | Error::DuplicateSite { .. }
            | Error::Unconditioned { .. }
            | Error::NoSuchSite { .. }
            | Error::UnseededPlate { .. }
            | Error::Unseeded { .. }
            | Error::MissingParameters { .. }
            | Error::UnmovedParameters { .. }
            | Error::UnmadeParameter { .. }) => named,
            other => Error::Site { name: name.to_string(), source: Box::new(other) },
        }
    }
}

impl Error {
    /// The same error, with the path of the layer in which it happened; one that names its place already stays as it is.
    pub fn in_layer(self, path: &str, kind: &'static str) -> Error {
        match self {
            placeless @ (Error::Parameter { .. }
            | Error::Value { .. }
            | Error::Undefined { .. }
            | Error::Shape { .. }
            | Error::Broadcast { .. }
            | Error::Precision { .. }
            | Error::NotPositiveDefinite { .. }
            | Error::NotFinite { .. }) => {
                Error::Layer { path: path.into(), kind, source: Box::new(placeless) }
            }
            other => other,
        }
    }

    /// What went wrong, without the place where it did.
    pub fn root(&self) -> &Error {
        match self {
            Error::Site { source, .. } | Error::Layer { source, .. } => source.root(),
            other => other,
        }
    }
}

/// Most names that a sentence has.
const MOST_NAMES: usize = 20;

/// Names in a sentence: "`a`, `b` and `c`", or "none".
fn listed(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        many if many.len() > MOST_NAMES => {
            let first: Vec<String> = many[..MOST_NAMES].iter().map(|name| format!("`{name}`")).collect();
            format!("{} and {} more", first.join(", "), many.len() - MOST_NAMES)
        }
        [one] => format!("`{one}`"),
        [init @ .., last] => {
            let init: Vec<String> = init.iter().map(|name| format!("`{name}`")).collect();
            format!("{} and `{last}`", init.join(", "))
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Parameter { of, name, must_be, got } => {
                write!(f, "{of}: `{name}` must be {must_be}, got {got}")
            }
            Error::Value { of, must_be, got } => write!(f, "{of}: the value must be {must_be}, got {got}"),
            Error::Undefined { of, what, instead } => write!(f, "{of} has no {what}: {instead}"),
            Error::Shape { op, expected, got } => {
                write!(f, "{op}: expected a tensor of shape {expected}, got {got}")
            }
            Error::Broadcast { op, lhs, rhs } => write!(
                f,
                "{op}: the shapes {lhs} and {rhs} do not fit together; only a scalar or a tensor whose shape is the \
                 end of the other's is repeated by itself: use `broadcast_to` or `reshape` to say what is meant"
            ),
            Error::Precision { of, expected, got } => {
                write!(
                    f,
                    "{of}: expected values of type {expected}, got {got}; convert one with `to_{expected}()`"
                )
            }
            Error::TwoTapes { op } => write!(
                f,
                "{op}: its operands belong to two different gradient tapes; watch both on one tape, or pass \
                 `x.detach()` for the one whose gradient is not wanted"
            ),
            Error::TapeGone { op } => write!(
                f,
                "{op}: the gradient tape of an operand has ended or lives in another thread; watch the value on a \
                 tape of this thread, or pass `x.detach()`"
            ),
            Error::NotWatched { what } => {
                write!(f, "{what} is on no gradient tape: pass its inputs through `tape.watch(&x)` first")
            }
            Error::GradientLost { place } => write!(
                f,
                "{place}: a number is read that depends on a parameter, and what is made of a number has no gradient; \
                 compute with the tensor itself (`Normal::new(&x, 1.0)` takes one), or read `x.detach()` if no gradient \
                 is meant to flow"
            ),
            Error::NoParameter => f.write_str(
                "the loss depends on no parameter, so there is nothing to train: make one with \
                 `param_as(\"name\", || …)` in the model, the guide or the program",
            ),
            Error::NoSuchSite { name, known } => {
                write!(f, "the model has no site `{name}`; its sites are: {}", listed(known))
            }
            Error::NotDrawn { name, known } => write!(
                f,
                "there are no draws of `{name}`, only of {}; what a model observes is data and is not drawn \
                 (`posterior_predictive` draws it anew)",
                listed(known)
            ),
            Error::DuplicateSite { name } => write!(
                f,
                "two random variables are named `{name}` in one run of the model; give each its own name, call the \
                 sub-model through `nested(…)`, which prefixes its names, or, for several draws of one variable, run the \
                 program under `draws(10, || …)`"
            ),
            Error::UnnamedSite { distribution } => write!(
                f,
                "a {distribution} random variable has no name and a handler needs one; write the model with \
                 `#[model]`, or draw it with `sample_as(\"name\", …)`"
            ),
            Error::Unconditioned { name } => {
                write!(f, "the site `{name}` needs a value: give one with `values![…]`")
            }
            Error::Unseeded { name } => write!(
                f,
                "the site `{name}` has to be drawn and no key is in force: run the model under `seed(0, || …)`"
            ),
            Error::UnseededPlate { name, batch, size } => write!(
                f,
                "the plate `{name}` draws {batch} of its {size} rows and no key is in force: run the model under \
                 `seed(0, || …)`; under a sampler such as `Nuts`, which needs the same log-density at every step, write \
                 `plate` for `subsampled_plate`, or train a guide with `Svi`"
            ),
            Error::MissingParameters { missing, known, nearest } => {
                write!(
                    f,
                    "the program reads parameters that the store lacks: {}; the store has: {}",
                    listed(missing),
                    listed(known)
                )?;
                for (place, (name, guess)) in nearest.iter().take(MOST_NAMES).enumerate() {
                    let before = if place == 0 { "; perhaps " } else { ", " };
                    write!(f, "{before}`{name}` is its `{guess}`")?;
                }
                f.write_str(
                    ". Parameters are made by training and by `init`, and by nothing else: run the network that was \
                     trained, under the name that it had; a part of it is `net.part(&net.encoder)?`, and \
                     `params.renamed(…)` gives a store other names",
                )
            }
            Error::UnmovedParameters { by, names } => write!(
                f,
                "{by}: no store gives the parameters {}, and nothing here moves them from where they start: sample \
                 them (a Bayesian layer; for a bias `.bias(Bias::Believed(NormalBelief::default()))`), or give their \
                 values with `fix(model, params)`",
                listed(names)
            ),
            Error::UnmadeParameter { name } => write!(
                f,
                "the parameter `{name}` is in no store, and no key is in force to draw where it starts: give trained \
                 parameters (`trained.predict(…)`, `with_params(&params, …)`), or run the program under `seed(0, || …)`"
            ),
            Error::Guide { missing, extra } => write!(
                f,
                "the guide does not fit the model; sites that the guide lacks: {}; sites that the model lacks or \
                 observes: {}",
                listed(missing),
                listed(extra)
            ),
            Error::Site { name, source } => write!(f, "at the site `{name}`: {source}"),
            Error::Layer { path, kind, source } => write!(f, "in the layer `{path}` ({kind}): {source}"),
            Error::NotPositiveDefinite { op, minor } => write!(
                f,
                "{op}: the matrix is not positive definite (its leading minor of order {minor} is not positive); add \
                 to its diagonal, or check the scale of what it was made from"
            ),
            Error::NotFinite { what, advice } => write!(f, "{what} is not finite: {advice}"),
            Error::Algorithm { of, why } => write!(f, "{of}: {why}"),
            Error::Stopped { why, steps, kept, .. } => write!(
                f,
                "{why} (the training stopped after {steps} steps; the parameters after {kept} of them are in this \
                 error: `error.params()`)"
            ),
            Error::Io { path, why } => write!(f, "{}: {why}", path.display()),
            Error::Device { why } => write!(f, "the device refused: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// `{:?}` of an error is its sentence, since `fn main() -> Result<()>` and `unwrap` print that.
macro_rules! debug_is_the_sentence {
    ($($error:ty),+) => {$(
        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )+};
}

debug_is_the_sentence!(Error, DataError, DiagnosticsError, PlotError);

/// The errors of the modules that know only slices, as the one of the workspace.
macro_rules! from_slice_errors {
    ($($of:literal $error:ty;)+) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Error {
                Error::Algorithm { of: $of, why: error.to_string() }
            }
        }
    )+};
}

from_slice_errors! {
    "diagnostics" DiagnosticsError;
    "data" DataError;
    "plot" PlotError;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_sentences_with_the_numbers_in_them() {
        let error = Error::Parameter {
            of: "Normal",
            name: "scale",
            must_be: "finite and positive",
            got: "-1".into(),
        };
        assert_eq!(error.to_string(), "Normal: `scale` must be finite and positive, got -1");
        assert_eq!(
            error.at_site("tau").to_string(),
            "at the site `tau`: Normal: `scale` must be finite and positive, got -1"
        );
        let guide = Error::Guide { missing: vec!["a".into(), "b".into(), "c".into()], extra: vec![] };
        assert!(guide.to_string().contains("lacks: `a`, `b` and `c`; sites"));
    }

    #[test]
    fn main_prints_the_sentence() {
        let error = Error::Io { path: "a.csv".into(), why: "no such file".into() };
        assert_eq!(format!("{error:?}"), "a.csv: no such file");
        assert_eq!(format!("{error:#?}"), error.to_string());
    }

    #[test]
    fn only_numerical_failures_are_recoverable() {
        assert!(Error::NotPositiveDefinite { op: "cholesky", minor: 2 }.at_site("x").is_recoverable());
        assert!(!Error::DuplicateSite { name: "x".into() }.is_recoverable());
    }
}
