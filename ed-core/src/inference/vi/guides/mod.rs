//! Guides, one file each: models whose random variables are the posteriors of another model's.

mod delta;
pub(crate) mod drawn;
mod full_rank;
mod joint;
mod latents;
mod low_rank;
mod mean_field;

pub use delta::Delta;
pub use full_rank::FullRank;
pub use low_rank::LowRank;
pub use mean_field::MeanField;
