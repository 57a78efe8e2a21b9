//! Layers that bring activations to mean 0 and variance 1.

use dfdx::shapes::Shape;
use ed_core::params::{is_training, param_as, set_state, state_as};
use ed_core::tensor::{Float, Value, Var};
use ed_core::{Error, Result, SiteName, ops};

use crate::layer::{Apply, Layer};
use crate::scope::Identity;

/// Normalises each channel over the batch and all positions: `[…, channels] → […, channels]`,
/// `(x - mean) / √(variance + ε) · scale + offset`.
///
/// While it is trained, it uses the moments of the batch and keeps moving averages of them (`moving_mean`,
/// `moving_variance`, which are state and no parameters); otherwise it uses those.
///
/// # Source
/// Ioffe and Szegedy 2015, algorithms 1 and 2. Keras's defaults: ε = 0.001, momentum 0.99.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    identity: Identity,
    epsilon: f64,
    momentum: f64,
}

/// Normalises the channels of each position: `[…, channels] → […, channels]`,
/// `(x - mean) / √(variance + ε) · scale + offset`.
///
/// # Source
/// Ba, Kiros and Hinton 2016. Default: ε = 0.001.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    identity: Identity,
    epsilon: f64,
}

macro_rules! common {
    ($layer:ident) => {
        impl Default for $layer {
            fn default() -> Self {
                $layer::new()
            }
        }

        impl $layer {
            /// With a name.
            pub fn named(self, name: impl Into<SiteName>) -> Self {
                $layer { identity: self.identity.named(name), ..self }
            }

            /// With another number added to the variance.
            pub fn epsilon(self, epsilon: f64) -> Self {
                $layer { epsilon, ..self }
            }
        }

        impl Layer for $layer {
            fn kind(&self) -> &'static str {
                stringify!($layer)
            }
            fn identity(&self) -> Option<&Identity> {
                Some(&self.identity)
            }
        }
    };
}

common!(BatchNorm);
common!(LayerNorm);

impl LayerNorm {
    /// With the default settings.
    pub fn new() -> LayerNorm {
        LayerNorm { identity: Identity::of("layer_norm"), epsilon: 1e-3 }
    }
}

impl BatchNorm {
    /// With the default settings.
    pub fn new() -> BatchNorm {
        BatchNorm { identity: Identity::of("batch_norm"), epsilon: 1e-3, momentum: 0.99 }
    }

    /// With another share of the past in the moving averages, in `[0, 1]`.
    pub fn momentum(self, momentum: f64) -> Self {
        BatchNorm { momentum, ..self }
    }
}

/// Scale and offset: parameters in the number of channels of an input.
fn affine<S: Shape, E: Float>(x: &Var<S, E>, of: &'static str) -> Result<[Var<(usize,), E>; 2]> {
    let dims = x.dims();
    let Some(&channels) = dims.last() else {
        return Err(Error::Shape { op: of, expected: "[…, channels]".into(), got: dims });
    };
    Ok([param_as("scale", || Var::ones((channels,)))?, param_as("offset", || Var::zeros((channels,)))?])
}

impl<S: Shape, E: Float> Apply<Var<S, E>> for LayerNorm {
    type Output = Var<S, E>;
    fn apply(&self, x: Var<S, E>) -> Result<Var<S, E>> {
        let [scale, offset] = affine(&x, "LayerNorm")?;
        Var::from_value(ops::layer_norm(x.value(), scale.value(), offset.value(), self.epsilon)?)
    }
}

impl<S: Shape, E: Float> Apply<Var<S, E>> for BatchNorm {
    type Output = Var<S, E>;
    fn apply(&self, x: Var<S, E>) -> Result<Var<S, E>> {
        if !(0.0..=1.0).contains(&self.momentum) {
            let got = self.momentum.to_string();
            return Err(Error::Parameter { of: "BatchNorm", name: "momentum", must_be: "from 0 to 1", got });
        }
        let [scale, offset] = affine(&x, "BatchNorm")?;
        let channels = *scale.shape();
        let mean = state_as("moving_mean", || Var::zeros(channels))?;
        let variance = state_as("moving_variance", || Var::ones(channels))?;
        if is_training() {
            let batch = ops::batch_norm(x.value(), scale.value(), offset.value(), self.epsilon)?;
            self.average("moving_mean", &mean, batch.mean)?;
            self.average("moving_variance", &variance, batch.variance)?;
            return Var::from_value(batch.out);
        }
        let scale = scale / (variance + self.epsilon).sqrt();
        let offset = offset - mean * &scale;
        let scaled = ops::scale_channels(x.value(), scale.value())?;
        Var::from_value(ops::add_channels(&scaled, offset.value())?)
    }
}

impl BatchNorm {
    fn average<E: Float>(&self, name: &'static str, past: &Var<(usize,), E>, now: Value<E>) -> Result<()> {
        let now: Var<(usize,), E> = Var::from_value(now)?;
        set_state(name, &(past * self.momentum + now * (1.0 - self.momentum)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed_core::params::{Params, value_and_gradients, with_params};

    #[test]
    fn batch_norm_looks_at_the_batch_only_while_it_is_trained() -> Result<()> {
        let x = Var::from_vec(vec![1.0f64, 10.0, 3.0, 30.0, 5.0, 50.0], (3usize, 2usize))?;
        let norm = BatchNorm::new().momentum(0.0).epsilon(0.0);
        let mut params = Params::new();
        let mut trained = None;
        value_and_gradients(&mut params, || {
            let y = norm.forward(&x)?;
            trained = Some(y.detach());
            Ok(y.square().sum())
        })?;
        let trained = trained.map(|y| y.to_vec()).transpose()?.unwrap_or_default();
        // Mean 3 and variance 8/3; the second channel is ten times the first.
        let end = 2.0 / (8.0f64 / 3.0).sqrt();
        for (got, want) in trained.iter().zip([-end, -end, 0.0, 0.0, end, end]) {
            approx::assert_abs_diff_eq!(*got, want, epsilon = 1e-12);
        }
        assert_eq!(params.required("batch_norm/moving_mean")?.to_vec()?, [3.0, 30.0]);
        assert_eq!(params.num_parameters(), 4, "the averages are state");
        let again = with_params(&params, || norm.forward(&x))?.to_vec()?;
        approx::assert_abs_diff_eq!(again[0], -end, epsilon = 1e-12);
        let other = with_params(&params, || norm.forward(&(&x + 1.0)))?.to_vec()?;
        assert!((other[2] - 1.0 / (8.0f64 / 3.0).sqrt()).abs() < 1e-12, "the batch itself does not count");
        Ok(())
    }
}
