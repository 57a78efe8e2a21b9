//! Small data sets inside the crate, so that every example runs offline.
//!
//! | function | rows × features | target | source and licence |
//! |---|---|---|---|
//! | [`digits()`] | 1,797 × 64 | digit 0–9 | Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits" (test part), UCI Machine Learning Repository, <https://doi.org/10.24432/C50P49>, CC BY 4.0 |
//! | [`breast_cancer`] | 569 × 30 | 1 benign, 0 malignant | Wolberg, Mangasarian, Street & Street, "Breast Cancer Wisconsin (Diagnostic)", UCI Machine Learning Repository, <https://doi.org/10.24432/C5DW2B>, CC BY 4.0 |
//! | [`diabetes`] | 442 × 10 | disease progression after a year | Efron, Hastie, Johnstone & Tibshirani, "Least angle regression", Annals of Statistics 32(2), 2004 |
//! | [`terrain()`] | 8,600 × 2 | elevation in metres | Shuttle Radar Topography Mission, 3 arc seconds, U.S. Geological Survey and NASA, public domain |
//! | [`eight_schools()`] | 8 | coaching effect and its standard error | Rubin, "Estimation in parallel randomized experiments", 1981; Gelman et al., "Bayesian Data Analysis", table 5.2 |
//! | [`fashion_mnist()`] | 60,000 + 10,000 × 784 | one of ten garments | Xiao, Rasul & Vollgraf, "Fashion-MNIST", 2017, MIT licence; read from files, not inside |
//! | [`table_with_splits`] | any | a number | a folder with a table of numbers and its test rows, as the UCI regression sets are published |
//! | [`embedded_reber`] | any | the next symbol | Hochreiter & Schmidhuber, "Long short-term memory", 1997; made at random, with known entropy |
//!
//! The first three are the copies that scikit-learn distributes (BSD 3-clause), repacked by `make_data.py` in
//! this folder and otherwise unchanged; the terrain is the copy that Matplotlib distributes, in means of four by four
//! points.

mod batches;
mod dataset;
mod digits;
mod eight_schools;
mod fashion_mnist;
mod folder;
mod reber;
mod split;
mod standardiser;
mod tabular;
mod terrain;

pub use batches::Batches;
pub use dataset::Dataset;
pub use digits::{Digits, digits};
pub use eight_schools::{EightSchools, eight_schools};
pub use fashion_mnist::{FashionMnist, fashion_mnist, has_fashion_mnist};
pub use folder::table_with_splits;
pub use reber::{REBER_SYMBOLS, embedded_reber, embedded_reber_entropy};
pub use split::{DataError, grouped_split_indices, split_indices, stratified_split_indices};
pub use standardiser::Standardiser;
pub use tabular::{breast_cancer, diabetes};
pub use terrain::{Terrain, terrain};

#[cfg(test)]
mod tests;
