//! The names of Edward2's layers.

use crate::estimator::{
    BatchEnsemble, Flipout, LocalReparameterization, McDropout, Rank1, Reparameterization, VariationalDropout,
};
use crate::linear::Dense;

/// A dense layer whose kernel is drawn once for the batch.
pub type DenseReparameterization = Dense<Reparameterization>;

/// A cell of long short-term memory whose weights are drawn once for each sequence.
pub type LstmCellReparameterization = crate::LstmCell<Reparameterization>;
/// A cell of gated recurrent units whose weights are drawn once for each sequence.
pub type GruCellReparameterization = crate::GruCell<Reparameterization>;
/// A convolution of sequences whose kernel is drawn once for the batch.
pub type Conv1dReparameterization = crate::Conv1d<Reparameterization>;
/// A convolution of images whose kernel is drawn once for the batch.
pub type Conv2dReparameterization = crate::Conv2d<Reparameterization>;
/// An embedding whose table is drawn once for the batch.
pub type EmbeddingReparameterization = crate::Embedding<Reparameterization>;

/// A dense layer whose kernel is drawn once and flipped for each example.
pub type DenseFlipout = Dense<Flipout>;

/// A dense layer whose outputs are drawn instead of its kernel.
pub type DenseLocalReparameterization = Dense<LocalReparameterization>;

/// A dense layer with a dropped input, in prediction too.
pub type DenseMcDropout = Dense<McDropout>;

/// A dense layer of several members that share a kernel.
pub type DenseBatchEnsemble = Dense<BatchEnsemble>;

/// A dense layer with uncertain factors of its inputs and outputs.
pub type DenseRank1 = Dense<Rank1>;

/// A dense layer with a learned rate of dropout for each weight.
pub type DenseVariationalDropout = Dense<VariationalDropout>;
