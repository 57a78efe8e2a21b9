//! Copying what pixels read into a panel: the rows of a matrix that a kernel multiplies.

use super::lattice::{Lattice, Segment, Tap};
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;

/// Taps that read consecutive pixels, and so may be copied at once.
#[derive(Clone, Copy, Debug)]
struct Run {
    offset: isize,
    taps: usize,
}

/// What the pixels of one phase read from one group of channels.
#[derive(Debug)]
pub(super) struct Gather<'a> {
    lattice: &'a Lattice,
    vertical: &'a [Tap],
    runs: Vec<Run>,
    taps: usize,
    source_channels: usize,
    channels: usize,
}

impl<'a> Gather<'a> {
    pub fn new(lattice: &'a Lattice, phase: [usize; 2], source_channels: usize, groups: usize) -> Gather<'a> {
        let vertical = &lattice.rows.phases[phase[0]];
        let horizontal = &lattice.columns.phases[phase[1]];
        let mut runs: Vec<Run> = Vec::new();
        for tap in horizontal {
            match runs.last_mut() {
                // The channels of one group are not next to those of the same group in the next pixel.
                Some(run) if groups == 1 && run.offset + run.taps as isize == tap.offset => run.taps += 1,
                _ => runs.push(Run { offset: tap.offset, taps: 1 }),
            }
        }
        let channels = source_channels / groups;
        Gather { lattice, vertical, runs, taps: horizontal.len(), source_channels, channels }
    }

    /// Numbers in a line of the source.
    fn line(&self) -> usize {
        self.lattice.columns.source * self.source_channels
    }

    /// Numbers that one pixel reads: the columns of the panel, by tap and channel.
    pub fn width(&self) -> usize {
        self.vertical.len() * self.taps * self.channels
    }

    /// Writes a row of the panel for each pixel of the segment, with zeros for what lies outside of the source.
    pub fn pack<T: Real>(&self, source: &[T], group: usize, segment: Segment, panel: &mut [T]) {
        dispatch(Pack { gather: self, source, group, segment, panel });
    }
}

struct Pack<'a, T> {
    gather: &'a Gather<'a>,
    source: &'a [T],
    group: usize,
    segment: Segment,
    panel: &'a mut [T],
}

impl<T: Real> Kernel for Pack<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let Pack { gather, source, group, segment, panel } = self;
        let (height, line) = (gather.lattice.rows.source, gather.line());
        let image = &source[segment.image * height * line..][..height * line];
        let per_row = gather.taps * gather.channels;
        for (index, &tap) in gather.vertical.iter().enumerate() {
            let y = gather.lattice.rows.read(segment.row, tap);
            let columns = Columns {
                line: y.map(|y| &image[y * line..][..line]),
                first: (segment.first * gather.lattice.columns.step) as isize,
                step: gather.lattice.columns.step,
                pitch: gather.width(),
            };
            let mut start = index * per_row;
            for &run in &gather.runs {
                columns.pack(gather, group, run, panel, start);
                start += run.taps * gather.channels;
            }
        }
    }
}

/// One line of the source under the pixels of a segment: `None` if it lies outside.
struct Columns<'a, T> {
    line: Option<&'a [T]>,
    /// Source column of the first pixel before the offset of a tap, and the distance between pixels.
    first: isize,
    step: usize,
    /// Numbers in a row of the panel.
    pitch: usize,
}

impl<T: Real> Columns<'_, T> {
    /// Copies a run for every pixel, into the numbers from `start` on of each row of the panel.
    #[inline(always)]
    fn pack(&self, gather: &Gather, group: usize, run: Run, panel: &mut [T], start: usize) {
        let (channels, len) = (gather.channels, run.taps * gather.channels);
        let rows = panel.chunks_exact_mut(self.pitch).map(|row| &mut row[start..start + len]);
        let Some(line) = self.line else {
            return rows.for_each(|row| row.fill(T::ZERO));
        };
        let (width, taps) = (gather.lattice.columns.source as isize, run.taps as isize);
        let mut begin = self.first + run.offset;
        for row in rows {
            if begin >= 0 && begin + taps <= width {
                let from = begin as usize * gather.source_channels + group * channels;
                copy(&line[from..from + len], row);
            } else {
                row.fill(T::ZERO);
                let (skipped, end) = ((-begin).clamp(0, taps), (width - begin).clamp(0, taps));
                if skipped < end {
                    let numbers = (end - skipped) as usize * channels;
                    let from = (begin + skipped) as usize * gather.source_channels + group * channels;
                    let to = skipped as usize * channels;
                    row[to..to + numbers].copy_from_slice(&line[from..from + numbers]);
                }
            }
            begin += self.step as isize;
        }
    }
}

/// Numbers in one move.
const MOVE: usize = 8;

/// `to = from`, without a call into the C library for the short runs of which panels consist.
#[inline(always)]
fn copy<T: Real>(from: &[T], to: &mut [T]) {
    if let (Some(last), Some(_)) = (from.last_chunk::<MOVE>(), to.first_chunk::<MOVE>()) {
        for (to, from) in to.as_chunks_mut::<MOVE>().0.iter_mut().zip(from.as_chunks::<MOVE>().0) {
            *to = *from;
        }
        // The last move overlaps the one before it.
        if let Some(to) = to.last_chunk_mut::<MOVE>() {
            *to = *last;
        }
        return;
    }
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
}
