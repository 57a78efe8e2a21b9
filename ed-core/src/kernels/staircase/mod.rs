//! Products with a matrix whose columns each see a beginning of the rows: a staircase of ones for a mask.
//!
//! Little more is stored than what the mask lets through: the columns are cut into panels, and each panel holds the
//! rows that its last column sees. A product visits the panels alone, in each a rectangle that all of its columns see
//! and flat pieces along the stairs below it, so that it does about half of the work of a full one when the stairs are
//! the diagonal. What the mask forbids is not multiplied, or counts as zero.

mod products;

use std::ops::Range;

use super::float::Real;

/// Columns of a panel: three of the widest registers' tiles of single-precision numbers.
const PANEL: usize = 96;
/// Rows of a piece along the stairs.
const PIECE: usize = 96;
/// A piece along the stairs starts at a multiple of so many columns of its panel: one register.
const REGISTER: usize = 16;

/// Rows of a panel that are multiplied at once.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    rows: Range<usize>,
    /// The first column of the panel that sees any of the rows, or one shortly before it.
    from: usize,
    /// Whether every column sees every row.
    full: bool,
}

/// Some columns of a segment with the rows that the last of them sees.
#[derive(Clone, Debug)]
struct Panel {
    columns: Range<usize>,
    /// Rows that are stored: those that the last column sees.
    height: usize,
    /// Where the panel starts among the stored numbers of a segment.
    start: usize,
    /// The rows from top to bottom.
    pieces: Vec<Piece>,
}

impl Panel {
    fn new(reach: &[usize], columns: Range<usize>, start: usize) -> Panel {
        let own = &reach[columns.clone()];
        let (seen_by_all, height) = (own[0], own[own.len() - 1]);
        let mut pieces = Vec::new();
        if seen_by_all > 0 {
            pieces.push(Piece { rows: 0..seen_by_all, from: 0, full: true });
        }
        let mut row = seen_by_all;
        while row < height {
            let rows = row..(row + PIECE).min(height);
            let first = own.partition_point(|&reach| reach <= row);
            pieces.push(Piece { rows, from: first / REGISTER * REGISTER, full: false });
            row += PIECE;
        }
        Panel { columns, height, start, pieces }
    }

    fn width(&self) -> usize {
        self.columns.len()
    }

    fn num_stored(&self) -> usize {
        self.height * self.width()
    }
}

/// The mask of a matrix `rows × columns`: column `c` sees the rows before `reach[c]`.
///
/// The columns are some segments of one width, each with the same stairs, which never go down.
///
/// # Examples
/// ```
/// use ed_core::kernels::staircase::Staircase;
/// let stairs = Staircase::new(3, vec![1, 3], 2).unwrap();
/// assert_eq!(stairs.columns(), 4);
/// assert!(stairs.sees(2, 3) && !stairs.sees(1, 2));
/// assert_eq!(stairs.num_allowed(), 8);
/// ```
#[derive(Clone, Debug)]
pub struct Staircase {
    rows: usize,
    reach: Vec<usize>,
    segments: usize,
    panels: Vec<Panel>,
}

impl Staircase {
    /// The mask with these stairs in each segment; `None` if they go down anywhere or higher than the rows.
    pub fn new(rows: usize, reach: Vec<usize>, segments: usize) -> Option<Staircase> {
        if !reach.is_sorted() || reach.last().is_some_and(|&last| last > rows) {
            return None;
        }
        let mut panels: Vec<Panel> = Vec::new();
        for first in (0..reach.len()).step_by(PANEL) {
            let start = panels.last().map_or(0, |last| last.start + last.num_stored());
            panels.push(Panel::new(&reach, first..(first + PANEL).min(reach.len()), start));
        }
        Some(Staircase { rows, reach, segments, panels })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns of all segments.
    pub fn columns(&self) -> usize {
        self.segments * self.reach.len()
    }

    /// How many rows each column of a segment sees.
    pub fn reach(&self) -> &[usize] {
        &self.reach
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.segments
    }

    /// Whether a column sees a row.
    pub fn sees(&self, row: usize, column: usize) -> bool {
        row < self.reach[column % self.reach.len()]
    }

    /// Number of elements that the mask lets through.
    pub fn num_allowed(&self) -> usize {
        self.segments * self.reach.iter().sum::<usize>()
    }

    /// Number of elements that are stored: little above [`Staircase::num_allowed`].
    pub fn num_stored(&self) -> usize {
        self.segments * self.stored_of_segment()
    }

    /// Number of multiplications for each row of the other factor: little above [`Staircase::num_allowed`].
    pub fn num_multiplied(&self) -> usize {
        let of_panel = |panel: &Panel| -> usize {
            panel.pieces.iter().map(|piece| piece.rows.len() * (panel.width() - piece.from)).sum()
        };
        self.segments * self.panels.iter().map(of_panel).sum::<usize>()
    }

    /// The numbers of a matrix `rows × columns` as they are stored: panels of columns, in each the rows that its last
    /// column sees, and zeros where the mask forbids. `None` if the matrix is of another size.
    ///
    /// # Examples
    /// ```
    /// use ed_core::kernels::staircase::Staircase;
    /// let stairs = Staircase::new(3, vec![1, 2], 1).unwrap();
    /// let stored = stairs.pack(&[1.0, 2.0, 9.0, 3.0, 9.0, 9.0]).unwrap();
    /// assert_eq!(stored, [1.0, 2.0, 0.0, 3.0]);
    /// assert_eq!(stairs.unpack(&stored).unwrap(), [1.0, 2.0, 0.0, 3.0, 0.0, 0.0]);
    /// ```
    pub fn pack<T: Real>(&self, matrix: &[T]) -> Option<Vec<T>> {
        let mut stored = vec![T::ZERO; self.num_stored()];
        let fits = matrix.len() == self.rows * self.columns();
        fits.then(|| self.visit(|place, at| stored[place] = matrix[at]))?;
        Some(stored)
    }

    /// The matrix `rows × columns` of stored numbers, with zeros where the mask forbids. `None` if there are more or
    /// fewer than [`Staircase::num_stored`].
    pub fn unpack<T: Real>(&self, stored: &[T]) -> Option<Vec<T>> {
        let mut matrix = vec![T::ZERO; self.rows * self.columns()];
        let fits = stored.len() == self.num_stored();
        fits.then(|| self.visit(|place, at| matrix[at] = stored[place]))?;
        Some(matrix)
    }

    /// Calls `f` with where each allowed element is stored and where it lies in the matrix.
    fn visit(&self, mut f: impl FnMut(usize, usize)) {
        let columns = self.columns();
        for place in self.places() {
            for row in 0..place.panel.height {
                let first = self.first_to_see(place.panel, row);
                for column in first..place.panel.width() {
                    let stored = place.start + row * place.panel.width() + column;
                    f(stored, row * columns + place.column + column);
                }
            }
        }
    }

    fn stored_of_segment(&self) -> usize {
        self.panels.last().map_or(0, |last| last.start + last.num_stored())
    }

    /// The first column of a panel that sees a row.
    fn first_to_see(&self, panel: &Panel, row: usize) -> usize {
        self.reach[panel.columns.clone()].partition_point(|&reach| reach <= row)
    }

    /// The panels of all segments in order.
    fn places(&self) -> Vec<Place<'_>> {
        let (width, stored) = (self.reach.len(), self.stored_of_segment());
        let of = |segment: usize| {
            self.panels.iter().map(move |panel| Place {
                panel,
                column: segment * width + panel.columns.start,
                start: segment * stored + panel.start,
            })
        };
        (0..self.segments).flat_map(of).collect()
    }
}

/// A panel of one of the segments.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    panel: &'a Panel,
    /// Its first column in the matrix.
    column: usize,
    /// Where it starts among the stored numbers.
    start: usize,
}

impl Place<'_> {
    /// The panel's own numbers.
    fn stored<'w, T>(&self, w: &'w [T]) -> &'w [T] {
        &w[self.start..self.start + self.panel.num_stored()]
    }
}

#[cfg(test)]
mod tests;
