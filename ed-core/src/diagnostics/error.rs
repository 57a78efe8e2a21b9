//! What the diagnostics refuse.

use std::fmt;

/// Input a diagnostic cannot be computed for.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum DiagnosticsError {
    /// There is nothing to judge.
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// Lengths that must fit do not.
    Length {
        /// What has the wrong length.
        what: &'static str,
        /// The lengths that would fit.
        expected: String,
        /// The length found.
        got: usize,
    },
    /// A value outside its set.
    Value {
        /// What the value is.
        what: &'static str,
        /// Its position.
        at: usize,
        /// The set.
        must_be: &'static str,
        /// The value, printed.
        got: String,
    },
    /// Two scalars of one name.
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A file could not be written.
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// The system's reason.
        reason: String,
    },
}

impl fmt::Display for DiagnosticsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { what } => write!(f, "expected at least one of {what}, got none"),
            Self::Length { what, expected, got } => {
                write!(f, "{what} must have {expected} entries, got {got}")
            }
            Self::Value { what, at, must_be, got } => write!(f, "{what} {at} must be {must_be}, got {got}"),
            Self::DuplicateName { name } => {
                write!(f, "the name `{name}` appears twice; give every scalar a name of its own")
            }
            Self::Io { path, reason } => write!(f, "could not write {}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for DiagnosticsError {}

/// Refuses two slices of different or no length.
pub(super) fn same_length(what: &'static str, got: usize, expected: usize) -> Result<(), DiagnosticsError> {
    match expected {
        0 => Err(DiagnosticsError::Empty { what: "targets" }),
        _ if got != expected => Err(DiagnosticsError::Length { what, expected: expected.to_string(), got }),
        _ => Ok(()),
    }
}

/// Refuses the first value that is not accepted.
pub(super) fn all_values(
    what: &'static str,
    must_be: &'static str,
    values: &[f64],
    accept: impl Fn(f64) -> bool,
) -> Result<(), DiagnosticsError> {
    match values.iter().position(|&x| !accept(x)) {
        Some(at) => Err(DiagnosticsError::Value { what, at, must_be, got: values[at].to_string() }),
        None => Ok(()),
    }
}
