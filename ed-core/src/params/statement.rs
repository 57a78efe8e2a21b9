//! `param_as`: a trainable tensor inside of a program, and the runs that it can be trained in.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use dfdx::shapes::Shape;

use super::store::Params;
use super::undo::Undo;
use crate::error::{Error, Result};
use crate::tensor::{AnyGradients, AnyVar, Float, Tape, Var};
use crate::trace::{SiteName, full_name};

/// The parameters that a program reads, and the tapes that watch them.
struct Scope {
    params: Params,
    /// What this run has read so far.
    read: Params,
    /// A tape for each precision, while a gradient is asked for.
    tapes: Option<(Tape<f32>, Tape<f64>)>,
    /// Who reads parameters under a name.
    owners: HashMap<SiteName, u64>,
    /// A number that no other scope has.
    number: u64,
    /// The scope that a captured program belongs to, by its number.
    home: Option<u64>,
    undo: Undo,
}

/// What a program does with state while it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Reads and changes it.
    Counted,
    /// Reads it as an untrained program does.
    Probe,
    /// Reads it, for a result that was counted already.
    Repeated,
}

thread_local! {
    static SCOPES: RefCell<Vec<Rc<RefCell<Scope>>>> = const { RefCell::new(Vec::new()) };
    static CAPTURES: RefCell<Vec<Captured>> = const { RefCell::new(Vec::new()) };
    static PASS: Cell<Pass> = const { Cell::new(Pass::Counted) };
}

/// The innermost scope.
fn innermost() -> Option<Rc<RefCell<Scope>>> {
    SCOPES.with(|scopes| scopes.borrow().last().cloned())
}

/// The scope whose state and training the program in force sees: the innermost, or the one that a captured program
/// belongs to, as long as that runs.
fn keeper() -> Option<Rc<RefCell<Scope>>> {
    SCOPES.with(|scopes| {
        let scopes = scopes.borrow();
        let last = scopes.last()?;
        let home = last.borrow().home;
        let found = home.and_then(|home| scopes.iter().rev().find(|scope| scope.borrow().number == home));
        Some(found.unwrap_or(last).clone())
    })
}

fn passing<T>(pass: Pass, program: impl FnOnce() -> T) -> T {
    struct Restore(Pass);
    impl Drop for Restore {
        fn drop(&mut self) {
            PASS.set(self.0);
        }
    }
    let _restore = Restore(PASS.replace(pass));
    program()
}

/// A trainable tensor with a name: the value in the store in force, or the initial one where there is none.
///
/// Under [`value_and_gradients`], and so in variational inference, the value is watched and a missing one is added to
/// the store. Any model or guide can have such parameters: the weights of a network, hyperparameters, a guide's
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
    let value = any_param(&name, || Ok(init().into()))?;
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
    let value = match known {
        Some(value) => value,
        None => {
            let value: AnyVar = init().check()?.detach().into();
            if let Some(scope) = scope.filter(|scope| scope.borrow().tapes.is_some()) {
                scope.borrow_mut().params.insert_state(name.clone(), value.clone())?;
            }
            value
        }
    };
    CAPTURES.with(|captures| {
        let mut captures = captures.borrow_mut();
        for capture in captures.iter_mut().filter(|seen| seen.state.get(name.as_str()).is_none()) {
            capture.state.record(&name, value.clone());
        }
    });
    value.typed().map_err(|error| error.at_site(&name))
}

/// Gives a tensor of [`state_as`] another value, if the program is being trained; otherwise nothing changes. A run that
/// fails, or whose loss is not finite, leaves no trace: the value is the former one again.
///
/// # Errors
/// Those of [`Params::set`].
pub fn set_state<S: Shape, E: Float>(name: impl Into<SiteName>, value: &Var<S, E>) -> Result<()> {
    let name = full_name(&name.into());
    let scope = keeper().filter(|_| PASS.get() == Pass::Counted);
    let Some(scope) = scope.filter(|scope| scope.borrow().tapes.is_some()) else { return Ok(()) };
    let Scope { params, undo, .. } = &mut *scope.borrow_mut();
    let before = params.get(name.as_str()).cloned();
    params.set(name.clone(), value.detach())?;
    undo.note(before.map(|before| (name, before)));
    Ok(())
}

/// Whether the program is being trained: run for its gradients by [`value_and_gradients`]. Dropout drops and batch
/// normalisation looks at the batch then, and only then.
pub fn is_training() -> bool {
    PASS.get() != Pass::Probe && keeper().is_some_and(|scope| scope.borrow().tapes.is_some())
}

/// Runs a program whose result was counted already, as a second pass over a batch for its gradients is: it changes no
/// state.
pub fn repeated<T>(program: impl FnOnce() -> T) -> T {
    let pass = if PASS.get() == Pass::Counted { Pass::Repeated } else { PASS.get() };
    passing(pass, program)
}

/// Says that whatever reads parameters under the prefix in force is the same thing as before, known by a number of its
/// own: two layers that took one name would train one set of weights between them.
///
/// # Errors
/// [`Error::Algorithm`] with both names if the prefix belongs to another one in this run.
pub fn claim(owner: u64, kind: &'static str) -> Result<()> {
    let Some(scope) = innermost() else { return Ok(()) };
    let name = full_name(&SiteName::from(""));
    let known = *scope.borrow_mut().owners.entry(name.clone()).or_insert(owner);
    if known == owner {
        return Ok(());
    }
    let path = name.as_str().trim_end_matches('/');
    let why = format!(
        "two layers are called `{path}` and would share their parameters: give one a name with `.named(\"…\")`, or make \
         both fields of one `#[derive(Layer)]` struct; to share on purpose, use one layer twice, or its clone"
    );
    Err(Error::Algorithm { of: kind, why })
}

/// As [`param_as`], for a full name (see [`full_name`](crate::trace::full_name)) and a shape that is known at run time
/// only.
///
/// # Errors
/// The error of making the initial value.
pub fn any_param(name: &SiteName, init: impl FnOnce() -> Result<AnyVar>) -> Result<AnyVar> {
    let value = scoped_param(name, init)?;
    CAPTURES.with(|captures| {
        let mut captures = captures.borrow_mut();
        for capture in captures.iter_mut().filter(|seen| seen.read.get(name.as_str()).is_none()) {
            capture.read.record(name, value.clone());
        }
    });
    Ok(value)
}

fn scoped_param(name: &SiteName, init: impl FnOnce() -> Result<AnyVar>) -> Result<AnyVar> {
    let initial = || Ok(init()?.check()?.detach());
    let Some(scope) = innermost() else { return initial() };
    let known = scope.borrow().known(name);
    // The initial value may read parameters itself, so the scope is free while it is made.
    let value = match known {
        Some(value) if value.node().is_some() => return Ok(value),
        Some(value) => value,
        None => initial()?,
    };
    scope.borrow_mut().watch(name, value)
}

/// The parameters that a program read, each on its tape, for running it again when the run that they belong to has
/// ended: a bijector whose network is any layer keeps these.
///
/// As long as that run goes on, the program is trained if it is, and its state is that of the run; later it has the
/// state that it was captured with.
#[derive(Clone, Debug)]
pub struct Captured {
    prefix: SiteName,
    read: Params,
    state: Params,
    home: Option<u64>,
}

/// Runs a program, as one that is not trained, and keeps the parameters that it read. Its input may be a stand-in: no
/// state changes.
///
/// # Errors
/// The program's.
///
/// # Examples
/// ```
/// use ed::params::{Params, capture, param_as, with_params};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let program = || param_as("w", || Var::<(), f64>::scalar(0.0));
/// let mut params = Params::new();
/// params.insert("w", Var::<(), f64>::scalar(3.0))?;
/// let (_, captured) = with_params(&params, || capture(program))?;
/// assert_eq!(captured.run(program)?.item()?, 3.0);
/// # Ok(()) }
/// ```
pub fn capture<T>(program: impl FnOnce() -> Result<T>) -> Result<(T, Captured)> {
    struct Pop;
    impl Drop for Pop {
        fn drop(&mut self) {
            CAPTURES.with(|captures| captures.borrow_mut().pop());
        }
    }
    let home = innermost().map(|scope| {
        let scope = scope.borrow();
        scope.home.unwrap_or(scope.number)
    });
    let prefix = full_name(&SiteName::from(""));
    let empty = Captured { prefix, read: Params::new(), state: Params::new(), home };
    CAPTURES.with(|captures| captures.borrow_mut().push(empty.clone()));
    let pop = Pop;
    let output = passing(Pass::Probe, program)?;
    let captured = CAPTURES.with(|captures| captures.borrow().last().cloned()).unwrap_or(empty);
    drop(pop);
    Ok((output, captured))
}

impl Captured {
    /// The parameters, in the order in which they were read.
    pub fn values(&self) -> impl Iterator<Item = &AnyVar> {
        self.read.iter().map(|(_, value)| value)
    }

    /// The same names with other values, in the same order; values that are missing stay as they were.
    pub fn with_values(&self, values: impl IntoIterator<Item = AnyVar>) -> Captured {
        let mut values = values.into_iter();
        let mut read = Params::new();
        for (name, value) in self.read.iter() {
            read.record(name, values.next().unwrap_or_else(|| value.clone()));
        }
        Captured { read, ..self.clone() }
    }

    /// Runs a program that reads its parameters from here, under the names in force at the capture.
    ///
    /// # Errors
    /// The program's.
    pub fn run<T>(&self, program: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut scope = Scope::new(self.state.clone(), None);
        (scope.read, scope.home) = (self.read.clone(), self.home);
        let _entered = Entered::new(Rc::new(RefCell::new(scope)));
        crate::trace::under(&self.prefix, program)
    }
}

impl Scope {
    fn new(params: Params, tapes: Option<(Tape<f32>, Tape<f64>)>) -> Scope {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let undo = Undo::of(&params);
        Scope { params, read: Params::new(), tapes, owners: HashMap::new(), number, home: None, undo }
    }

    /// Checks that no number was read on a tape before the loss was made.
    fn require_unread(&self, loss: &AnyVar) -> Result<()> {
        let Some((single, double)) = &self.tapes else { return Ok(()) };
        single.require_unread(loss.node())?;
        double.require_unread(loss.node())
    }

    fn known(&self, name: &SiteName) -> Option<AnyVar> {
        self.read.get(name.as_str()).or_else(|| self.params.get(name.as_str())).cloned()
    }

    fn watch(&mut self, name: &SiteName, value: AnyVar) -> Result<AnyVar> {
        let Some((single, double)) = &self.tapes else { return Ok(value) };
        if self.params.get(name.as_str()).is_none() {
            self.params.insert(name, value.clone())?;
        }
        let watched = match &value {
            AnyVar::F32(value) => AnyVar::F32(single.watch_value(value)),
            AnyVar::F64(value) => AnyVar::F64(double.watch_value(value)),
        };
        self.read.record(name, watched.clone());
        Ok(watched)
    }
}

/// Runs a program that reads its parameters from `params`, without gradients. A parameter that is missing there has
/// its initial value.
///
/// # Errors
/// The program's.
pub fn with_params<T>(params: &Params, program: impl FnOnce() -> Result<T>) -> Result<T> {
    let scope = Scope::new(params.clone(), None);
    let _entered = Entered::new(Rc::new(RefCell::new(scope)));
    program()
}

/// Runs a program as if it were trained, without gradients, and adds the parameters that are missing.
///
/// # Errors
/// The program's.
///
/// # Examples
/// ```
/// use ed::params::{Params, make_params, param_as};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let mut params = Params::new();
/// make_params(&mut params, || param_as("w", || Var::from([1.0f32, 2.0])))?;
/// assert_eq!(params.num_parameters(), 2);
/// # Ok(()) }
/// ```
pub fn make_params<T>(params: &mut Params, program: impl FnOnce() -> Result<T>) -> Result<T> {
    let lent = Lent::new(params);
    let output = program()?;
    lent.keep();
    Ok(output)
}

/// Runs a program that computes a scalar loss, and differentiates it by every parameter that it read.
///
/// Parameters that are missing from `params` are added. A parameter on which the loss does not depend is missing from
/// the gradients. If the program fails or the loss is not finite, `params` is what it was: nothing is added, and state
/// that the program keeps up has its former value.
///
/// # Errors
/// The program's, and those of [`Var::backward`](crate::tensor::Var::backward):
/// [`Error::NoParameter`](crate::Error::NoParameter) if the loss depends on no parameter;
/// [`Error::GradientLost`](crate::Error::GradientLost), with the place, if a number that depends on a parameter was read
/// on the way to the loss.
pub fn value_and_gradients<L: Into<AnyVar>>(
    params: &mut Params,
    program: impl FnOnce() -> Result<L>,
) -> Result<(f64, Params)> {
    let (value, gradients, undo) = value_gradients_and_undo(params, program)?;
    if !value.is_finite() {
        undo.apply(params);
    }
    Ok((value, gradients))
}

/// As [`value_and_gradients`], with the way back for a caller that refuses the step.
pub(crate) fn value_gradients_and_undo<L: Into<AnyVar>>(
    params: &mut Params,
    program: impl FnOnce() -> Result<L>,
) -> Result<(f64, Params, Undo)> {
    let lent = Lent::new(params);
    let loss = program()?.into();
    let value = single(&loss)?;
    lent.scope.borrow().require_unread(&loss)?;
    if !loss.node().is_some() {
        return Err(Error::NoParameter);
    }
    let mut gradients = loss.backward()?;
    let mut by_name = Params::new();
    for (name, watched) in lent.scope.borrow().read.iter() {
        if let Some(gradient) = take(&mut gradients, watched) {
            by_name.insert(name, gradient)?;
        }
    }
    Ok((value, by_name, lent.keep()))
}

/// Parameters that are lent to the scope of a run in which they are trained. They come back when it ends, and as they
/// were if it failed or panicked, in which case nobody calls [`Lent::keep`].
struct Lent<'p> {
    params: &'p mut Params,
    scope: Rc<RefCell<Scope>>,
    entered: Option<Entered>,
    kept: bool,
}

impl<'p> Lent<'p> {
    fn new(params: &'p mut Params) -> Lent<'p> {
        let tapes = Some((Tape::<f32>::of(), Tape::<f64>::of()));
        let scope = Rc::new(RefCell::new(Scope::new(std::mem::take(params), tapes)));
        let entered = Some(Entered::new(scope.clone()));
        Lent { params, scope, entered, kept: false }
    }

    fn keep(mut self) -> Undo {
        self.kept = true;
        std::mem::take(&mut self.scope.borrow_mut().undo)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.entered = None;
        let mut scope = self.scope.borrow_mut();
        *self.params = std::mem::take(&mut scope.params);
        if !self.kept {
            std::mem::take(&mut scope.undo).apply(self.params);
        }
    }
}

/// The one number of a loss.
fn single(loss: &AnyVar) -> Result<f64> {
    match *loss.peek()? {
        [value] => Ok(value),
        _ => Err(Error::Shape { op: "the loss", expected: "[]".into(), got: *loss.dims() }),
    }
}

/// The gradient by a watched value, moved out; `None` if it is zero or of the other precision.
fn take(gradients: &mut AnyGradients, watched: &AnyVar) -> Option<AnyVar> {
    match (gradients, watched) {
        (AnyGradients::F32(gradients), AnyVar::F32(watched)) => gradients.take(watched).map(AnyVar::F32),
        (AnyGradients::F64(gradients), AnyVar::F64(watched)) => gradients.take(watched).map(AnyVar::F64),
        _ => None,
    }
}

/// A scope in force, which ends on every way out, panics included.
struct Entered;

impl Entered {
    fn new(scope: Rc<RefCell<Scope>>) -> Entered {
        SCOPES.with(|scopes| scopes.borrow_mut().push(scope));
        Entered
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Dropped after the table is free: a scope owns tapes, which have a table of their own.
        let ended = SCOPES.with(|scopes| scopes.borrow_mut().pop());
        drop(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
