//! Where values live, and the one registry of maps onto such places.

use std::sync::Arc;

use super::{
    Bijector, Chain, CholeskyFactor, CorrelationCholesky, Exp, GreaterThan, Identity, Interval, LessThan,
    Ordered, Sigmoid, StickBreaking,
};
use crate::error::{Error, Result};
use crate::ops::elementwise::repeats;
use crate::ops::layout;
use crate::tensor::tape::Node;
use crate::tensor::{Dims, Float, Value};

/// A set of tensors: the support of a distribution or the domain of a parameter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Constraint<E: Float> {
    /// All finite numbers.
    Real,
    /// Finite numbers above 0.
    Positive,
    /// Finite numbers from 0 on.
    NonNegative,
    /// Numbers strictly between 0 and 1.
    UnitInterval,
    /// Numbers strictly between two bounds, each a scalar, the end of the tensor's shape, or its whole shape.
    Interval(Value<E>, Value<E>),
    /// Finite numbers above a bound, which lies against the tensor as those of an interval do.
    GreaterThan(Value<E>),
    /// Finite numbers below a bound, which lies against the tensor as those of an interval do.
    LessThan(Value<E>),
    /// 0 or 1.
    Boolean,
    /// 0, 1, 2, ….
    NonNegativeInteger,
    /// 0, 1, … up to a largest.
    IntegerUpTo(usize),
    /// Numbers from 0 on along the last axis that sum to one, up to rounding.
    Simplex,
    /// Increasing numbers along the last axis.
    Ordered,
    /// Lower triangular matrices with a positive diagonal, over the last two axes.
    CholeskyFactor,
    /// Lower triangular matrices with a positive diagonal and rows of length one (up to rounding), over the last two
    /// axes: the Cholesky factors of correlation matrices.
    CorrelationCholesky,
    /// Exactly one value.
    Exactly(Value<E>),
    /// What a bijector makes of the tensors of another set.
    Image(Arc<dyn Bijector<E>>, Box<Constraint<E>>),
}

impl<E: Float> Constraint<E> {
    /// Numbers strictly between two bounds.
    pub fn between(low: f64, high: f64) -> Self {
        Constraint::Interval(Value::scalar(E::from_f64(low)), Value::scalar(E::from_f64(high)))
    }

    /// Numbers above a bound.
    pub fn above(bound: f64) -> Self {
        Constraint::GreaterThan(Value::scalar(E::from_f64(bound)))
    }

    /// Numbers below a bound.
    pub fn below(bound: f64) -> Self {
        Constraint::LessThan(Value::scalar(E::from_f64(bound)))
    }

    /// Checks every number of a value. NaN and infinite numbers are in no set but [`Constraint::Exactly`] infinity.
    ///
    /// # Errors
    /// [`Error::Value`] with the first number that fails and its place, in the name of `of`; [`Error::Shape`] or
    /// [`Error::Broadcast`] if the value's shape fits no element of the set.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// let unit = Constraint::between(0.0, 1.0);
    /// let error = unit.check("Beta", Var::from([0.5f32, 1.5]).value()).unwrap_err();
    /// assert_eq!(error.to_string(), "Beta: the value must be strictly between the bounds, got 1.5 at [1], bounds 0 and 1");
    /// ```
    pub fn check(&self, of: &'static str, value: &Value<E>) -> Result<()> {
        let x = value.peek()?;
        let got = |place: usize, x: E| format!("{x}{}", at(value, place));
        let each = |must_be, holds: &dyn Fn(E) -> bool| match x.iter().position(|&x| !holds(x)) {
            None => Ok(()),
            Some(place) => Err(Error::Value { of, must_be, got: got(place, x[place]) }),
        };
        match self {
            Constraint::Real => each("finite", &|x| x.is_finite()),
            Constraint::Positive => each("finite and positive", &|x| x > E::ZERO && x.is_finite()),
            Constraint::NonNegative => each("finite and not negative", &|x| x >= E::ZERO && x.is_finite()),
            Constraint::UnitInterval => each("strictly between 0 and 1", &|x| x > E::ZERO && x < E::ONE),
            Constraint::Interval(low, high) => {
                let (low, high) = (against(of, low, value)?, against(of, high, value)?);
                let bounds = low.iter().cycle().zip(high.iter().cycle());
                first(x.iter().zip(bounds).enumerate(), |(place, (x, (low, high)))| {
                    (!(*x > *low && *x < *high)).then(|| Error::Value {
                        of,
                        must_be: "strictly between the bounds",
                        got: format!("{}, bounds {low} and {high}", got(place, *x)),
                    })
                })
            }
            Constraint::GreaterThan(bound) => {
                let bound = against(of, bound, value)?;
                first(x.iter().zip(bound.iter().cycle()).enumerate(), |(place, (x, bound))| {
                    (!(*x > *bound && x.is_finite())).then(|| Error::Value {
                        of,
                        must_be: "finite and above the bound",
                        got: format!("{}, bound {bound}", got(place, *x)),
                    })
                })
            }
            Constraint::LessThan(bound) => {
                let bound = against(of, bound, value)?;
                first(x.iter().zip(bound.iter().cycle()).enumerate(), |(place, (x, bound))| {
                    (!(*x < *bound && x.is_finite())).then(|| Error::Value {
                        of,
                        must_be: "finite and below the bound",
                        got: format!("{}, bound {bound}", got(place, *x)),
                    })
                })
            }
            Constraint::Boolean => each("0 or 1", &|x| x == E::ZERO || x == E::ONE),
            Constraint::NonNegativeInteger => each("one of 0, 1, 2, …", &is_count),
            Constraint::IntegerUpTo(most) => {
                let most = E::from_f64(*most as f64);
                first(x.iter().enumerate(), |(place, x)| {
                    (!(is_count(*x) && *x <= most)).then(|| Error::Value {
                        of,
                        must_be: "an integer from 0 up to the largest",
                        got: format!("{}, largest {most}", got(place, *x)),
                    })
                })
            }
            Constraint::Simplex => {
                each("made of numbers from 0 on that sum to one", &|x| x >= E::ZERO && x.is_finite())?;
                let row = last_axis(of, value)?;
                first(x.chunks(row), |row| {
                    let sum: f64 = row.iter().map(|x| x.to_f64()).sum();
                    off_by::<E>(sum, row.len()).then(|| Error::Value {
                        of,
                        must_be: "made of numbers that sum to one along the last axis",
                        got: format!("a sum of {sum}"),
                    })
                })
            }
            Constraint::Ordered => {
                each("finite", &|x| x.is_finite())?;
                let row = last_axis(of, value)?;
                first(x.chunks(row).flat_map(|row| row.windows(2)), |pair| {
                    (pair[0] >= pair[1]).then(|| Error::Value {
                        of,
                        must_be: "increasing along the last axis",
                        got: format!("{} before {}", pair[0], pair[1]),
                    })
                })
            }
            Constraint::CholeskyFactor => check_factor(of, value),
            Constraint::CorrelationCholesky => {
                check_factor(of, value)?;
                first(x.chunks(last_axis(of, value)?), |row| {
                    let square: f64 = row.iter().map(|x| x.to_f64().powi(2)).sum();
                    off_by::<E>(square, row.len()).then(|| Error::Value {
                        of,
                        must_be: "a matrix whose rows have length one",
                        got: format!("a row of length {}", square.sqrt()),
                    })
                })
            }
            Constraint::Exactly(only) => {
                let only = against(of, only, value)?;
                first(x.iter().zip(only.iter().cycle()).enumerate(), |(place, (x, only))| {
                    (x != only).then(|| Error::Value {
                        of,
                        must_be: "exactly the one possible",
                        got: format!("{} for {only}", got(place, *x)),
                    })
                })
            }
            Constraint::Image(map, domain) => domain.check(of, &map.inverse(&value.off_tape())?),
        }
    }

    /// Whether the set depends on a random variable, so that a value may be in it in one run and not in another.
    pub(crate) fn is_random(&self, value: &Value<E>) -> bool {
        match self {
            Constraint::Interval(low, high) => low.node().varies() || high.node().varies(),
            Constraint::GreaterThan(bound) | Constraint::LessThan(bound) | Constraint::Exactly(bound) => {
                bound.node().varies()
            }
            Constraint::Image(map, domain) => {
                let fixed = value.clone().with_node(Node::NONE);
                map.inverse(&fixed)
                    .map_or(true, |inverse| inverse.node().varies() || domain.is_random(&inverse))
            }
            _ => false,
        }
    }

    /// Some value of the set, of the given sizes: what stands in for one that is missing.
    ///
    /// # Errors
    /// Those of the map onto the set.
    pub(crate) fn any_member(&self, dims: Dims) -> Result<Value<E>> {
        match (biject_to(self), self) {
            (Some(map), _) => map.forward(&Value::full(E::ZERO, map.inverse_dims(dims))),
            (None, Constraint::Exactly(only)) => layout::broadcast_to(only, dims),
            (None, _) => Ok(Value::full(E::ZERO, dims)),
        }
    }
}

/// Where a number stands in a value, for a message: ` at [2, 0]`, or nothing for a scalar.
pub(crate) fn at<E: Float>(value: &Value<E>, place: usize) -> String {
    let mut left = place;
    let mut indices: Vec<usize> = value
        .dims()
        .iter()
        .rev()
        .map(|&size| {
            let index = left % size.max(1);
            left /= size.max(1);
            index
        })
        .collect();
    indices.reverse();
    if indices.is_empty() { String::new() } else { format!(" at {indices:?}") }
}

/// The first error among several cases.
fn first<C>(cases: impl IntoIterator<Item = C>, fault: impl Fn(C) -> Option<Error>) -> Result<()> {
    cases.into_iter().find_map(fault).map_or(Ok(()), Err)
}

fn is_count<E: Float>(x: E) -> bool {
    x >= E::ZERO && x.is_finite() && x.floor() == x
}

/// Whether a sum of `terms` rounded numbers is further from one than rounding explains.
fn off_by<E: Float>(sum: f64, terms: usize) -> bool {
    // Written so that NaN is off.
    let near = (sum - 1.0).abs() <= (terms as f64 * E::EPSILON.to_f64()).max(1e-6);
    !near
}

/// The size of the last axis, at least 1.
fn last_axis<E: Float>(of: &'static str, value: &Value<E>) -> Result<usize> {
    match value.dims().last() {
        Some(&size) => Ok(size.max(1)),
        None => Err(Error::Shape { op: of, expected: "with at least one axis".into(), got: *value.dims() }),
    }
}

/// The numbers of a bound that lies against a value.
fn against<'a, E: Float>(of: &'static str, bound: &'a Value<E>, value: &Value<E>) -> Result<&'a [E]> {
    if !repeats(bound.dims(), value.dims()) {
        return Err(Error::Broadcast { op: of, lhs: *value.dims(), rhs: *bound.dims() });
    }
    bound.peek()
}

fn check_factor<E: Float>(of: &'static str, value: &Value<E>) -> Result<()> {
    let order = super::triangle::square(of, value)?.max(1);
    let cells = value.peek()?.iter().enumerate().map(|(at, &x)| (at / order % order, at % order, x));
    first(cells, |(row, column, x)| {
        let (holds, must_be) = match column.cmp(&row) {
            std::cmp::Ordering::Less => (x.is_finite(), "finite below the diagonal"),
            std::cmp::Ordering::Equal => {
                (x > E::ZERO && x.is_finite(), "finite and positive on the diagonal")
            }
            std::cmp::Ordering::Greater => (x == E::ZERO, "0 above the diagonal"),
        };
        (!holds).then(|| Error::Value { of, must_be, got: format!("{x} at row {row}, column {column}") })
    })
}

/// The map from unconstrained numbers onto a constraint; `None` where the constraint is discrete or one point.
pub fn biject_to<E: Float>(constraint: &Constraint<E>) -> Option<Box<dyn Bijector<E>>> {
    Some(match constraint {
        Constraint::Real => Box::new(Identity),
        Constraint::Positive | Constraint::NonNegative => Box::new(Exp),
        Constraint::UnitInterval => Box::new(Sigmoid),
        Constraint::Interval(low, high) => Box::new(Interval::new(low.clone(), high.clone())),
        Constraint::GreaterThan(bound) => Box::new(GreaterThan::new(bound.clone())),
        Constraint::LessThan(bound) => Box::new(LessThan::new(bound.clone())),
        Constraint::Simplex => Box::new(StickBreaking),
        Constraint::Ordered => Box::new(Ordered),
        Constraint::CholeskyFactor => Box::new(CholeskyFactor),
        Constraint::CorrelationCholesky => Box::new(CorrelationCholesky),
        Constraint::Image(map, domain) => {
            Box::new(Chain::new(vec![biject_to(domain)?, Box::new(map.clone())]))
        }
        Constraint::Boolean
        | Constraint::NonNegativeInteger
        | Constraint::IntegerUpTo(_)
        | Constraint::Exactly(_) => return None,
    })
}
