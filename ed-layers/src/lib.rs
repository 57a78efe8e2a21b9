//! Layers that carry uncertainty.
