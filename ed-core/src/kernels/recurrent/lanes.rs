//! Blocks of a row in registers.
//!
//! The gates of a unit lie in several parts of one row. The compiler cannot prove that the parts do not overlap, so a
//! loop over them would not vectorise; blocks that are loaded, computed and stored do.

use crate::kernels::float::Real;

/// `lanes!(lane => …)`: a block from an expression of the lane. Not a function of a closure: a closure that is not inlined
/// is compiled for the baseline, where a fused multiply-add is a library call.
macro_rules! lanes {
    ($lane:ident => $value:expr) => {{
        let mut block = [T::ZERO; $crate::kernels::recurrent::lanes::LANES];
        for $lane in 0..$crate::kernels::recurrent::lanes::LANES {
            block[$lane] = $value;
        }
        block
    }};
}

/// Runs `$body` for the blocks of a row of `$len` numbers, with the first and the number of each.
macro_rules! blocks {
    ($len:expr, $start:ident, $count:ident => $body:expr) => {{
        let (len, lanes) = ($len, $crate::kernels::recurrent::lanes::LANES);
        let whole = len / lanes * lanes;
        for $start in (0..whole).step_by(lanes) {
            let $count = lanes;
            $body;
        }
        if whole < len {
            let ($start, $count) = (whole, len - whole);
            $body;
        }
    }};
}

pub(super) use {blocks, lanes};

/// Units in a block.
pub(super) const LANES: usize = 16;

/// A block of a row.
pub(super) type Block<T> = [T; LANES];

/// `count` numbers from `start` on, the rest zero.
#[inline(always)]
pub(super) fn load<T: Real>(row: &[T], start: usize, count: usize) -> Block<T> {
    let mut block = [T::ZERO; LANES];
    block[..count].copy_from_slice(&row[start..start + count]);
    block
}

/// Writes the first `count` numbers of a block.
#[inline(always)]
pub(super) fn store<T: Real>(block: &Block<T>, row: &mut [T], start: usize, count: usize) {
    row[start..start + count].copy_from_slice(&block[..count]);
}

/// Adds the first `count` numbers of a block.
#[inline(always)]
pub(super) fn add<T: Real>(block: &Block<T>, row: &mut [T], start: usize, count: usize) {
    let mut sums = load(row, start, count);
    for lane in 0..LANES {
        sums[lane] += block[lane];
    }
    store(&sums, row, start, count);
}

/// The block of one gate in a row of several gates of `units` numbers each.
#[inline(always)]
pub(super) fn load_gate<T: Real>(
    row: &[T],
    gate: usize,
    units: usize,
    start: usize,
    count: usize,
) -> Block<T> {
    load(row, gate * units + start, count)
}

/// The sum of two blocks.
#[inline(always)]
pub(super) fn sum<T: Real>(a: Block<T>, b: Block<T>) -> Block<T> {
    lanes!(lane => a[lane] + b[lane])
}
