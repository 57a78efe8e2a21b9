//! Where in a sequence: embeddings of positions, and the shift by one.

use ed_core::ops::shift_right;
use ed_core::tensor::{Float, Var};
use ed_core::{Error, Result, SiteName};

use crate::estimator::{Deterministic, Estimator, Slot};
use crate::geometry::Layout;
use crate::initializers::{Fan, Law, VarianceScaling};
use crate::layer::{Apply, Input, Layer};
use crate::scope::{self, Identity};

/// Standard deviation of learned embeddings at the start.
const START: VarianceScaling = VarianceScaling { scale: 0.02 * 0.02, fan: Fan::Unit, law: Law::Normal };

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Learned,
    Sinusoidal,
}

/// Adds to each position of sequences a vector that says where it is: `[N, T, features] → [N, T, features]`, for up to
/// `max_length` positions.
///
/// The vectors are trained (`table`, `[max_length, features]`) or, with [`PositionalEmbedding::sinusoidal`], fixed.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let positions = PositionalEmbedding::sinusoidal(10);
/// let y = positions.forward(Var::<_, f64>::zeros((1usize, 3usize, 4usize)))?;
/// approx::assert_abs_diff_eq!(y.to_vec()?[8], 2f64.sin(), epsilon = 1e-12);
/// let refused = positions.forward(Var::<_, f64>::zeros((1usize, 11usize, 4usize)));
/// assert!(refused.unwrap_err().to_string().contains("at most 10 positions"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct PositionalEmbedding {
    identity: Identity,
    max_length: usize,
    kind: Kind,
}

impl PositionalEmbedding {
    /// Trained vectors, which start as normal numbers of standard deviation 0.02.
    pub fn new(max_length: usize) -> Self {
        PositionalEmbedding { identity: Identity::of("positions"), max_length, kind: Kind::Learned }
    }

    /// Fixed vectors: `sin(t / 10000^(2i / features))` at feature `2i` of position `t`, and the cosine at `2i + 1`
    /// (Vaswani et al. 2017, section 3.5).
    pub fn sinusoidal(max_length: usize) -> Self {
        PositionalEmbedding { kind: Kind::Sinusoidal, ..PositionalEmbedding::new(max_length) }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        PositionalEmbedding { identity: self.identity.named(name), ..self }
    }

    /// Adds its vector to one position of sequences: `[N, features] → [N, features]`.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    pub fn step<E: Float>(
        &self,
        x: impl Input<Owned = Var<(usize, usize), E>>,
        position: usize,
    ) -> Result<Var<(usize, usize), E>> {
        let x = x.into_owned();
        scope::enter(self, || (&x + self.vectors(position, 1, x.shape().1)?.at(0)?).check())
    }

    /// The vectors of some positions, `[count, features]`.
    fn vectors<E: Float>(
        &self,
        first: usize,
        count: usize,
        features: usize,
    ) -> Result<Var<(usize, usize), E>> {
        let end = first.saturating_add(count);
        if end > self.max_length {
            let must_be = "at least the number of positions";
            let got = format!("{}, which makes at most {0} positions, for {end}", self.max_length);
            return Err(Error::Parameter { of: "PositionalEmbedding", name: "max_length", must_be, got });
        }
        if self.kind == Kind::Sinusoidal {
            let wave = |i: usize| {
                let (position, feature) = ((first + i / features) as f64, i % features);
                let angle = position / 10_000f64.powf((feature / 2 * 2) as f64 / features as f64);
                E::from_f64(if feature.is_multiple_of(2) { angle.sin() } else { angle.cos() })
            };
            return Var::from_vec((0..count * features).map(wave).collect(), (count, features));
        }
        let shape = (self.max_length, features);
        let input = Layout { rows: count, positions: 1, channels: features };
        let slot = Slot { name: "table", shape, initializer: START, input, outputs: features };
        let table = Deterministic.draw(&slot)?;
        if count == self.max_length {
            return Ok(table);
        }
        table.gather(&(first..end).collect::<Vec<_>>())
    }
}

impl Layer for PositionalEmbedding {
    fn kind(&self) -> &'static str {
        "PositionalEmbedding"
    }
    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
    fn settings(&self) -> String {
        let kind = if self.kind == Kind::Sinusoidal { ", sinusoidal" } else { "" };
        format!("{}{kind}", self.max_length)
    }
}

impl<E: Float> Apply<Var<(usize, usize, usize), E>> for PositionalEmbedding {
    type Output = Var<(usize, usize, usize), E>;
    fn apply(&self, x: Var<(usize, usize, usize), E>) -> Result<Self::Output> {
        let (_, length, features) = *x.shape();
        (&x + self.vectors(0, length, features)?).check()
    }
}

/// Puts what is at a position to the next one, and zeros to the first: `[N, T, features] → [N, T, features]`. A causal
/// network behind it predicts each position from the earlier ones.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from_vec(vec![1.0f32, 2.0, 3.0], (1usize, 3usize, 1usize))?;
/// assert_eq!(ShiftRight.forward(x)?.to_vec()?, [0.0, 1.0, 2.0]);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShiftRight;

impl Layer for ShiftRight {
    fn kind(&self) -> &'static str {
        "ShiftRight"
    }
}

impl<E: Float> Apply<Var<(usize, usize, usize), E>> for ShiftRight {
    type Output = Var<(usize, usize, usize), E>;
    fn apply(&self, x: Var<(usize, usize, usize), E>) -> Result<Self::Output> {
        Var::from_value(shift_right(x.value())?)
    }
}
