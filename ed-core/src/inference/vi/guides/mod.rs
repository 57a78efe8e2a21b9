//! Guides, one file each: models whose random variables are the posteriors of another model's.

/// A reference to a guide is a guide.
macro_rules! by_reference {
    ($guide:ident) => {
        impl Model for &$guide {
            type Output = Values;
            fn run(&self) -> Result<Values> {
                (**self).run()
            }
        }
    };
}

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
