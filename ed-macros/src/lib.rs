//! The macros of `ed`.
