//! `plot`.
