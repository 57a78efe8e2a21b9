//! A piece of the Appalachian Mountains.

use std::ops::Range;

use super::dataset::chunk;
use super::split::DataError;

static ELEVATION: &[u8] = include_bytes!("terrain.bin");

/// Elevations on a regular grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Terrain {
    /// Metres above sea level, `num_rows × num_columns`, the southernmost row first, each from west to east.
    pub elevation: Vec<f64>,
    /// Rows.
    pub num_rows: usize,
    /// Columns.
    pub num_columns: usize,
    /// Outer edges in degrees east.
    pub longitude: Range<f64>,
    /// Outer edges in degrees north.
    pub latitude: Range<f64>,
}

/// Hills along the Jacksboro fault in Tennessee, in squares of twelve arc seconds (about 300 by 370 metres).
///
/// ```
/// let terrain = ed_core::data::terrain();
/// assert_eq!((terrain.num_rows, terrain.num_columns), (86, 100));
/// assert_eq!((terrain.at(0, 0)?, terrain.at(85, 99)?), (577.0, 455.0));
/// let [longitude, latitude] = terrain.place(85, 99)?;
/// assert!((longitude + 84.0821).abs() < 1e-3 && (latitude - 36.7312).abs() < 1e-3);
/// # Ok::<(), ed_core::data::DataError>(())
/// ```
pub fn terrain() -> Terrain {
    const NUM_COLUMNS: usize = 100;
    let elevation: Vec<f64> =
        ELEVATION.chunks_exact(2).map(|bytes| f64::from(u16::from_le_bytes([bytes[0], bytes[1]]))).collect();
    Terrain {
        num_rows: elevation.len() / NUM_COLUMNS,
        num_columns: NUM_COLUMNS,
        elevation,
        longitude: -84.41375..-84.41375 + 400.0 / 1200.0,
        latitude: 36.44625..36.44625 + 344.0 / 1200.0,
    }
}

impl Terrain {
    /// The elevation of one square.
    ///
    /// # Errors
    /// [`DataError::Index`] if there is no such row or column.
    pub fn at(&self, row: usize, column: usize) -> Result<f64, DataError> {
        self.check(row, column)?;
        let missing = DataError::Index { what: "row", index: row, len: self.num_rows };
        chunk(&self.elevation, self.num_columns, row).map(|row| row[column]).ok_or(missing)
    }

    /// Longitude and latitude of the middle of a square, in degrees.
    ///
    /// # Errors
    /// [`DataError::Index`] if there is no such row or column.
    pub fn place(&self, row: usize, column: usize) -> Result<[f64; 2], DataError> {
        self.check(row, column)?;
        let middle = |ends: &Range<f64>, i: usize, n: usize| {
            ends.start + (ends.end - ends.start) * (i as f64 + 0.5) / n as f64
        };
        Ok([middle(&self.longitude, column, self.num_columns), middle(&self.latitude, row, self.num_rows)])
    }

    fn check(&self, row: usize, column: usize) -> Result<(), DataError> {
        for (what, index, len) in [("row", row, self.num_rows), ("column", column, self.num_columns)] {
            if index >= len {
                return Err(DataError::Index { what, index, len });
            }
        }
        Ok(())
    }
}
