//! Continuous distributions on a grid.

use super::univariate::*;
use crate::random_variable::RandomVariable;
use crate::tensor::Dims;

/// Equally spaced levels: level `v` of `0, 1, …, levels - 1` stands for the number `low + step v`.
///
/// The bin of a level reaches half a step to both sides; those of the first and last level reach to infinity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    low: f64,
    step: f64,
    levels: usize,
}

impl Grid {
    /// Levels from `low` on, `step` apart.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless there is a level, `low` is finite, and `step` is finite and positive.
    pub fn new(low: f64, step: f64, levels: usize) -> Result<Grid> {
        let of = "Grid";
        if levels == 0 {
            return Err(Error::Parameter { of, name: "levels", must_be: "at least 1", got: "0".into() });
        }
        if !low.is_finite() {
            return Err(Error::Parameter { of, name: "low", must_be: "finite", got: low.to_string() });
        }
        if !(step > 0.0 && step.is_finite()) {
            let must_be = "finite and positive";
            return Err(Error::Parameter { of, name: "step", must_be, got: step.to_string() });
        }
        Ok(Grid { low, step, levels })
    }

    /// The first level at `low`, the last one at `high`.
    ///
    /// # Errors
    /// As [`Grid::new`], for fewer than two levels or unless `low < high`.
    pub fn between(low: f64, high: f64, levels: usize) -> Result<Grid> {
        Grid::new(low, (high - low) / levels.saturating_sub(1) as f64, levels)
    }

    /// The number of the first level.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The distance between two levels.
    pub fn step(&self) -> f64 {
        self.step
    }

    /// How many levels there are.
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// The largest level.
    pub(crate) fn last(&self) -> f64 {
        (self.levels - 1) as f64
    }

    /// The level in whose bin a number lies.
    pub(crate) fn level(&self, x: f64) -> f64 {
        ((x - self.low) / self.step).round().clamp(0.0, self.last())
    }

    /// The ends of the bins of levels; an empty bin for what is no level.
    fn bins<S: Shape, E: Float>(&self, levels: &Var<S, E>) -> Result<(Var<S, E>, Var<S, E>)> {
        let end = |half: f64, open: f64, infinite: f64| {
            let end = |level: &E| {
                let level = level.to_f64();
                let is_level = level >= 0.0 && level <= self.last() && level.fract() == 0.0;
                let end = if level == open { infinite } else { self.low + self.step * (level + half) };
                E::from_f64(if is_level { end } else { 0.0 })
            };
            // A level decides about its bin, so the tape must know that it was read.
            Var::from_vec(levels.consult()?.iter().map(end).collect(), *levels.shape())
        };
        Ok((end(-0.5, 0.0, f64::NEG_INFINITY)?, end(0.5, self.last(), f64::INFINITY)?))
    }
}

/// A continuous distribution that knows the probabilities of the bins of a grid.
pub trait Discretizable: Distribution {
    /// Log-probability of the bins of `levels`, in nats: `[batch…, event…] → [batch…]`; minus infinity for what is no
    /// level.
    ///
    /// # Errors
    /// [`Error::Shape`] if a run-time axis differs, or the error of an operation that failed before.
    fn log_prob_of_levels(
        &self,
        levels: &Var<Self::Shape, Self::Elem>,
        grid: &Grid,
    ) -> Result<Var<Self::Batch, Self::Elem>>;

    /// A draw, as levels.
    ///
    /// # Errors
    /// As [`Distribution::sample`].
    fn sample_levels(&self, key: Key, grid: &Grid) -> Result<Var<Self::Shape, Self::Elem>> {
        quantized(&self.sample(key)?, grid)
    }
}

impl<D: HasCdf> Discretizable for D {
    fn log_prob_of_levels(
        &self,
        levels: &Var<D::Shape, D::Elem>,
        grid: &Grid,
    ) -> Result<Var<D::Batch, D::Elem>> {
        let (low, high) = grid.bins(levels)?;
        self.log_interval(&low, &high)
    }
}

/// The levels in whose bins numbers lie.
fn quantized<S: Shape, E: Float>(x: &Var<S, E>, grid: &Grid) -> Result<Var<S, E>> {
    let levels = x.consult()?.iter().map(|x| E::from_f64(grid.level(x.to_f64()))).collect();
    Var::from_vec(levels, *x.shape())
}

/// A continuous distribution on the levels of a grid: a level has the probability of its bin, and the tails belong to
/// the first and the last level, so that the probabilities sum to one.
///
/// # Density
/// `P(v) = F(x + ½ step) - F(x - ½ step)` with `x = low + step v`, `F = 0` below the first and `1` above the last bin;
/// support: `0, 1, …, levels - 1`. Logarithms stay finite far out in the tails, in single precision too.
///
/// # Shapes
/// Those of the continuous distribution. `log_prob`: `[B…, E…] → [B…]`.
///
/// # Source
/// Salimans et al. 2017, PixelCNN++, section 2.1, with [`Grid::between`]`(-1.0, 1.0, 256)` for the intensities `0` to
/// `255` of an image.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let intensities = Discretized::new(Logistic::new(100.0, 5.0)?, 256)?;
/// let log_prob = intensities.log_prob(&Var::<(), f64>::scalar(0.0))?;
/// approx::assert_relative_eq!(log_prob.item()?, -19.900000002, epsilon = 1e-8);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Discretized<D: Discretizable> {
    continuous: D,
    grid: Grid,
}

impl<D: Discretizable> Discretized<D> {
    /// The whole numbers `0, 1, …, levels - 1`.
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub fn new(continuous: D, levels: usize) -> Result<Self> {
        Ok(Self::on(continuous, Grid::new(0.0, 1.0, levels)?))
    }

    /// The levels of any grid.
    pub fn on(continuous: D, grid: Grid) -> Self {
        Discretized { continuous, grid }
    }

    /// A random variable as the level in whose bin it lies. Nothing is drawn, and the result is no site.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to the value.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let x = RandomVariable::of(Normal::new(0.0, 1.0)?, Var::<(), f64>::scalar(0.3))?;
    /// let level = Discretized::of_variable(&x, Grid::between(-1.0, 1.0, 5)?)?;
    /// assert_eq!(level.item()?, 3.0);
    /// # Ok(()) }
    /// ```
    pub fn of_variable(variable: &RandomVariable<D>, grid: Grid) -> Result<RandomVariable<Self>> {
        let levels = quantized(variable.var(), &grid)?;
        RandomVariable::of(Self::on(variable.distribution().clone(), grid), levels)
    }

    /// The continuous distribution.
    pub fn continuous(&self) -> &D {
        &self.continuous
    }

    /// The grid.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// `Σ_v v^power P(v)`, for a distribution of single numbers.
    fn moment(&self, what: &'static str, power: i32) -> Result<Var<D::Shape, D::Elem>> {
        let shape = self.shape();
        if Dims::of(&shape) != Dims::of(&self.batch_shape()) {
            return Err(super::distribution::undefined::<Self>(what, "average draws instead"));
        }
        let mut sum = Value::full(D::Elem::ZERO, Dims::of(&shape));
        for level in 1..self.grid.levels {
            let mass = ew::exp(self.log_prob(&Var::full(level as f64, shape))?.value());
            sum = ew::add(&sum, &ew::scale(&mass, (level as f64).powi(power)));
        }
        Var::from_value(sum)
    }
}

impl<D: Discretizable> Distribution for Discretized<D> {
    type Elem = D::Elem;
    type Batch = D::Batch;
    type Shape = D::Shape;
    const NAME: &'static str = "Discretized";
    const DISCRETE: bool = true;

    fn shape(&self) -> D::Shape {
        self.continuous.shape()
    }

    fn batch_shape(&self) -> D::Batch {
        self.continuous.batch_shape()
    }

    fn support(&self) -> Constraint<D::Elem> {
        Constraint::IntegerUpTo(self.grid.levels - 1)
    }

    fn sample(&self, key: Key) -> Result<Var<D::Shape, D::Elem>> {
        self.continuous.sample_levels(key, &self.grid)
    }

    fn log_prob(&self, value: &Var<D::Shape, D::Elem>) -> Result<Var<D::Batch, D::Elem>> {
        self.check_shape(value)?;
        self.continuous.log_prob_of_levels(value, &self.grid)
    }

    /// The sum over all levels.
    fn mean(&self) -> Result<Var<D::Shape, D::Elem>> {
        self.moment("mean over several axes", 1)
    }

    /// From sums over all levels.
    fn variance(&self) -> Result<Var<D::Shape, D::Elem>> {
        let square = self.mean()?.square();
        Var::from_value(ew::sub(self.moment("variance over several axes", 2)?.value(), square.value()))
    }
}
