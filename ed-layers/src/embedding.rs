//! [`Embedding`]: vectors for codes.

use crate::estimator::{Deterministic, Estimator};
use crate::geometry::TableMap;
use crate::initializers::{Fan, Law, VarianceScaling};
use crate::linear::{Bias, Linear};

/// A trainable vector for each code: `[…] → […, features]`, codes being whole numbers from 0 on in the precision of the
/// table. The table is called `kernel`.
///
/// A Bayesian embedding that draws its table (`Embedding::<Reparameterization>`) gives a code that occurs twice in a
/// batch the same vector both times.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let embedding = Embedding::new(26, 4);
/// let letters = Var::from([7.0f32, 0.0, 7.0]);
/// let vectors = seed(0, || embedding.forward(&letters))?;
/// assert_eq!(vectors.shape(), &(3, 4));
/// assert_eq!(vectors.at(0)?.to_vec()?, vectors.at(2)?.to_vec()?);
/// let refused = seed(0, || embedding.forward(&Var::from([26.0f32])));
/// assert!(refused.unwrap_err().to_string().contains("26"));
/// # Ok(()) }
/// ```
pub type Embedding<W = Deterministic> = Linear<TableMap, W>;

/// Uniform on (-0.05, 0.05), whatever the sizes, as is usual for embeddings.
const START: VarianceScaling =
    VarianceScaling { scale: 0.05 * 0.05 / 3.0, fan: Fan::Unit, law: Law::Uniform };

impl Embedding {
    /// A deterministic embedding of `num_codes` codes in vectors of `features` numbers.
    pub fn new(num_codes: usize, features: usize) -> Self {
        WithTable::new(num_codes, features)
    }
}

/// `new` for embeddings with an estimator of one's choice.
pub trait WithTable {
    /// The layer, with the estimator's default settings.
    fn new(num_codes: usize, features: usize) -> Self;
}

impl<W: Estimator> WithTable for Embedding<W> {
    fn new(num_codes: usize, features: usize) -> Self {
        Linear::of("embedding", TableMap { num_codes, features }).bias(Bias::None).initializer(START)
    }
}
