//! Plates: independent repetitions, of which a run may see a random part.

use std::rc::Rc;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::trace::{Next, Rows, Site, SiteName, Tracer, with_tracer};

/// The repetitions that a run of a plate sees.
#[derive(Clone, Debug)]
pub struct Plate {
    size: usize,
    indices: Arc<[usize]>,
}

impl Plate {
    /// Number of repetitions in all.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The repetitions of this run, in increasing order; all of them unless the plate is subsampled.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Number of repetitions in this run.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// Runs a part of a model for all of `size` independent repetitions.
///
/// # Errors
/// The program's.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let model = || plate_as("groups", 3, |groups| sample_as("mean", Normal::<(), f64>::standard((groups.len(),))?));
/// let means = seed(0, model)?;
/// assert_eq!(means.shape(), &(3,));
/// # Ok(()) }
/// ```
pub fn plate_as<T>(
    name: impl Into<SiteName>,
    size: usize,
    program: impl FnOnce(&Plate) -> Result<T>,
) -> Result<T> {
    let _ = name.into();
    program(&Plate { size, indices: (0..size).collect() })
}

/// Runs a part of a model for `batch` of `size` independent repetitions, drawn without replacement; the log-densities
/// inside count `size / batch` times, so that the joint log-density keeps its expectation.
///
/// Which rows a run sees is a function of the key, the plate's name and its sizes: a guide that has the same plate sees
/// the same rows, by which an amortised guide reads the data of each. Draws from a posterior and predictive draws are
/// asked for every row, and run the plate as a whole. The weights of a layer that is applied inside belong to no row: they
/// count once.
///
/// # Errors
/// [`Error::Parameter`] unless `1 ≤ batch ≤ size`; [`Error::UnseededPlate`] if there are rows to draw and no key is in
/// force, as in samplers that need one log-density and not a different one at each call; and the program's.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let data = Var::from(vec![0.0f64; 100]);
/// let model = || subsampled_plate_as("rows", 100, 10, |rows| {
///     observe_as("x", Normal::standard((rows.len(),))?, &data.gather(rows.indices())?)
/// });
/// let (_, trace) = seed(0, || tape(&model))?;
/// assert!((trace.log_prob()?.item()? + 100.0 * 0.9189385332).abs() < 1e-6);
/// # Ok(()) }
/// ```
/// One latent variable a row, `z ~ N(0, 1)` and `x ~ N(z, 1)`, whose posterior `N(x / 2, ½)` an amortised guide gives
/// from the row's datum:
/// ```
/// use ed::params::param_as;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let data = Var::from([0.5f64, -1.0, 2.0, 1.5, 0.0, 3.0]);
/// let model = || subsampled_plate_as("rows", 6, 2, |rows| {
///     let z = sample_as("z", Normal::standard((rows.len(),))?)?;
///     observe_as("x", Normal::new(&z, 1.0)?, &data.gather(rows.indices())?)
/// });
/// let guide = || subsampled_plate_as("rows", 6, 2, |rows| {
///     let slope = param_as("slope", || Var::<(), f64>::scalar(0.0))?;
///     let scale = param_as("log_scale", || Var::<(), f64>::scalar(0.0))?.exp();
///     sample_as("z", Normal::new(slope * data.gather(rows.indices())?, scale)?)
/// });
/// let fit = Svi::new(&model, guide).learning_rate(0.02).run(0)?;
/// assert!((fit.params().required("slope")?.item()? - 0.5).abs() < 0.05);
/// assert_eq!(fit.sample(10, 0)?.at(0, 0)?.required("z")?.dims()[0], 6);
/// # Ok(()) }
/// ```
pub fn subsampled_plate_as<T>(
    name: impl Into<SiteName>,
    size: usize,
    batch: usize,
    program: impl FnOnce(&Plate) -> Result<T>,
) -> Result<T> {
    if batch == 0 || batch > size {
        return Err(Error::Parameter {
            of: "a subsampled plate",
            name: "batch",
            must_be: "at least 1 and at most its size",
            got: format!("{batch} of {size}"),
        });
    }
    let rows = Rows::drawn(&name.into(), size, batch)?;
    let plate = Plate { size, indices: rows.indices().into() };
    with_tracer(Rc::new(Around { rows }), || program(&plate))
}

/// Tells every random variable which rows of a plate it stands for.
struct Around {
    rows: Rows,
}

impl Tracer for Around {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        // A layer's weights are the same for all rows, whichever of them the layer is applied to.
        if site.owner().is_none() {
            site.scale *= self.rows.factor();
            site.plates.push(self.rows.clone());
        }
        next.forward(site)
    }

    fn looks(&self) -> bool {
        false
    }
}
