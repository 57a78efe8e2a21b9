//! Attention position by position, with cached keys and values.

use std::sync::Arc;

use ed_core::ops::AttentionCache;
use ed_core::tensor::{Float, Var};
use ed_core::{Error, Result};

use super::extent::Extent;
use super::layer::Attention;
use crate::estimator::{Deterministic, Estimator};
use crate::layer::Input;
use crate::linear::Pass;
use crate::scope;

type Matrix = (usize, usize);

/// What an [`Attention`] knows of the earlier positions of growing sequences: their keys and values, and the kernels that
/// it drew at the first.
#[derive(Clone, Debug)]
pub struct AttentionState<W: Estimator = Deterministic, E: Float = f32> {
    batch: usize,
    cache: Option<AttentionCache<E>>,
    drawn: Option<Arc<[Pass<W::Drawn<Matrix, E>, E>; 2]>>,
}

impl<W: Estimator, E: Float> AttentionState<W, E> {
    /// Number of sequences.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Number of positions so far.
    pub fn len(&self) -> usize {
        self.cache.as_ref().map_or(0, AttentionCache::len)
    }

    /// Whether there was no position yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<X: Extent, W: Estimator> Attention<X, W> {
    /// The start of sequences, so many at a time, that grow position by position. The first step draws the kernels for
    /// all of them.
    pub fn start<E: Float>(&self, batch: usize) -> AttentionState<W, E> {
        AttentionState { batch, cache: None, drawn: None }
    }

    /// The next position: `[N, features]` and a state give `[N, features]`, which is the position's row of the output
    /// for whole sequences, and the next state. For sampling: no gradient flows through it.
    ///
    /// An estimator with signs or noise for each example draws them anew at each position.
    ///
    /// # Errors
    /// [`Error::Shape`] if the input does not fit the state or the heads; [`Error::Parameter`] unless the layer is
    /// causal; those of drawing the kernels.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let attention = LocalAttention1d::new(2, 4).mask(LocalMask::Right);
    /// let x: Var<_, f32> = Var::ones((1usize, 2usize, 6usize));
    /// let mut params = Params::new();
    /// let whole = seed(0, || attention.init(&mut params, &x))?;
    /// let rows = ed::params::with_params(&params, || {
    ///     let (first, state) = attention.step(Var::<_, f32>::ones((1usize, 6usize)), attention.start(1))?;
    ///     let (second, _) = attention.step(Var::ones((1usize, 6usize)), state)?;
    ///     Ok([first.to_vec()?, second.to_vec()?].concat())
    /// })?;
    /// rows.iter().zip(whole.to_vec()?).for_each(|(x, y)| assert!((x - y).abs() < 1e-6));
    /// # Ok(()) }
    /// ```
    pub fn step<E: Float>(
        &self,
        x: impl Input<Owned = Var<Matrix, E>>,
        state: AttentionState<W, E>,
    ) -> Result<(Var<Matrix, E>, AttentionState<W, E>)> {
        scope::enter(self, || self.stepped(&x.into_owned().detach(), state))
    }

    fn stepped<E: Float>(
        &self,
        x: &Var<Matrix, E>,
        AttentionState { batch, cache, drawn }: AttentionState<W, E>,
    ) -> Result<(Var<Matrix, E>, AttentionState<W, E>)> {
        if x.shape().0 != batch {
            let expected = format!("[{batch}, features], as its state is for {batch} sequences");
            return Err(Error::Shape { op: X::KIND, expected, got: x.dims() });
        }
        let [qkv, output] = self.projections(x.shape())?;
        let mut cache = match cache {
            Some(cache) => cache,
            None => AttentionCache::new(self.heads, self.extent.pattern())?,
        };
        let drawn = match drawn {
            Some(drawn) => drawn,
            None => {
                let draw = |dense: &crate::Dense<W>| scope::enter(dense, || dense.draw(x.shape()));
                Arc::new([draw(&qkv)?, draw(&output)?])
            }
        };
        let packed = scope::enter(&qkv, || qkv.pass(&drawn[0], x))?.detach();
        let attended: Var<Matrix, E> = Var::from_value(cache.step(packed.value())?)?;
        let y = scope::enter(&output, || output.pass(&drawn[1], &attended))?.detach();
        Ok((y, AttentionState { batch, cache: Some(cache), drawn: Some(drawn) }))
    }
}
