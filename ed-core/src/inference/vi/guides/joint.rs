//! What guides over the flat unconstrained vector share: cutting it into random variables.

use std::sync::Arc;

use super::drawn::Drawn;
use super::latents::{Latents, factor, part};
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
        for (index, site) in latents.sites.iter().enumerate() {
            let dims = *site.init.dims();
            let rows = site.rows()?;
            let cut = |flat: &Value<E>| part(E::into_any(layout::slice(flat, offset, dims)), &rows);
            let (z, loc) = (cut(&self.z)?, cut(&self.loc)?);
            let (value, log_det) = site.prior.constrain(&z).map_err(|error| error.at_site(&site.name))?;
            // The joint density is that of all rows: whatever counts the rows of this run again must not count it.
            let joint = || E::into_any(self.log_prob.clone()).scaled(1.0 / factor(&rows));
            let log_prob = match index {
                0 => joint().plus(&log_det.scaled(-1.0))?,
                _ => log_det.scaled(-1.0),
            };
            let posterior = Drawn { prior: site.prior.clone(), value, log_prob, loc };
            values.insert(&site.name, site.emit(Arc::new(posterior), rows)?)?;
            offset += dims.num_elements();
        }
        Ok(values)
    }
}
