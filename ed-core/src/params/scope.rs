//! The stores that programs read their parameters from, and the runs that they can be trained in.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::missing::Missing;
use super::store::Params;
use super::undo::Undo;
use crate::error::{Error, Result};
use crate::tensor::{AnyGradients, AnyVar, Tape};
use crate::trace::{SiteName, active, enter_context};

/// The parameters that a program reads, and the tapes that watch them.
pub(super) struct Scope {
    pub(super) params: Params,
    /// What this run has read so far.
    pub(super) read: Params,
    /// A tape for each precision, while a gradient is asked for.
    pub(super) tapes: Option<(Tape<f32>, Tape<f64>)>,
    /// Who reads parameters under a name.
    pub(super) owners: HashMap<SiteName, u64>,
    /// A number that no other scope has.
    pub(super) number: u64,
    /// The scope that a captured program belongs to, by its number.
    pub(super) home: Option<u64>,
    pub(super) undo: Undo,
    /// What the program read and the store lacks; `None` where a parameter that is missing is made.
    pub(super) missing: Option<Missing>,
}

thread_local! {
    static SCOPES: RefCell<Vec<Rc<RefCell<Scope>>>> = const { RefCell::new(Vec::new()) };
}

/// The innermost scope.
pub(super) fn innermost() -> Option<Rc<RefCell<Scope>>> {
    SCOPES.with(|scopes| scopes.borrow().last().cloned())
}

/// The scope whose state and training the program in force sees: the innermost, or the one that a captured program
/// belongs to, as long as that runs.
pub(super) fn keeper() -> Option<Rc<RefCell<Scope>>> {
    SCOPES.with(|scopes| {
        let scopes = scopes.borrow();
        let last = scopes.last()?;
        let home = last.borrow().home;
        let found = home.and_then(|home| scopes.iter().rev().find(|scope| scope.borrow().number == home));
        Some(found.unwrap_or(last).clone())
    })
}

/// The scope that a program captured now belongs to, by its number.
pub(super) fn home() -> Option<u64> {
    innermost().map(|scope| {
        let scope = scope.borrow();
        scope.home.unwrap_or(scope.number)
    })
}

/// Runs a program that was captured: it reads its parameters, with their tapes, and its state from here.
pub(super) fn with_captured<T>(
    [read, state]: [&Params; 2],
    home: Option<u64>,
    program: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let mut scope = Scope::given(state.clone());
    (scope.read, scope.home) = (read.clone(), home);
    scope.run(program)
}

/// The parameters in force, for a program that goes on in another thread.
pub(crate) fn in_force() -> Option<Params> {
    innermost().map(|scope| scope.borrow().params.clone())
}

impl Scope {
    /// One that adds what is missing.
    fn trained(params: Params) -> Scope {
        Scope::of(params, Some((Tape::<f32>::of(), Tape::<f64>::of())), None)
    }

    /// One that has everything that the program reads.
    fn given(params: Params) -> Scope {
        Scope::of(params, None, Some(Missing::default()))
    }

    fn of(params: Params, tapes: Option<(Tape<f32>, Tape<f64>)>, missing: Option<Missing>) -> Scope {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let undo = Undo::of(&params);
        let (read, owners) = (Params::new(), HashMap::new());
        Scope { params, read, tapes, owners, number, home: None, undo, missing }
    }

    /// Runs a program in this scope of given parameters.
    fn run<T>(self, program: impl FnOnce() -> Result<T>) -> Result<T> {
        let scope = Rc::new(RefCell::new(self));
        let entered = Entered::new(scope.clone());
        let output = program();
        drop(entered);
        let scope = scope.borrow();
        match scope.missing.as_ref().and_then(|missing| missing.of_store(&scope.params)) {
            Some(error) => Err(error),
            None => output,
        }
    }

    /// What becomes of a parameter that the store lacks: it is added, or it goes on with its initial value until the end
    /// of the program, where all that are missing are named.
    pub(super) fn make(&mut self, name: &SiteName, made: Result<AnyVar>) -> Result<AnyVar> {
        let Scope { missing: Some(missing), params, .. } = self else {
            let value = made?;
            self.params.insert_made(name, value.clone())?;
            return self.watch(name, value);
        };
        missing.note(name, made.as_ref().ok().map(|value| *value.dims()));
        made.map_err(|error| missing.of_store(params).unwrap_or(error))
    }

    pub(super) fn make_state(&mut self, name: &SiteName, value: AnyVar) -> Result<()> {
        match &mut self.missing {
            Some(missing) => missing.note(name, Some(*value.dims())),
            None => self.params.insert_state(name, value)?,
        }
        Ok(())
    }

    /// Checks that no number was read on a tape before the loss was made.
    fn require_unread(&self, loss: &AnyVar) -> Result<()> {
        let Some((single, double)) = &self.tapes else { return Ok(()) };
        single.require_unread(loss.node())?;
        double.require_unread(loss.node())
    }

    pub(super) fn known(&self, name: &SiteName) -> Option<AnyVar> {
        self.read.get(name.as_str()).or_else(|| self.params.get(name.as_str())).cloned()
    }

    pub(super) fn watch(&mut self, name: &SiteName, value: AnyVar) -> Result<AnyVar> {
        let Some((single, double)) = &self.tapes else { return Ok(value) };
        let watched = match &value {
            AnyVar::F32(value) => AnyVar::F32(single.watch_value(value)),
            AnyVar::F64(value) => AnyVar::F64(double.watch_value(value)),
        };
        self.read.record(name, watched.clone());
        Ok(watched)
    }
}

/// Runs a program that reads its parameters from `params`, without gradients. Parameters are made by training and by
/// [`make_params`] (for a layer, `init`), and by nothing else: one that is missing here is an error.
///
/// # Errors
/// [`Error::MissingParameters`](crate::Error::MissingParameters) with the names of all parameters that the program reads
/// and `params` lacks, those that it has, and the nearest of these; the program's.
///
/// # Examples
/// ```
/// use ed::params::{Params, param_as, with_params};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let program = || param_as("weights", || Var::from([0.0f64, 0.0]));
/// let mut params = Params::new();
/// params.insert("net/weights", Var::from([3.0f64, 4.0]))?;
/// let error = with_params(&params, program).unwrap_err().to_string();
/// assert!(error.contains("`weights`") && error.contains("`net/weights`"), "{error}");
/// let renamed = params.renamed(|name| name.strip_prefix("net/").map(String::from))?;
/// assert_eq!(with_params(&renamed, program)?.to_vec()?, [3.0, 4.0]);
/// # Ok(()) }
/// ```
pub fn with_params<T>(params: &Params, program: impl FnOnce() -> Result<T>) -> Result<T> {
    Scope::given(params.clone()).run(program)
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
        let scope = Rc::new(RefCell::new(Scope::trained(std::mem::take(params))));
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
struct Entered {
    _run: crate::trace::Entered,
}

impl Entered {
    fn new(scope: Rc<RefCell<Scope>>) -> Entered {
        SCOPES.with(|scopes| scopes.borrow_mut().push(scope));
        Entered { _run: enter_context(active()) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Dropped after the table is free: a scope owns tapes, which have a table of their own.
        let ended = SCOPES.with(|scopes| scopes.borrow_mut().pop());
        drop(ended);
    }
}
