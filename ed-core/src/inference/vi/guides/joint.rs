//! What guides over the flat unconstrained vector share: cutting it into random variables.

use std::sync::Arc;

use super::drawn::Drawn;
use super::latents::{Latents, emit};
use crate::error::Result;
use crate::ops::layout;
use crate::tensor::{Float, Value};
use crate::trace::Values;

/// One draw of the flat vector.
pub(super) struct JointDraw<E: Float> {
    /// The unconstrained numbers of all random variables, in the order of the model.
    pub z: Value<E>,
    /// Their locations.
    pub loc: Value<E>,
    /// The log-density of all unconstrained numbers at `z`.
    pub log_prob: Value<E>,
}

impl<E: Float> JointDraw<E> {
    /// Sends every random variable through the handlers. The first carries the joint log-density of the unconstrained
    /// numbers; each carries the log-determinant of its own map.
    pub fn emit(self, latents: &Latents) -> Result<Values> {
        let mut offset = 0;
        let mut values = Values::new();
        for site in &latents.sites {
            let dims = *site.init.dims();
            let cut = |flat: &Value<E>| E::into_any(layout::slice(flat, offset, dims));
            let (z, loc) = (cut(&self.z), cut(&self.loc));
            let (value, log_det) = site.prior.constrain(&z).map_err(|error| error.at_site(&site.name))?;
            let log_prob = match offset {
                0 => E::into_any(self.log_prob.clone()).plus(&log_det.scaled(-1.0))?,
                _ => log_det.scaled(-1.0),
            };
            let posterior = Drawn { prior: site.prior.clone(), value, log_prob, loc };
            values.insert(&site.name, emit(&site.name, Arc::new(posterior))?)?;
            offset += dims.num_elements();
        }
        Ok(values)
    }
}
