//! Progress bars that cost nothing to advance and appear only when there is something to wait for, and lines in their
//! place where nobody sees a bar.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Work shorter than this shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// Shortest time between two drawings of one bar.
const REDRAW: Duration = Duration::from_millis(100);
/// Time before the first line of a log, and between two of them.
const LINE: Duration = Duration::from_secs(30);

/// The progress of one piece of work, drawn on stderr.
///
/// The bar appears after one second and is redrawn at most ten times a second. If stderr is not a terminal but a log,
/// a line is written every thirty seconds instead. Between drawings [`set`](Progress::set) only stores the position and reads the clock.
/// Dropping the value removes the bar as [`finish`](Progress::finish) does.
///
/// ```
/// # use ed_core::progress::Progress;
/// let progress = Progress::new("warm-up", 1000);
/// for step in 0..1000 {
///     progress.set(step + 1, || format!("{step} steps"));
/// }
/// assert_eq!(progress.position(), 1000);
/// progress.finish();
/// ```
#[derive(Debug)]
pub struct Progress {
    label: String,
    total: u64,
    position: AtomicU64,
    started: Instant,
    /// Milliseconds after `started` before which nothing is drawn.
    next_draw: AtomicU64,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Hidden,
    Log,
    Terminal { bar: ProgressBar, shown: AtomicBool },
}

impl Progress {
    /// A bar of its own; `total`: the number of steps.
    pub fn new(label: impl Into<String>, total: u64) -> Self {
        let target = if std::io::stderr().is_terminal() { alone() } else { Target::Log };
        Self::with(label.into(), total, target)
    }

    /// A bar that is never drawn, for tests and quiet runs.
    pub fn hidden() -> Self {
        Self::with(String::new(), 0, Target::Hidden)
    }

    /// One bar a chain, drawn below each other; each may move to its own thread.
    ///
    /// Bars are labelled `label 1`, `label 2`, ….
    pub fn chains(label: &str, num_chains: usize, total: u64) -> Vec<Self> {
        let shared = std::io::stderr().is_terminal().then(MultiProgress::new);
        let target = || match &shared {
            Some(shared) => terminal(shared.add(ProgressBar::new(0))),
            None => Target::Log,
        };
        (1..=num_chains).map(|chain| Self::with(format!("{label} {chain}"), total, target())).collect()
    }

    fn with(label: String, total: u64, target: Target) -> Self {
        let next_draw = match target {
            Target::Hidden => u64::MAX,
            Target::Terminal { .. } => PATIENCE.as_millis() as u64,
            Target::Log => LINE.as_millis() as u64,
        };
        Self {
            label,
            total,
            position: AtomicU64::new(0),
            started: Instant::now(),
            next_draw: AtomicU64::new(next_draw),
            target,
        }
    }

    /// Moves to `position`; `message` is asked for only when the bar is drawn.
    pub fn set<M: Into<String>>(&self, position: u64, message: impl FnOnce() -> M) {
        self.position.store(position, Ordering::Relaxed);
        let due = self.next_draw.load(Ordering::Relaxed);
        if due == u64::MAX {
            return;
        }
        let now = self.started.elapsed().as_millis() as u64;
        if now < due {
            return;
        }
        let pause = if matches!(self.target, Target::Log) { LINE } else { REDRAW };
        let next = now + pause.as_millis() as u64;
        // Of several threads that find the drawing due, one draws.
        if self.next_draw.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.draw(position, message().into());
        }
    }

    /// The position last set.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Removes the bar.
    pub fn finish(self) {}

    fn draw(&self, position: u64, message: String) {
        match &self.target {
            Target::Hidden => {}
            // A log that cannot be written is no reason to stop.
            Target::Log => drop(writeln!(std::io::stderr(), "{}", self.line(position, &message))),
            Target::Terminal { bar, shown } => {
                if !shown.swap(true, Ordering::Relaxed) {
                    self.show(bar);
                }
                bar.set_message(message);
                bar.set_position(position.min(self.total));
            }
        }
    }

    /// What a log says.
    fn line(&self, position: u64, message: &str) -> String {
        let elapsed = self.started.elapsed().as_secs_f64();
        let left = self.total.saturating_sub(position) as f64 / position.max(1) as f64 * elapsed;
        format!(
            "{}: {position} of {} in {elapsed:.0} s, about {left:.0} s left; {message}",
            self.label, self.total
        )
    }

    /// First drawing: everything before it must not touch the bar, because every change draws.
    fn show(&self, bar: &ProgressBar) {
        let template = "{prefix} {bar:32} {pos}/{len} [{elapsed}, {eta} left] {msg}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("━━╌"));
        bar.set_length(self.total);
        bar.set_elapsed(self.started.elapsed());
        bar.set_prefix(self.label.clone());
    }
}

fn alone() -> Target {
    terminal(ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()))
}

fn terminal(bar: ProgressBar) -> Target {
    Target::Terminal { bar, shown: AtomicBool::new(false) }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Target::Terminal { bar, shown } = &self.target
            && shown.load(Ordering::Relaxed)
        {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_no_message_before_a_second_has_passed() {
        let progress = Progress::with("work".into(), 10, alone());
        for position in 1..=10 {
            progress.set(position, || -> String { panic!("drawn too early") });
        }
        assert_eq!(progress.position(), 10);
    }

    #[test]
    fn draws_when_due_and_then_waits() {
        let progress = Progress::with("work".into(), 10, alone());
        progress.next_draw.store(0, Ordering::Relaxed);
        let mut drawn = 0;
        for position in 1..=3 {
            progress.set(position, || {
                drawn += 1;
                "message"
            });
        }
        assert_eq!(drawn, 1, "the second drawing is not due");
    }

    #[test]
    fn a_log_gets_a_line_when_it_is_due_and_then_waits() {
        let progress = Progress::with("training".into(), 300, Target::Log);
        progress.set(100, || -> String { panic!("written too early") });
        progress.next_draw.store(0, Ordering::Relaxed);
        let mut written = 0;
        for position in 101..=103 {
            progress.set(position, || {
                written += 1;
                "loss 0.5"
            });
        }
        assert_eq!(written, 1);
        let line = progress.line(100, "loss 0.5");
        assert!(
            line.starts_with("training: 100 of 300 in 0 s, about ") && line.ends_with("; loss 0.5"),
            "{line}"
        );
    }

    #[test]
    fn hidden_bars_count_and_never_ask() {
        let progress = Progress::hidden();
        progress.set(7, || -> String { panic!("a hidden bar was drawn") });
        assert_eq!(progress.position(), 7);
        progress.finish();
    }

    #[test]
    fn chains_have_a_bar_each_that_threads_can_share() {
        let bars = Progress::chains("chain", 3, 100);
        std::thread::scope(|scope| {
            for bar in &bars {
                scope.spawn(move || (0..=100).for_each(|step| bar.set(step, String::new)));
            }
        });
        assert!(bars.len() == 3 && bars.iter().all(|bar| bar.position() == 100));
    }

    #[test]
    fn a_million_steps_take_a_fraction_of_a_second() {
        let progress = Progress::with("work".into(), 1_000_000, alone());
        let start = Instant::now();
        (0..1_000_000).for_each(|step| progress.set(step, String::new));
        assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    }
}
