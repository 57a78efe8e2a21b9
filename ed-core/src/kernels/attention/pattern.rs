//! Which positions attend to which.

use std::ops::Range;

/// Queries in a tile: enough that the products of a tile run at their full rate, few enough that a tile of a causal
/// pattern computes little that is then masked.
const TILE: usize = 64;

/// Which positions a position attends to. They always lie together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pattern {
    /// All.
    Full,
    /// Itself and all earlier ones.
    Causal,
    /// Those of its block of so many positions, and of the blocks before and after it.
    Local(usize),
    /// Itself and the earlier ones of its block of so many positions, and those of the block before it.
    LocalCausal(usize),
}

impl Pattern {
    /// Whether a position never attends to a later one.
    pub fn is_causal(self) -> bool {
        matches!(self, Pattern::Causal | Pattern::LocalCausal(_))
    }

    /// Number of positions in a block, if there are blocks.
    pub fn block(self) -> Option<usize> {
        match self {
            Pattern::Full | Pattern::Causal => None,
            Pattern::Local(block) | Pattern::LocalCausal(block) => Some(block.max(1)),
        }
    }

    /// The positions that one of a sequence of `length` attends to.
    ///
    /// ```
    /// use ed_core::kernels::attention::Pattern;
    /// assert_eq!(Pattern::LocalCausal(4).keys(9, 20), 4..10);
    /// assert_eq!(Pattern::Local(4).keys(9, 20), 4..16);
    /// ```
    pub fn keys(self, position: usize, length: usize) -> Range<usize> {
        let (start, end) = match self.block() {
            None => (0, length),
            Some(block) => {
                let own = position / block;
                (own.saturating_sub(1) * block, (own + 2).saturating_mul(block).min(length))
            }
        };
        start..if self.is_causal() { position + 1 } else { end }
    }

    /// The queries of a sequence in tiles that no block's end goes through.
    pub(super) fn tiles(self, length: usize) -> impl Iterator<Item = Range<usize>> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let block_end = self.block().map_or(length, |block| (start / block + 1).saturating_mul(block));
            let tile = start..(start + TILE).min(block_end).min(length);
            start = tile.end;
            (!tile.is_empty()).then_some(tile)
        })
    }

    /// All positions that a tile of queries attends to.
    pub(super) fn keys_of(self, tile: &Range<usize>, length: usize) -> Range<usize> {
        self.keys(tile.start, length).start..self.keys(tile.end - 1, length).end
    }
}
