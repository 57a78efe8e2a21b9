//! The table: how each univariate distribution is made from parameters of either precision and of two shapes.

use ed::distributions::erased::AnyDistribution;
use ed::prelude::*;

pub type Made = Result<Box<dyn AnyDistribution>>;
pub type Vector<E> = Var<(usize,), E>;

/// One distribution of the table.
pub struct Subject {
    pub name: &'static str,
    /// Names of the parameters, in the order of the golden values.
    pub params: &'static [&'static str],
    /// From parameters that are vectors of one length.
    pub vectors: fn(&[Vector<f64>]) -> Made,
    /// The same in single precision.
    pub vectors32: fn(&[Vector<f32>]) -> Made,
    /// From parameters that are numbers, repeated to a vector.
    pub repeated: fn(&[Var<(), f64>], usize) -> Made,
    /// From parameters that are numbers, repeated to a matrix of three rows.
    pub matrix: fn(&[Var<(), f64>], usize) -> Made,
    /// Where draws lie.
    pub support: Support,
}

/// The set of the values that are not impossible.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Support {
    Real,
    Positive,
    /// Between two bounds that depend on the parameters.
    Bounded,
    Counts,
}

macro_rules! subjects {
    ($($name:ident::$new:ident($($param:ident),+) $support:ident;)+) => {
        /// All univariate distributions.
        pub const SUBJECTS: &[Subject] = &[$(Subject {
            name: stringify!($name),
            params: &[$(stringify!($param)),+],
            vectors: |params| {
                let mut params = params.iter();
                $(let $param = params.next().unwrap();)+
                Ok(Box::new($name::$new($($param),+)?))
            },
            vectors32: |params| {
                let mut params = params.iter();
                $(let $param = params.next().unwrap();)+
                Ok(Box::new($name::$new($($param),+)?))
            },
            repeated: |params, n| {
                let mut params = params.iter();
                $(let $param = params.next().unwrap();)+
                Ok(Box::new($name::$new($($param),+)?.expand((n,))?))
            },
            matrix: |params, n| {
                let mut params = params.iter();
                $(let $param = params.next().unwrap();)+
                Ok(Box::new($name::$new($($param),+)?.expand((3usize, n))?))
            },
            support: Support::$support,
        }),+];
    };
}

subjects! {
    Normal::new(loc, scale) Real;
    LogNormal::new(loc, scale) Positive;
    HalfNormal::new(scale) Positive;
    Cauchy::new(loc, scale) Real;
    HalfCauchy::new(scale) Positive;
    StudentT::new(df, loc, scale) Real;
    Uniform::new(low, high) Bounded;
    Exponential::new(rate) Positive;
    Gamma::new(concentration, rate) Positive;
    Beta::new(concentration1, concentration0) Bounded;
    Laplace::new(loc, scale) Real;
    Logistic::new(loc, scale) Real;
    Gumbel::new(loc, scale) Real;
    InverseGamma::new(concentration, scale) Positive;
    Chi2::new(df) Positive;
    Weibull::new(concentration, scale) Positive;
    Geometric::from_logits(logits) Counts;
    Binomial::from_logits(total_count, logits) Counts;
    NegativeBinomial::from_logits(total_count, logits) Counts;
    Bernoulli::from_logits(logits) Counts;
    Poisson::from_log_rate(log_rate) Counts;
}
