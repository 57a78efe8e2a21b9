//! Blocks of a row in registers.
//!
//! The gates of a unit lie in several parts of one row. The compiler cannot prove that the parts do not overlap, so a
//! loop over them would not vectorise; blocks that are loaded, computed and stored do.

use crate::kernels::float::Real;

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

/// `f` of every lane.
#[inline(always)]
pub(super) fn map<T: Real>(f: impl Fn(usize) -> T) -> Block<T> {
    let mut block = [T::ZERO; LANES];
    for lane in 0..LANES {
        block[lane] = f(lane);
    }
    block
}

/// Calls `visit(start, count)` for the blocks of a row of `len` numbers.
#[inline(always)]
pub(super) fn blocks(len: usize, mut visit: impl FnMut(usize, usize)) {
    let whole = len / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        visit(start, LANES);
    }
    if whole < len {
        visit(whole, len - whole);
    }
}
