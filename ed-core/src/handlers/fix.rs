//! `fix`: a model with the values of its parameters.

use crate::error::Result;
use crate::model::Model;
use crate::params::{Params, with_params};

/// See [`fix`].
#[derive(Clone, Debug)]
pub struct Fixed<M> {
    model: M,
    params: Params,
}

/// The model with its parameters at given values, for samplers and densities, which move none: a network with trained
/// features and an uncertain last layer, for example. Where it runs, it reads its parameters from here.
///
/// # Errors
/// Running it gives [`Error::MissingParameters`](crate::Error::MissingParameters) for a parameter that is not there.
///
/// # Examples
/// A sampler draws the kernel and refuses to leave the bias, which it does not move, at its start:
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let net = Dense::<Reparameterization>::new(1);
/// let x: Var<_, f64> = Var::from([[-1.0], [0.0], [1.0]]).reshape((3usize, 1usize))?;
/// let model = || observe_as("y", Normal::new(net.forward(&x)?, 0.1)?, &(&x * 2.0 + 5.0));
/// let nuts = |warmup| Nuts::new(&model).warmup(warmup).quiet();
/// let refused = nuts(10).run(0).unwrap_err().to_string();
/// assert!(refused.contains("`dense/bias`"), "{refused}");
///
/// let mut params = Params::new();
/// params.insert("dense/bias", Var::from([5.0f64]))?;
/// let given = fix(model, params);
/// let draws = Nuts::new(&given).chains(1).draws(300).quiet().run(0)?;
/// assert!((draws.mean("dense/kernel")?.to_vec()?[0] - 2.0).abs() < 0.1);
/// # Ok(()) }
/// ```
pub fn fix<M: Model>(model: M, params: Params) -> Fixed<M> {
    Fixed { model, params }
}

impl<M: Model> Model for Fixed<M> {
    type Output = M::Output;
    fn run(&self) -> Result<M::Output> {
        with_params(&self.params, || self.model.run())
    }
}
