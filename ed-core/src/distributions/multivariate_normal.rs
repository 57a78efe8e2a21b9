//! The multivariate normal distribution.

use dfdx::shapes::Dim;

use super::param::{Param, extends, filled, finite, normal_noise, require, rule};
use super::univariate::*;
use crate::kernels::linalg::Transpose;
use crate::ops::{layout, linalg, reduce};
use crate::tensor::{Dims, WithoutLast};

const NAME: &str = "MultivariateNormal";

/// `ln 2π`.
fn ln_2pi() -> f64 {
    std::f64::consts::TAU.ln()
}

/// Multivariate normal distribution with location `μ` and covariance `Σ = L Lᵀ`, given by its Cholesky factor `L`
/// (`scale_tril`: lower triangular with a positive diagonal), which all rows of a batch share.
///
/// # Density
/// `log p(x) = -½‖L⁻¹(x - μ)‖² - Σ_i ln L_ii - ½K ln 2π`; support: all of `ℝ^K`.
///
/// # Shapes
/// `loc`: `[B…, K]`, `scale_tril`: `[K, K]`; batch: `[B…]`; event: `[K]`. `log_prob`: `[B…, K] → [B…]`.
///
/// # Gradients
/// Only the lower triangle of `scale_tril` gets a gradient: what lies above is zero and stays so.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let scale_tril = Var::from_vec(vec![2.0, 0.0, 0.3, 0.5], (2usize, 2usize))?;
/// let normal = MultivariateNormal::from_scale_tril(Var::from([0.5f64, -1.0]), scale_tril)?;
/// let log_prob = normal.log_prob(&Var::from([1.0, 0.0]))?;
/// approx::assert_relative_eq!(log_prob.item()?, -3.580377, epsilon = 1e-6);
/// # Ok(()) }
/// ```
///
/// # Source
/// Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", appendices A.2 (density, draws) and A.5
/// (entropy, divergence).
#[derive(Clone, Debug)]
pub struct MultivariateNormal<S: Shape = (usize,), E: Float = f32> {
    /// `[B…, K]` or its end.
    loc: Value<E>,
    scale_tril: Value<E>,
    shape: S,
}

impl<S: Shape, E: Float> MultivariateNormal<S, E> {
    /// A multivariate normal distribution from its location and the Cholesky factor of its covariance.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the parameter: `loc` must be finite, `scale_tril` finite and lower
    /// triangular (zeros above the diagonal) with a positive diagonal; [`Error::Shape`] unless `loc` is `[B…, K]` with
    /// `K ≥ 1` and `scale_tril` is `[K, K]`.
    pub fn from_scale_tril<A, L, I, J>(loc: A, scale_tril: L) -> Result<Self>
    where
        A: Param<E, Shape = S>,
        L: Param<E, Shape = (I, J)>,
        I: Dim,
        J: Dim,
    {
        let (loc, scale_tril) = (loc.into_param(), scale_tril.into_param().into_value());
        let order = checked_order(loc.value(), &scale_tril, "scale_tril")?;
        check_factor(scale_tril.peek()?, order)?;
        let shape = *loc.shape();
        Ok(MultivariateNormal { loc: loc.into_value(), scale_tril, shape })
    }

    /// A multivariate normal distribution from its location and its covariance, whose Cholesky factor is computed here;
    /// gradients flow through the factor, spread evenly over both triangles of the covariance.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the parameter: `loc` and `covariance` must be finite, and `covariance`
    /// symmetric; [`Error::NotPositiveDefinite`] if it has no Cholesky factor; [`Error::Shape`] unless `loc` is
    /// `[B…, K]` with `K ≥ 1` and `covariance` is `[K, K]`.
    pub fn from_covariance<A, C, I, J>(loc: A, covariance: C) -> Result<Self>
    where
        A: Param<E, Shape = S>,
        C: Param<E, Shape = (I, J)>,
        I: Dim,
        J: Dim,
    {
        let (loc, covariance) = (loc.into_param(), covariance.into_param().into_value());
        let order = checked_order(loc.value(), &covariance, "covariance")?;
        check_symmetric(covariance.peek()?, order)?;
        let scale_tril = linalg::cholesky(&covariance).map_err(|error| match error {
            Error::NotPositiveDefinite { minor, .. } => {
                Error::NotPositiveDefinite { op: "MultivariateNormal: `covariance`", minor }
            }
            other => other,
        })?;
        let shape = *loc.shape();
        Ok(MultivariateNormal { loc: loc.into_value(), scale_tril, shape })
    }

    /// The location, in the shape of a draw: `[B…, K]`.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to it.
    pub fn loc(&self) -> Result<Var<S, E>> {
        filled(&self.loc, &self.shape)
    }

    /// The Cholesky factor of the covariance: `[K, K]`.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to it.
    pub fn scale_tril(&self) -> Result<Var<(usize, usize), E>> {
        Var::from_value(self.lower()?)
    }

    /// The covariance `L Lᵀ` of a row: `[K, K]`.
    ///
    /// # Errors
    /// As [`MultivariateNormal::scale_tril`].
    pub fn covariance(&self) -> Result<Var<(usize, usize), E>> {
        let lower = self.lower()?;
        Var::from_value(linalg::dot(&lower, &layout::transpose(&lower))?)
    }

    /// The same distribution with its location repeated over axes in front: independent draws in a shape.
    ///
    /// # Errors
    /// [`Error::Broadcast`] unless `shape` ends as the shape of the location does.
    pub fn expand<T: Shape>(self, shape: T) -> Result<MultivariateNormal<T, E>> {
        extends(NAME, &self.shape, &shape)?;
        Ok(MultivariateNormal { loc: self.loc, scale_tril: self.scale_tril, shape })
    }

    /// Numbers in a row.
    fn order(&self) -> usize {
        self.scale_tril.dims()[0]
    }

    /// The sizes of the batch axes.
    fn batch(&self) -> Dims {
        let dims = Dims::of(&self.shape);
        dims[..dims.rank() - 1].iter().copied().collect()
    }

    /// The sizes of a draw as a table of rows.
    fn table(&self) -> Dims {
        Dims::vector(self.batch().num_elements()).with_last(self.order())
    }

    /// The factor, with no gradient above its diagonal.
    fn lower(&self) -> Result<Value<E>> {
        let order = self.order();
        let kept = |index: usize| if index % order <= index / order { E::ONE } else { E::ZERO };
        let mask = Value::from_vec((0..order * order).map(kept).collect(), *self.scale_tril.dims())?;
        Ok(ew::mul(self.scale_tril.check()?, &mask))
    }

    /// `Σ_i ln L_ii`; NaN for a diagonal that is not positive, which a replayed factor may have.
    fn half_log_det(&self) -> Result<Value<E>> {
        Ok(reduce::sum(&ew::ln(&linalg::diagonal(&self.scale_tril)?)))
    }

    /// `L⁻¹ gapᵀ` for a gap in the shape of a draw: `[K, N]`, all rows as one right-hand side.
    fn whitened(&self, gap: &Value<E>) -> Result<Value<E>> {
        let columns = layout::transpose(&gap.check()?.with_dims(self.table()));
        linalg::solve_triangular(&self.scale_tril, &columns, Transpose::No)
    }
}

/// The number `K` of a location `[B…, K]` and a matrix `[K, K]`; the location is finite.
fn checked_order<E: Float>(loc: &Value<E>, matrix: &Value<E>, name: &'static str) -> Result<usize> {
    require(NAME, "loc", rule!(finite), loc, finite)?;
    let order = match loc.dims().last() {
        Some(&order) if order > 0 => order,
        _ => {
            let expected = "with at least one number along the last axis of `loc`".into();
            return Err(Error::Shape { op: NAME, expected, got: *loc.dims() });
        }
    };
    if **matrix.check()?.dims() != [order, order] {
        let expected =
            format!("[{order}, {order}] for `{name}`, as the last axis of `loc` has {order} numbers");
        return Err(Error::Shape { op: NAME, expected, got: *matrix.dims() });
    }
    Ok(order)
}

/// What a matrix must be, and the first cell where it is not.
fn refuse<E: Float>(name: &'static str, must_be: &'static str, cell: (usize, usize), x: E) -> Error {
    let (row, column) = cell;
    Error::Parameter { of: NAME, name, must_be, got: format!("{x} in row {row}, column {column}") }
}

fn check_factor<E: Float>(factor: &[E], order: usize) -> Result<()> {
    for (index, &x) in factor.iter().enumerate() {
        let (row, column) = (index / order, index % order);
        let holds = match row.cmp(&column) {
            std::cmp::Ordering::Less => x == E::ZERO,
            std::cmp::Ordering::Equal => x > E::ZERO && x.is_finite(),
            std::cmp::Ordering::Greater => x.is_finite(),
        };
        if !holds {
            let must_be = "finite and lower triangular with a positive diagonal";
            return Err(refuse("scale_tril", must_be, (row, column), x));
        }
    }
    Ok(())
}

/// Checks that a matrix is finite and symmetric, up to far more than rounding and far less than a slip.
fn check_symmetric<E: Float>(matrix: &[E], order: usize) -> Result<()> {
    const TOLERANCE: f64 = 1e-4;
    let at = |row: usize, column: usize| matrix[row * order + column].to_f64();
    for (index, &x) in matrix.iter().enumerate() {
        let (row, column) = (index / order, index % order);
        let size = (at(row, row) * at(column, column)).abs().sqrt();
        let gap = (at(row, column) - at(column, row)).abs();
        if !x.is_finite() || gap > TOLERANCE * size {
            return Err(refuse("covariance", "finite and symmetric", (row, column), x));
        }
    }
    Ok(())
}

impl<S: Shape, E: Float> Distribution for MultivariateNormal<S, E> {
    type Elem = E;
    type Batch = WithoutLast<S>;
    type Shape = S;
    const NAME: &'static str = NAME;
    const PATHWISE: bool = true;

    fn shape(&self) -> S {
        self.shape
    }

    fn batch_shape(&self) -> WithoutLast<S> {
        match self.batch().typed() {
            Some(shape) => shape,
            None => unreachable!("a shape without its last axis has the type that says so"),
        }
    }

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    fn resized(&self, shape: S) -> Option<Self> {
        Dims::of(&shape).ends_with(self.loc.dims()).then(|| MultivariateNormal { shape, ..self.clone() })
    }

    /// `μ + L ε`.
    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = normal_noise::<S, E>(self.shape, key);
        let rows = noise.value().with_dims(self.table());
        let spread = linalg::dot(&rows, &layout::transpose(&self.lower()?))?;
        Var::from_value(ew::add(&spread.with_dims(Dims::of(&self.shape)), &self.loc))
    }

    fn log_prob(&self, value: &Var<S, E>) -> Result<Var<WithoutLast<S>, E>> {
        self.check_shape(value)?;
        let squares = ew::square(&self.whitened(&ew::sub(value.value(), &self.loc))?);
        let constant = -0.5 * ln_2pi() * self.order() as f64;
        let by_row = ew::affine(&reduce::sum_axes(&squares, &[0]), -0.5, constant);
        Var::from_value(ew::sub(&by_row, &self.half_log_det()?).with_dims(self.batch()))
    }

    fn log_prob_sum(&self, value: &Var<S, E>) -> Result<Var<(), E>> {
        self.check_shape(value)?;
        let squares = ew::square(&self.whitened(&ew::sub(value.value(), &self.loc))?);
        let rows = self.batch().num_elements() as f64;
        let constant = -0.5 * ln_2pi() * rows * self.order() as f64;
        let fit = ew::affine(&reduce::sum(&squares), -0.5, constant);
        Var::from_value(ew::sub(&fit, &ew::scale(&self.half_log_det()?, rows)))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        self.loc()
    }

    /// The diagonal of the covariance, `Σ_j L_ij²`.
    fn variance(&self) -> Result<Var<S, E>> {
        filled(&reduce::sum_last(&ew::square(&self.lower()?)), &self.shape)
    }

    /// `½K (1 + ln 2π) + Σ_i ln L_ii`.
    fn entropy(&self) -> Result<Var<WithoutLast<S>, E>> {
        let constant = 0.5 * self.order() as f64 * (1.0 + ln_2pi());
        filled(&ew::affine(&self.half_log_det()?, 1.0, constant), &self.batch_shape())
    }

    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        closed_form::<Self, MultivariateNormal<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> KlTo<MultivariateNormal<S, E>> for MultivariateNormal<S, E> {
    /// `Σ ½(‖M⁻¹L‖² + ‖M⁻¹(m - μ)‖² - K) + Σ_i ln M_ii - Σ_i ln L_ii`, for a prior with location `m` and factor `M`.
    fn kl_divergence(&self, prior: &MultivariateNormal<S, E>) -> Result<Var<(), E>> {
        // Of one shape, so that neither location is repeated over the other's batch.
        let gap = ew::sub(self.loc()?.value(), prior.loc()?.value());
        let gaps = reduce::sum(&ew::square(&prior.whitened(&gap)?));
        let ratio = linalg::solve_triangular(&prior.scale_tril, &self.lower()?, Transpose::No)?;
        let spread = ew::affine(&reduce::sum(&ew::square(&ratio)), 0.5, -0.5 * self.order() as f64);
        let volume = ew::sub(&prior.half_log_det()?, &self.half_log_det()?);
        let by_row = ew::add(&spread, &volume);
        let rows = self.batch().num_elements() as f64;
        Var::from_value(ew::add(&ew::scale(&gaps, 0.5), &ew::scale(&by_row, rows)))
    }
}
