//! Why a picture could not be made.

use plotters::drawing::DrawingAreaErrorKind;
use std::fmt;
use std::path::PathBuf;

/// Input that cannot be drawn, or a file that cannot be written.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum PlotError {
    /// Nothing to draw.
    Empty {
        /// What is missing.
        what: String,
    },
    /// Lengths that must fit do not.
    Length {
        /// What has the wrong length.
        what: String,
        /// The length that would fit.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// The picture would be too large to be looked at.
    Large {
        /// Its width in points.
        width: usize,
        /// Its height in points.
        height: usize,
    },
    /// A scalar or statistic that the draws do not have.
    NotDrawn {
        /// Its name.
        name: String,
        /// What would have been there.
        known: String,
    },
    /// The drawing library gave up.
    Draw {
        /// Its reason.
        reason: String,
    },
    /// The file could not be written.
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
}

impl fmt::Display for PlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { what } => write!(f, "expected at least one of {what} to draw, got none"),
            Self::Length { what, expected, got } => {
                write!(f, "{what} must have {expected} entries, got {got}")
            }
            Self::Large { width, height } => write!(
                f,
                "a picture of {width} × {height} points is too large: leave out some of its panels, rows or items"
            ),
            Self::NotDrawn { name, known } => {
                write!(f, "there are no draws of a scalar `{name}`; the draws have: {known}")
            }
            Self::Draw { reason } => write!(f, "the picture could not be drawn: {reason}"),
            Self::Io { path, reason } => write!(f, "could not write {}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for PlotError {}

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self::Draw { reason: error.to_string() }
    }
}

/// Refuses a length other than the expected.
pub(super) fn same_length(what: impl Into<String>, expected: usize, got: usize) -> Result<(), PlotError> {
    if got == expected { Ok(()) } else { Err(PlotError::Length { what: what.into(), expected, got }) }
}

/// Refuses an empty slice.
pub(super) fn not_empty<T>(what: &str, items: &[T]) -> Result<(), PlotError> {
    if items.is_empty() { Err(PlotError::Empty { what: what.to_owned() }) } else { Ok(()) }
}
