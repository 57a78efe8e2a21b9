//! [`Attention`]: projections around the operation.

use dfdx::shapes::Shape;
use ed_core::ops::{attention, attention_with_lengths};
use ed_core::tensor::{Dims, Float, Var};
use ed_core::{Error, Result, SiteName};

use super::extent::{Extent, Global, Local, LocalMask};
use crate::estimator::{Deterministic, Estimator};
use crate::geometry::DenseMap;
use crate::layer::{Apply, Layer};
use crate::lengths::Lengths;
use crate::linear::{Bias, Dense};
use crate::scope::Identity;

/// Self-attention of several heads: `[N, T, features] → [N, T, features]`.
///
/// `softmax(Q Kᵀ / √D) V` in each head of `D = features / heads` features, where `[Q, K, V] = x W`, and the heads
/// together are mapped by another kernel. The parameters are `qkv/kernel`, `[features, 3 · features]`, and
/// `output/kernel`, `[features, features]`; there are no biases unless [`Attention::bias`] says so. An estimator makes
/// both kernels Bayesian: `LocalAttention1d::<Flipout>::new(4, 128)`.
///
/// With [`Lengths`], `(x, lengths)`, nobody attends to what is behind the end of its sequence, and the output there is
/// zero.
///
/// Memory is linear in the number of positions.
///
/// # Source
/// Vaswani et al. 2017, section 3.2; in blocks, Parmar et al. 2018, "Image transformer", section 3.2.1.
#[derive(Clone, Debug)]
pub struct Attention<X, W = Deterministic> {
    identity: Identity,
    pub(super) heads: usize,
    pub(super) extent: X,
    qkv: Dense<W>,
    output: Dense<W>,
}

/// [`Attention`] of all positions to all, or to the earlier ones.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x: Var<_, f32> = Var::ones((5usize, 7usize, 8usize));
/// let attention = MultiHeadAttention::<Reparameterization>::new(2).causal();
/// assert_eq!(seed(0, || attention.forward(&x))?.shape(), &(5, 7, 8));
/// let three = seed(0, || MultiHeadAttention::new(3).forward(&x));
/// assert!(three.unwrap_err().to_string().contains("3 heads"));
/// # Ok(()) }
/// ```
pub type MultiHeadAttention<W = Deterministic> = Attention<Global, W>;

/// [`Attention`] in blocks of positions: each attends to its block and the neighbouring ones, or with
/// [`LocalMask::Right`] to itself and the earlier positions of its block and the block before. Time is linear in the
/// number of positions, too. The last block may be shorter.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let attention = LocalAttention1d::new(2, 4).mask(LocalMask::Right);
/// let mut numbers = vec![0f32; 10 * 6];
/// numbers.iter_mut().enumerate().for_each(|(i, x)| *x = (i as f32).sin());
/// let x = Var::from_vec(numbers.clone(), (1usize, 10usize, 6usize))?;
/// // What happens at the last position, no other sees.
/// numbers[9 * 6] += 1.0;
/// let moved = Var::from_vec(numbers, (1usize, 10usize, 6usize))?;
/// let (y, z) = (seed(0, || attention.forward(x))?.to_vec()?, seed(0, || attention.forward(moved))?.to_vec()?);
/// assert!(y[..54] == z[..54] && y[54..] != z[54..]);
/// # Ok(()) }
/// ```
pub type LocalAttention1d<W = Deterministic> = Attention<Local, W>;

impl<X: Extent, W: Estimator> Attention<X, W> {
    fn of(heads: usize, extent: X) -> Self {
        // The units follow from the input.
        let dense = |name| Dense::<W>::of("dense", DenseMap { units: 0 }).without_bias().named(name);
        let (qkv, output) = (dense("qkv"), dense("output"));
        Attention { identity: Identity::of("attention"), heads, extent, qkv, output }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        Attention { identity: self.identity.named(name), ..self }
    }

    /// With an estimator that has settings, for both kernels.
    pub fn estimator<V: Estimator>(self, estimator: V) -> Attention<X, V> {
        let Attention { identity, heads, extent, qkv, output } = self;
        let (qkv, output) = (qkv.estimator(estimator.clone()), output.estimator(estimator));
        Attention { identity, heads, extent, qkv, output }
    }

    /// With a bias after each kernel.
    pub fn bias(self, bias: Bias) -> Self {
        Attention { qkv: self.qkv.bias(bias.clone()), output: self.output.bias(bias), ..self }
    }

    /// The two projections for inputs of so many features.
    pub(super) fn projections<S: Shape>(&self, input: &S) -> Result<[Dense<W>; 2]> {
        let dims = Dims::of(input);
        let features = dims.last().copied().unwrap_or(0);
        if self.heads == 0 || features == 0 || features % self.heads != 0 {
            let expected = format!("[…, features] whose features divide by {} heads", self.heads);
            return Err(Error::Shape { op: X::KIND, expected, got: dims });
        }
        let sized = |dense: &Dense<W>, units| dense.clone().map_geometry(|_| DenseMap { units });
        Ok([sized(&self.qkv, 3 * features), sized(&self.output, features)])
    }
}

impl<W: Estimator> Attention<Global, W> {
    /// Each position blind to later ones.
    pub fn causal(self) -> Self {
        Attention { extent: Global { causal: true }, ..self }
    }
}

impl<W: Estimator> Attention<Local, W> {
    /// With a mask.
    pub fn mask(self, mask: LocalMask) -> Self {
        Attention { extent: Local { mask, ..self.extent }, ..self }
    }
}

impl MultiHeadAttention {
    /// A deterministic layer of so many heads.
    pub fn new(heads: usize) -> Self {
        WithHeads::new(heads)
    }
}

impl LocalAttention1d {
    /// A deterministic layer of so many heads, over blocks of so many positions.
    pub fn new(heads: usize, block: usize) -> Self {
        WithBlocks::new(heads, block)
    }
}

/// `new` for [`MultiHeadAttention`] with an estimator of one's choice.
pub trait WithHeads {
    /// The layer, with the estimator's default settings.
    fn new(heads: usize) -> Self;
}

impl<W: Estimator> WithHeads for MultiHeadAttention<W> {
    fn new(heads: usize) -> Self {
        Attention::of(heads, Global::default())
    }
}

/// `new` for [`LocalAttention1d`] with an estimator of one's choice.
pub trait WithBlocks {
    /// The layer, with the estimator's default settings.
    fn new(heads: usize, block: usize) -> Self;
}

impl<W: Estimator> WithBlocks for LocalAttention1d<W> {
    fn new(heads: usize, block: usize) -> Self {
        Attention::of(heads, Local { block, mask: LocalMask::default() })
    }
}

impl<X: Extent, W: Estimator> Layer for Attention<X, W> {
    fn kind(&self) -> &'static str {
        X::KIND
    }
    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
    fn settings(&self) -> String {
        let estimator = match W::NAME {
            "Deterministic" => String::new(),
            name => format!(", {name}"),
        };
        format!("{} heads{}{estimator}", self.heads, self.extent.settings())
    }
}

type Sequences<E> = Var<(usize, usize, usize), E>;

impl<X: Extent, W: Estimator, E: Float> Apply<Sequences<E>> for Attention<X, W> {
    type Output = Sequences<E>;
    fn apply(&self, x: Sequences<E>) -> Result<Self::Output> {
        let [qkv, output] = self.projections(x.shape())?;
        let packed = qkv.forward(x)?;
        let attended = attention(packed.value(), self.heads, self.extent.pattern())?;
        output.forward(Sequences::<E>::from_value(attended)?)
    }
}

impl<X: Extent, W: Estimator, E: Float> Apply<(Sequences<E>, Lengths)> for Attention<X, W> {
    type Output = Sequences<E>;
    fn apply(&self, (x, lengths): (Sequences<E>, Lengths)) -> Result<Self::Output> {
        let [qkv, output] = self.projections(x.shape())?;
        let packed = qkv.forward(lengths.mask(&x)?)?;
        let pattern = self.extent.pattern();
        let attended = attention_with_lengths(packed.value(), self.heads, pattern, lengths.shared())?;
        lengths.mask(&output.forward(Sequences::<E>::from_value(attended)?)?)
    }
}
