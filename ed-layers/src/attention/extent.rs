//! How far a position looks.

use std::fmt::Debug;

use ed_core::ops::Pattern;

/// How far the positions of an attention look.
pub trait Extent: Clone + Debug + Send + Sync + 'static {
    /// The kind of layer that it makes: `LocalAttention1d`.
    const KIND: &'static str;

    /// The positions that each attends to.
    fn pattern(&self) -> Pattern;

    /// Its settings in a few words, for summaries.
    fn settings(&self) -> String;
}

/// All positions, or all earlier ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Global {
    /// Whether a position is blind to later ones.
    pub causal: bool,
}

/// What a position of a local attention does not see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LocalMask {
    /// Nothing: it attends to its block and to those before and after it.
    #[default]
    None,
    /// Whatever lies to its right: it attends to itself, to the earlier positions of its block, and to the block before.
    Right,
}

/// A block of positions and its neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Local {
    /// Number of positions in a block.
    pub block: usize,
    /// What is masked.
    pub mask: LocalMask,
}

impl Extent for Global {
    const KIND: &'static str = "MultiHeadAttention";

    fn pattern(&self) -> Pattern {
        if self.causal { Pattern::Causal } else { Pattern::Full }
    }

    fn settings(&self) -> String {
        if self.causal { ", causal".into() } else { String::new() }
    }
}

impl Extent for Local {
    const KIND: &'static str = "LocalAttention1d";

    fn pattern(&self) -> Pattern {
        match self.mask {
            LocalMask::None => Pattern::Local(self.block),
            LocalMask::Right => Pattern::LocalCausal(self.block),
        }
    }

    fn settings(&self) -> String {
        let mask = if self.mask == LocalMask::Right { ", right masked" } else { "" };
        format!(", blocks of {}{mask}", self.block)
    }
}
