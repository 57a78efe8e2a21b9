//! Copying what pixels read into a panel: the rows of a matrix that a kernel multiplies.

use super::lattice::{Lattice, Segment, Tap};
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

    /// Numbers that one pixel reads: the columns of the panel, by tap and channel.
    pub fn width(&self) -> usize {
        self.vertical.len() * self.taps * self.channels
    }

    /// Writes a row of the panel for each pixel of the segment, with zeros for what lies outside of the source.
    pub fn pack<T: Real>(&self, source: &[T], group: usize, segment: Segment, panel: &mut [T]) {
        let (height, width) = (self.lattice.rows.source, self.lattice.columns.source);
        let line = width * self.source_channels;
        let image = &source[segment.image * height * line..][..height * line];
        let (first, step) = (segment.first, self.lattice.columns.step);
        for (i, out) in panel.chunks_exact_mut(self.width()).enumerate() {
            let x = ((first + i) * step) as isize;
            for (out, &tap) in out.chunks_exact_mut(self.taps * self.channels).zip(self.vertical) {
                match self.lattice.rows.read(segment.row, tap) {
                    Some(y) => {
                        self.pack_runs(&image[y * line..][..line], group * self.channels, x, out);
                    }
                    None => out.fill(T::ZERO),
                }
            }
        }
    }

    /// Copies the runs that start around column `x` of one line of the source.
    #[inline(always)]
    fn pack_runs<T: Real>(&self, line: &[T], channel: usize, x: isize, mut out: &mut [T]) {
        let width = self.lattice.columns.source as isize;
        for run in &self.runs {
            let taps = run.taps as isize;
            let begin = x + run.offset;
            let (piece, rest) = out.split_at_mut(run.taps * self.channels);
            out = rest;
            if begin >= 0 && begin + taps <= width {
                let start = begin as usize * self.source_channels + channel;
                piece.copy_from_slice(&line[start..start + piece.len()]);
                continue;
            }
            let (from, to) = ((-begin).clamp(0, taps), (width - begin).clamp(0, taps));
            if from >= to {
                piece.fill(T::ZERO);
                continue;
            }
            let (from_number, to_number) = (from as usize * self.channels, to as usize * self.channels);
            let start = (begin + from) as usize * self.source_channels + channel;
            piece[..from_number].fill(T::ZERO);
            piece[from_number..to_number].copy_from_slice(&line[start..start + to_number - from_number]);
            piece[to_number..].fill(T::ZERO);
        }
    }
}
