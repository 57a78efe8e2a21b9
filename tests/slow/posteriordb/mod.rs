//! The No-U-Turn sampler against the reference posteriors of posteriordb (<https://github.com/stan-dev/posteriordb>).
//!
//! The environment variable `ED_POSTERIORDB` names a folder with one JSON file a posterior: `data` with Stan's names,
//! and `reference` with the mean and standard deviation of each scalar over 10,000 independent draws; posteriordb
//! publishes both. Without it the tests say so and pass.

mod compare;
mod models;
mod reference;
