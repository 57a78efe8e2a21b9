//! Which names are taken on the paths of control through a body.

use std::collections::BTreeSet;
use std::mem;

/// The names taken on the paths that lead to one place.
#[derive(Clone)]
pub struct Flow {
    taken: BTreeSet<String>,
    /// Whether every path has left by `return`, `break` or `continue`.
    ended: bool,
}

/// What a path leaves early: a loop by `break` or `continue`, a closure by `return`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    Loop,
    Closure,
}

/// A loop or closure around the place, with the names taken on the paths that left it early.
struct Frame {
    leaves: Leaves,
    taken: BTreeSet<String>,
    /// Whether the paths had ended before it.
    ended: bool,
}

/// The paths of control, followed in the order of the body.
pub struct Paths {
    flow: Flow,
    frames: Vec<Frame>,
}

impl Paths {
    pub fn new() -> Self {
        Paths { flow: Flow { taken: BTreeSet::new(), ended: false }, frames: Vec::new() }
    }

    pub fn has_taken(&self, name: &str) -> bool {
        self.flow.taken.contains(name)
    }

    pub fn take(&mut self, name: String) {
        self.flow.taken.insert(name);
    }

    pub fn now(&self) -> &Flow {
        &self.flow
    }

    /// Goes back to the place of `flow`, where an alternative begins.
    pub fn replace(&mut self, flow: Flow) -> Flow {
        mem::replace(&mut self.flow, flow)
    }

    /// Goes on behind two alternatives, this one and `other`. One that ended does not come here.
    pub fn join(&mut self, other: Flow) {
        match (self.flow.ended, other.ended) {
            (true, false) => self.flow = other,
            (false, true) => {}
            _ => self.flow.taken.extend(other.taken),
        }
    }

    pub fn enter(&mut self, leaves: Leaves) {
        self.frames.push(Frame { leaves, taken: BTreeSet::new(), ended: self.flow.ended });
    }

    /// Goes on behind the innermost loop or closure.
    pub fn leave(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.flow.taken.extend(frame.taken);
            self.flow.ended = frame.ended;
        }
    }

    /// The path leaves the innermost loop or closure, or the model.
    pub fn end(&mut self, leaves: Leaves) {
        if let Some(frame) = self.frames.iter_mut().rev().find(|frame| frame.leaves == leaves) {
            frame.taken.extend(self.flow.taken.iter().cloned());
        }
        self.flow.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(paths: &Paths) -> Vec<&str> {
        paths.flow.taken.iter().map(String::as_str).collect()
    }

    #[test]
    fn a_name_of_either_branch_is_taken_behind_both() {
        let mut paths = Paths::new();
        let before = paths.now().clone();
        paths.take("a".into());
        let then = paths.replace(before);
        assert!(!paths.has_taken("a"));
        paths.take("b".into());
        paths.join(then);
        assert_eq!(taken(&paths), ["a", "b"]);
    }

    #[test]
    fn a_branch_that_returns_takes_no_name() {
        let mut paths = Paths::new();
        let before = paths.now().clone();
        paths.take("a".into());
        paths.end(Leaves::Closure);
        let then = paths.replace(before);
        paths.join(then);
        assert!(!paths.has_taken("a"));
    }

    #[test]
    fn a_branch_that_breaks_takes_its_names_behind_the_loop() {
        let mut paths = Paths::new();
        paths.enter(Leaves::Loop);
        let before = paths.now().clone();
        paths.take("a".into());
        paths.end(Leaves::Loop);
        let then = paths.replace(before);
        paths.join(then);
        assert!(!paths.has_taken("a"));
        paths.leave();
        assert!(paths.has_taken("a"));
        assert!(!paths.now().ended);
    }
}
