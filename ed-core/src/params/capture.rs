//! `capture`: the parameters that a program read, kept for running it again.

use std::cell::{Cell, RefCell};

use super::scope::{home, with_captured};
use super::store::Params;
use crate::error::Result;
use crate::tensor::AnyVar;
use crate::trace::{SiteName, full_name};

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
    static CAPTURES: RefCell<Vec<Captured>> = const { RefCell::new(Vec::new()) };
    static PASS: Cell<Pass> = const { Cell::new(Pass::Counted) };
}

/// Whether the run changes state.
pub(super) fn counts() -> bool {
    PASS.get() == Pass::Counted
}

/// Whether the run is a probe, as of an untrained program.
pub(super) fn probes() -> bool {
    PASS.get() == Pass::Probe
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

/// Runs a program whose result was counted already, as a second pass over a batch for its gradients is: it changes no
/// state.
pub fn repeated<T>(program: impl FnOnce() -> T) -> T {
    let pass = if PASS.get() == Pass::Counted { Pass::Repeated } else { PASS.get() };
    passing(pass, program)
}

/// Tells whoever captures that a parameter was read.
pub(super) fn note(name: &SiteName, value: &AnyVar) {
    note_in(|captured| &mut captured.read, name, value);
}

/// Tells whoever captures that state was read.
pub(super) fn note_state(name: &SiteName, value: &AnyVar) {
    note_in(|captured| &mut captured.state, name, value);
}

fn note_in(of: fn(&mut Captured) -> &mut Params, name: &SiteName, value: &AnyVar) {
    CAPTURES.with(|captures| {
        for captured in captures.borrow_mut().iter_mut() {
            let seen = of(captured);
            if seen.get(name.as_str()).is_none() {
                seen.record(name, value.clone());
            }
        }
    });
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
    let prefix = full_name(&SiteName::from(""));
    let empty = Captured { prefix, read: Params::new(), state: Params::new(), home: home() };
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
    /// The program's; [`Error::MissingParameters`](crate::Error::MissingParameters) if it reads one that it did not read
    /// then.
    pub fn run<T>(&self, program: impl FnOnce() -> Result<T>) -> Result<T> {
        with_captured([&self.read, &self.state], self.home, || crate::trace::under(&self.prefix, program))
    }
}
