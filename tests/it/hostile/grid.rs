//! The machinery: calls that are caught, timed and counted.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use ed::prelude::*;

/// What one call may take, on a machine with much else to do.
pub const BOUND: Duration = Duration::from_secs(30);

/// A call: what is called, and with which numbers.
#[derive(Clone, Copy)]
struct Call {
    what: &'static str,
    of: &'static str,
    args: [f64; 4],
    since: Instant,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args: Vec<String> = self.args.iter().filter(|x| **x != NO_ARGUMENT).map(f64::to_string).collect();
        write!(f, "{} {}({})", self.of, self.what, args.join(", "))
    }
}

/// Stands for an argument that is not there.
const NO_ARGUMENT: f64 = 1.234_567_890_123e-77;

/// The calls so far, and what was wrong with them.
pub struct Grid {
    now: Arc<Mutex<Call>>,
    report: Report,
}

/// What came out.
#[derive(Default)]
pub struct Report {
    /// How many calls were made.
    pub calls: u64,
    /// Panics, hangs and wrong answers.
    pub faults: Vec<String>,
    /// Undocumented NaNs: how many, and the first.
    pub nans: BTreeMap<String, (u64, String)>,
    /// NaNs that have a reason: how many, and the reason.
    pub reasons: BTreeMap<String, (u64, &'static str)>,
}

impl Report {
    /// Whether every call went as it should.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.nans.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} calls, {} faults", self.calls, self.faults.len())?;
        self.faults.iter().take(60).try_for_each(|fault| writeln!(f, "  fault: {fault}"))?;
        for (what, (count, first)) in &self.nans {
            writeln!(f, "  NaN without a reason: {what}, {count} times, first {first}")?;
        }
        for (what, (count, reason)) in &self.reasons {
            writeln!(f, "  NaN: {what}, {count} times: {reason}")?;
        }
        Ok(())
    }
}

impl Grid {
    /// Runs a grid on a thread of its own and watches that no call takes longer than [`BOUND`].
    pub fn watched(program: impl FnOnce(&mut Grid) + Send + 'static) -> Report {
        let start = Call { what: "start", of: "the grid", args: [NO_ARGUMENT; 4], since: Instant::now() };
        let now = Arc::new(Mutex::new(start));
        let (send, receive) = mpsc::channel();
        let watched = now.clone();
        std::thread::spawn(move || {
            let mut grid = Grid { now: watched, report: Report::default() };
            program(&mut grid);
            // The watch may have given up.
            let _ = send.send(grid.report);
        });
        loop {
            match receive.recv_timeout(Duration::from_millis(200)) {
                Ok(report) => return report,
                Err(mpsc::RecvTimeoutError::Disconnected) => panic!("the grid itself panicked"),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let call = *now.lock().expect("no call panics while it holds this");
                    assert!(call.since.elapsed() < BOUND, "{call} takes longer than {BOUND:?}");
                }
            }
        }
    }

    /// Makes a call. `None` if it was an error or panicked.
    pub fn call<T>(
        &mut self,
        of: &'static str,
        what: &'static str,
        args: &[f64],
        call: impl FnOnce() -> Result<T>,
    ) -> Option<T> {
        let mut all = [NO_ARGUMENT; 4];
        all.iter_mut().zip(args).for_each(|(all, &arg)| *all = arg);
        let made = Call { what, of, args: all, since: Instant::now() };
        *self.now.lock().expect("no call panics while it holds this") = made;
        self.report.calls += 1;
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(outcome)) => Some(outcome),
            Ok(Err(error)) => {
                // An error is a sentence.
                if error.to_string().len() < 12 {
                    self.report.faults.push(format!("{made}: the error `{error}`"));
                }
                None
            }
            Err(_) => {
                self.report.faults.push(format!("{made} panicked"));
                None
            }
        }
    }

    /// Notes a wrong answer to the last call.
    pub fn fault(&mut self, why: impl fmt::Display) {
        let call = *self.now.lock().expect("no call panics while it holds this");
        self.report.faults.push(format!("{call}: {why}"));
    }

    /// Notes a NaN of the last call: with the reason that `documented` has for it, or as a fault.
    pub fn nan(&mut self, documented: &[(&str, &str, &'static str)], at: impl fmt::Display) {
        let call = *self.now.lock().expect("no call panics while it holds this");
        let name = format!("{} {}", call.of, call.what);
        let row = documented
            .iter()
            .find(|(of, what, _)| (*of == call.of || *of == "any") && (*what == call.what || *what == "any"));
        match row {
            Some((_, _, reason)) => self.report.reasons.entry(name).or_insert((0, reason)).0 += 1,
            None => {
                let first = format!("{call} at {at}");
                self.report.nans.entry(name).or_insert((0, first)).0 += 1;
            }
        }
    }
}

/// The hostile numbers, in either form; each with both signs.
pub fn numbers(form: super::Form) -> Vec<f64> {
    let sizes: &[f64] = match form {
        super::Form::Quick => &[0.0, 1e-40, 1e-5, 0.5, 3.0, 1e12, 1e38, f64::INFINITY],
        super::Form::Whole => &[
            0.0,
            5e-324,
            1e-300,
            1e-45,
            1e-38,
            1e-20,
            1e-8,
            1e-3,
            0.1,
            0.5,
            1.0,
            1.5,
            2.0,
            7.0,
            33.3,
            709.0,
            1e4,
            1e7,
            16_777_217.0,
            1e12,
            1e20,
            1e38,
            1e150,
            1e300,
            f64::MAX,
            f64::INFINITY,
        ],
    };
    sizes.iter().flat_map(|&x| [x, -x]).chain([f64::NAN]).collect()
}
