//! Recurrent cells: step by step, or unrolled over a sequence.
//!
//! A cell draws its weights once for a sequence. What it drew travels in its state, so that a loop over
//! [`step`](Cell::step) sees one network; the next [`zero_state`](Cell::zero_state), in another step of training or under
//! another seed, sees another. A cell of one's own is an implementation of [`Gates`].

mod cell;
mod gru;
mod lstm;
mod unrolled;

pub use cell::{Cell, CellState, Gates};
pub use gru::{Gru, GruCell, GruGates, GruState};
pub use lstm::{Lstm, LstmCell, LstmGates, LstmState};
pub use unrolled::Unrolled;
