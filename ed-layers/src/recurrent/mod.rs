//! Recurrent cells: step by step, or unrolled over a sequence.
//!
//! A cell draws its weights once for a sequence. What it drew travels in its state, so that a loop over
//! [`step`](LstmCell::step) sees one network, and the next [`zero_state`](LstmCell::zero_state) another.

mod cell;
mod gru;
mod lstm;

pub use cell::CellPass;
pub use gru::{Gru, GruCell, GruState};
pub use lstm::{Lstm, LstmCell, LstmState};
