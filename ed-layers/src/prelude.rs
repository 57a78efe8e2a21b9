//! The names that a first network needs.

#[doc(no_inline)]
pub use crate::{
    Apply, AvgPool1d, AvgPool2d, BatchNorm, Bias, Conv1d, Conv2d, Dense, Dropout, Embedding, Flatten,
    GlobalAvgPool, GlobalMaxPool, Gru, GruCell, Layer, LayerNorm, Linear, LocalAttention1d, LocalMask, Lstm,
    LstmCell, MaxPool1d, MaxPool2d, MultiHeadAttention, PositionalEmbedding, Residual, Sequential,
    ShiftRight, WithBlocks, WithFilters, WithHeads, WithTable, WithUnits,
    activation::*,
    estimator::{
        BatchEnsemble, Deterministic, Estimator, Flipout, LocalReparameterization, McDropout, Rank1,
        Reparameterization, VariationalDropout,
    },
    gp::{BayesianLinearModel, GaussianProcess, SparseGaussianProcess},
    losses::*,
    names::*,
    output::{self, Discretize},
    reversible::{
        ActNorm, Coupling, Intensities, Invert, InvertibleLinear, Kept, Made,
        Order::{self, LeftToRight, RightToLeft},
        Permute, RealNvp, Reshape, Reverse, Reversible, Transform,
    },
    sequential,
};
