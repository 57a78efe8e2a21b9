//! `param_as`: a trainable tensor inside of a program.

use dfdx::shapes::Shape;

use super::capture;
use super::missing::unscoped;
use super::scope::{Scope, innermost, keeper};
use super::store::check_kind;
use crate::error::{Error, Result};
use crate::tensor::{AnyVar, Dims, Float, Var};
use crate::trace::{Owning, SiteName, full_name, own, owning, two_layers};

/// A trainable tensor with a name: the value in the store in force, or the initial one where no store is in force.
///
/// Under [`value_and_gradients`](super::value_and_gradients), and so in variational inference, the value is watched and a missing one is added to
/// the store; under [`with_params`](super::with_params), and so in predictions, a missing one is an error. Samplers and joint densities move
/// no parameter and refuse a model that reads one which no store gives. Any model or guide can have such parameters: the weights of a network, hyperparameters, a guide's
/// locations and scales. They are unconstrained: write `param_as(…)?.exp()` for a positive one.
/// Names get the prefixes of the sub-models around them.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) or [`Error::Precision`](crate::Error::Precision), with the name, if the store
/// has a tensor of another kind under it; or the error that the initial value carries.
///
/// # Examples
/// ```
/// use ed::params::{Params, param_as, value_and_gradients};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let loss = || Ok((param_as("w", || Var::from([3.0f64, -1.0]))?.square() * 0.5).sum());
/// assert_eq!(loss()?.item()?, 5.0);
///
/// let mut params = Params::new();
/// let (value, gradients) = value_and_gradients(&mut params, loss)?;
/// assert_eq!(value, 5.0);
/// assert_eq!(gradients.required("w")?.to_vec()?, [3.0, -1.0]);
/// # Ok(()) }
/// ```
pub fn param_as<S: Shape, E: Float>(
    name: impl Into<SiteName>,
    init: impl FnOnce() -> Var<S, E>,
) -> Result<Var<S, E>> {
    let name = full_name(&name.into());
    // A shape that its type fixes takes no memory.
    let sizes = if size_of::<S>() == 0 { Sizes::Typed } else { Sizes::OfStart };
    let value = read(&name, sizes, || Ok(init().into()))?;
    value.typed().map_err(|error| error.at_site(&name))
}

/// A tensor that the program keeps up itself, as batch normalisation its moving averages: the value in the store in
/// force, or the initial one where there is none. No optimiser changes it; [`set_state`] does, while the program is
/// trained.
///
/// # Errors
/// As [`param_as`].
///
/// # Examples
/// ```
/// use ed::params::{Params, param_as, set_state, state_as, value_and_gradients, with_params};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let count = || state_as("count", || Var::<(), f64>::scalar(0.0));
/// let program = || {
///     set_state("count", &(count()? + 1.0))?;
///     Ok(param_as("w", || Var::<(), f64>::scalar(1.0))? * 2.0)
/// };
/// let mut params = Params::new();
/// value_and_gradients(&mut params, program)?;
/// value_and_gradients(&mut params, program)?;
/// assert_eq!(with_params(&params, count)?.item()?, 2.0);
/// assert_eq!(params.num_parameters(), 1);
/// # Ok(()) }
/// ```
pub fn state_as<S: Shape, E: Float>(
    name: impl Into<SiteName>,
    init: impl FnOnce() -> Var<S, E>,
) -> Result<Var<S, E>> {
    let name = full_name(&name.into());
    let scope = keeper();
    let known = scope.as_ref().and_then(|scope| scope.borrow().params.get(name.as_str()).cloned());
    let start = || init().check().map(|start| start.detach());
    let Some(value) = known else {
        let start = start()?;
        if let Some(scope) = scope {
            scope.borrow_mut().make_state(&name, (&start).into())?;
        }
        capture::note_state(&name, &(&start).into());
        return Ok(start);
    };
    capture::note_state(&name, &value);
    if size_of::<S>() > 0
        && let Ok(start) = start()
    {
        check_kind(&start.into(), &value).map_err(|error| error.at_site(&name))?;
    }
    value.typed().map_err(|error| error.at_site(&name))
}

/// Gives a tensor of [`state_as`] another value, if the program is being trained; otherwise nothing changes. A run that
/// fails, or whose loss is not finite, leaves no trace: the value is the former one again.
///
/// # Errors
/// Those of [`Params::set`](super::Params::set).
pub fn set_state<S: Shape, E: Float>(name: impl Into<SiteName>, value: &Var<S, E>) -> Result<()> {
    let name = full_name(&name.into());
    let scope = keeper().filter(|_| capture::counts());
    let Some(scope) = scope.filter(|scope| scope.borrow().tapes.is_some()) else { return Ok(()) };
    let Scope { params, undo, .. } = &mut *scope.borrow_mut();
    let before = params.get(name.as_str()).cloned();
    params.set(name.clone(), value.detach())?;
    undo.note(before.map(|before| (name, before)));
    Ok(())
}

/// Whether the program is being trained: run for its gradients by [`value_and_gradients`](super::value_and_gradients). Dropout drops and batch
/// normalisation looks at the batch then, and only then.
pub fn is_training() -> bool {
    !capture::probes() && keeper().is_some_and(|scope| scope.borrow().tapes.is_some())
}

/// Makes the parameters and random variables that come up from here on those of a layer, known by a number of its own
/// (see [`own`]). Two layers that took one name would train one set of weights between them.
///
/// # Errors
/// [`Error::Algorithm`] with the name if it belongs to another layer in this run.
pub fn claim(owner: u64, kind: &'static str) -> Result<Owning> {
    let Some(scope) = innermost() else { return own(owner, kind) };
    let name = full_name(&SiteName::from(""));
    match *scope.borrow_mut().owners.entry(name.clone()).or_insert(owner) == owner {
        true => Ok(owning(owner)),
        false => Err(two_layers(&name, kind)),
    }
}

/// As [`param_as`], for a full name (see [`full_name`](crate::trace::full_name)) and sizes that are known at run time only.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape), with the name, if the store has a tensor of other sizes under it; the error of
/// making the initial value; [`Error::UnmadeParameter`](crate::Error::UnmadeParameter) if that is random and no key is in
/// force.
pub fn any_param(name: &SiteName, dims: &Dims, init: impl FnOnce() -> Result<AnyVar>) -> Result<AnyVar> {
    read(name, Sizes::Are(*dims), init)
}

/// Which sizes a parameter must have.
enum Sizes {
    /// These.
    Are(Dims),
    /// Those of its type, which are checked when it gets one.
    Typed,
    /// Those of its initial value, which is made to look.
    OfStart,
}

fn read(name: &SiteName, sizes: Sizes, init: impl FnOnce() -> Result<AnyVar>) -> Result<AnyVar> {
    let value = scoped_param(name, sizes, init)?;
    capture::note(name, &value);
    Ok(value)
}

fn scoped_param(name: &SiteName, sizes: Sizes, init: impl FnOnce() -> Result<AnyVar>) -> Result<AnyVar> {
    // The initial value may read parameters itself, so the scope is free while it is made.
    let initial = || Ok(init()?.check()?.detach());
    let Some(scope) = innermost() else { return unscoped(name, initial) };
    let known = scope.borrow().known(name);
    let Some(value) = known else {
        let made = initial();
        return scope.borrow_mut().make(name, made);
    };
    let expected = match sizes {
        Sizes::Are(dims) => Some(dims),
        Sizes::Typed => None,
        Sizes::OfStart if scope.borrow().params.was_made_here(name) => None,
        // Where it cannot be made, as without a key, there is nothing to compare with.
        Sizes::OfStart => initial().ok().map(|start: AnyVar| *start.dims()),
    };
    if let Some(expected) = expected.filter(|expected| expected != value.dims()) {
        let (expected, got) = (expected.to_string(), *value.dims());
        return Err(Error::Shape { op: "a parameter", expected, got }.at_site(name));
    }
    match value.node().is_some() {
        true => Ok(value),
        false => scope.borrow_mut().watch(name, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{Params, make_params, value_and_gradients, with_params};
    use crate::trace::nested_as;

    fn weight(x: f64) -> Result<Var<(), f64>> {
        param_as("w", || Var::scalar(x))
    }

    #[test]
    fn outside_of_a_run_a_parameter_is_its_initial_value() -> Result<()> {
        assert_eq!((weight(2.0)?.item()?, weight(3.0)?.item()?), (2.0, 3.0));
        Ok(())
    }

    #[test]
    fn a_parameter_is_made_once_and_its_uses_add_up() -> Result<()> {
        let mut params = Params::new();
        let loss = || Ok(weight(2.0)? * weight(7.0)? + nested_as("layer", || weight(1.0))?);
        let (value, gradients) = value_and_gradients(&mut params, loss)?;
        assert_eq!((value, gradients.required("w")?.item()?), (5.0, 4.0));
        assert_eq!(gradients.required("layer/w")?.item()?, 1.0);
        params.set("w", Var::<(), f64>::scalar(10.0))?;
        assert_eq!(with_params(&params, || weight(0.0))?.item()?, 10.0);
        assert_eq!(weight(0.0)?.item()?, 0.0, "the scope has ended");
        Ok(())
    }

    #[test]
    fn a_failed_run_keeps_the_parameters_and_a_panic_ends_the_scope() -> Result<()> {
        let mut params = Params::new();
        params.insert("w", Var::<(), f64>::scalar(4.0))?;
        let failed = value_and_gradients(&mut params, || {
            weight(0.0)?;
            Err::<Var<(), f64>, _>(Error::NotWatched { what: "nothing" })
        });
        assert!(failed.is_err());
        assert_eq!(params.required("w")?.item()?, 4.0);
        let shared = params.clone();
        let panicked = std::panic::catch_unwind(|| with_params(&shared, || -> Result<()> { panic!("stop") }));
        assert!(panicked.is_err());
        assert_eq!(weight(1.0)?.item()?, 1.0);
        Ok(())
    }

    #[test]
    fn a_run_that_fails_or_panics_or_has_no_finite_loss_changes_neither_state_nor_parameters() -> Result<()> {
        let count = || state_as("count", || Var::<(), f64>::scalar(0.0));
        let counted = |loss: f64| {
            set_state("count", &(count()? + 1.0))?;
            set_state("count", &(count()? + 1.0))?;
            Ok(weight(2.0)? * loss)
        };
        let mut params = Params::new();
        assert!(value_and_gradients(&mut params, || counted(f64::NAN))?.0.is_nan());
        assert!(params.is_empty(), "a refused first run makes nothing");
        value_and_gradients(&mut params, || counted(1.0))?;
        let unchanged = |params: &Params| -> Result<()> {
            assert_eq!((params.len(), params.required("count")?.item()?), (2, 2.0));
            assert!(params.is_state("count") && !params.is_state("other"));
            Ok(())
        };
        unchanged(&params)?;
        value_and_gradients(&mut params, || counted(f64::INFINITY))?;
        unchanged(&params)?;
        let failing = || {
            state_as("other", || Var::<(), f64>::scalar(0.0))?;
            counted(1.0)?;
            Err::<Var<(), f64>, _>(Error::NotWatched { what: "nothing" })
        };
        assert!(value_and_gradients(&mut params, failing).is_err());
        unchanged(&params)?;
        assert!(make_params(&mut params, failing).is_err());
        unchanged(&params)?;
        let panicking = || -> Result<Var<(), f64>> {
            counted(1.0)?;
            panic!("stop")
        };
        let run = std::panic::AssertUnwindSafe(|| value_and_gradients(&mut params, panicking));
        assert!(std::panic::catch_unwind(run).is_err());
        unchanged(&params)
    }

    #[test]
    fn a_parameter_of_another_kind_is_an_error_with_its_name() -> Result<()> {
        let mut params = Params::new();
        params.insert("w", Var::from([1.0f64]))?;
        let error = with_params(&params, || weight(0.0)).unwrap_err();
        assert!(error.to_string().starts_with("at the site `w`: "), "{error}");
        let mut params = Params::new();
        let constant = value_and_gradients(&mut params, || Ok(Var::<(), f64>::scalar(1.0)));
        assert!(matches!(constant, Err(Error::NoParameter)));
        Ok(())
    }
}
