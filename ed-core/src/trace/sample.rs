//! The statements of the language: `sample`, `observe`, `deterministic`, `factor`, and the scopes around them.

use super::name::SiteName;
use super::site::{Kind, Site};
use super::stack::{dispatch, full_name, with_prefix};
use crate::distributions::{Deterministic, Distribution, Factor};
use crate::error::Result;
use crate::random_variable::RandomVariable;
use crate::tensor::{Operand, Var};

/// A random variable without a name.
///
/// Inside a `#[model]` function the word `sample` means another thing: the macro gives the random variable its name.
///
/// # Errors
/// The error of a tracer or of the draw; [`Error::Unseeded`](crate::Error::Unseeded) if no key is in force.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let base = seed(7, || sample(Normal::standard((2usize, 3usize))?))?;
/// assert_eq!(base.shape(), &(2, 3));
/// # let _: &Var<_, f32> = &base;
/// # Ok(()) }
/// ```
pub fn sample<D: Distribution>(distribution: D) -> Result<RandomVariable<D>> {
    run_site(None, distribution, |_| ())
}

/// A random variable with a name given by hand.
///
/// # Errors
/// As [`sample`].
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = seed(0, || sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?))?;
/// assert_eq!(x.name().map(SiteName::as_str), Some("x"));
/// # Ok(()) }
/// ```
pub fn sample_as<D: Distribution>(name: impl Into<SiteName>, distribution: D) -> Result<RandomVariable<D>> {
    run_site(Some(name.into()), distribution, |_| ())
}

/// A random variable whose value is data.
///
/// # Errors
/// As [`sample`], and with the site's name if the value has the wrong shape or lies outside the support.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from([0.5f64, -1.5]);
/// let observed = || observe_as("x", Normal::standard((2usize,))?, &x);
/// // -½ (0.25 + 2.25) - ln 2π
/// let log_prob = tape(&observed)?.1.log_prob()?.item()?;
/// assert!((log_prob + 1.25 + std::f64::consts::TAU.ln()).abs() < 1e-12);
/// # Ok(()) }
/// ```
pub fn observe_as<D: Distribution>(
    name: impl Into<SiteName>,
    distribution: D,
    value: &Var<D::Shape, D::Elem>,
) -> Result<RandomVariable<D>> {
    run_site(Some(name.into()), distribution, |site| {
        site.value = Some(value.into());
        site.kind = Kind::Observed;
    })
}

/// Records a computed quantity under a name, and returns it (or what a handler made of it).
///
/// # Errors
/// The error of a tracer, or of an operation that failed on the way to the value.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let model = || {
///     let x = sample_as("x", LogNormal::<(), f64>::new(0.0, 1.0)?)?;
///     deterministic_as("log_x", x.ln())
/// };
/// let (log_x, trace) = seed(0, || tape(&model))?;
/// assert_eq!(trace.required("log_x")?.value()?.item()?, log_x.item()?);
/// # Ok(()) }
/// ```
pub fn deterministic_as<T: Operand>(name: impl Into<SiteName>, value: T) -> Result<Var<T::Shape, T::Elem>> {
    let value = value.operand();
    let recorded = run_site(Some(name.into()), Deterministic::new(value), |site| {
        site.value = Some(value.into());
        site.kind = Kind::Deterministic;
    })?;
    recorded.into_var().check()
}

/// Adds a log-weight (of any shape; summed) to the joint log-density.
///
/// # Errors
/// The error of a tracer, or of an operation that failed on the way to the weight.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let penalised = || factor_as("penalty", &Var::from([-1.0f64, -0.5]));
/// assert_eq!(tape(&penalised)?.1.log_prob()?.item()?, -1.5);
/// # Ok(()) }
/// ```
pub fn factor_as<T: Operand>(name: impl Into<SiteName>, log_weight: T) -> Result<()> {
    let factor = Factor::new(&log_weight.operand().clone().check()?);
    run_site(Some(name.into()), factor, |site| {
        site.value = Some(Var::<(), T::Elem>::scalar(0.0).into());
        site.kind = Kind::Factor;
    })?;
    Ok(())
}

/// Sends a random variable through the handlers and back.
fn run_site<D: Distribution>(
    name: Option<SiteName>,
    distribution: D,
    prepare: impl FnOnce(&mut Site),
) -> Result<RandomVariable<D>> {
    let mut site = Site::new(name.as_ref().map(full_name), distribution.clone());
    prepare(&mut site);
    dispatch(&mut site)?;
    let value = site.value()?.typed().and_then(|value| {
        // Whatever the tracers did, the program goes on with a value of the shape that it asked for.
        distribution.check_shape(&value)?;
        Ok(value)
    });
    let value = value.map_err(|error| error.at_site(site.label()))?;
    Ok(RandomVariable::from_parts(site.name, distribution, value))
}

/// Runs a sub-model with `name/` in front of the names of its random variables.
///
/// # Errors
/// The sub-model's.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let effect = || sample_as("effect", Normal::<(), f64>::new(0.0, 1.0)?);
/// let model = || Ok(nested_as("boys", effect)? - nested_as("girls", effect)?);
/// let (_, trace) = seed(0, || tape(&model))?;
/// assert_eq!(trace.names().map(SiteName::as_str).collect::<Vec<_>>(), ["boys/effect", "girls/effect"]);
/// # Ok(()) }
/// ```
pub fn nested_as<T>(name: impl Into<SiteName>, program: impl FnOnce() -> Result<T>) -> Result<T> {
    with_prefix(name.into().as_str(), program)
}
