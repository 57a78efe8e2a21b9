//! The way back from a run that is refused.

use super::store::Params;
use crate::tensor::AnyVar;
use crate::trace::SiteName;

/// How many tensors a store had before a run, and the values of the state that the run changed.
#[derive(Default)]
pub(crate) struct Undo {
    len: usize,
    state: Vec<(SiteName, AnyVar)>,
}

impl Undo {
    /// The way back to a store as it is now.
    pub(super) fn of(params: &Params) -> Undo {
        Undo { len: params.len(), state: Vec::new() }
    }

    /// Notes the value that a tensor had before it was changed.
    pub(super) fn note(&mut self, before: Option<(SiteName, AnyVar)>) {
        self.state.extend(before);
    }

    /// Makes the store what it was before the run.
    pub(crate) fn apply(self, params: &mut Params) {
        // Backwards: a tensor that was set twice ends with its first value.
        for (name, value) in self.state.into_iter().rev() {
            if let Some(place) = params.get_mut(&name) {
                *place = value;
            }
        }
        params.truncate(self.len);
    }
}
