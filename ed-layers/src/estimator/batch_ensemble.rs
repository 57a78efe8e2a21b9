//! Networks that share a kernel and differ by factors of its inputs and outputs.

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::ops::scale_channels;
use ed_core::params::any_param;
use ed_core::tensor::{Dims, Float, Var};
use ed_core::trace::full_name;

use super::rows::{by_row, from_rows};
use super::{Estimator, Slot};
use crate::geometry::Geometry;
use crate::members::check_members;
use crate::weight::Start;

/// `K(x∘α, w)∘γ` for each of several members: one kernel, and for each member a factor of each input channel (`alpha`) and
/// of each output channel (`gamma`), all of them parameters. Each member has a bias of its own.
///
/// The batch holds the rows of the first member, then those of the second, and so on:
/// [`repeat_for_members`](crate::repeat_for_members) lays out a batch so, and
/// [`average_members`](crate::average_members) averages what comes out.
///
/// The factors start at -1 or 1 with equal chances, which makes the members differ.
///
/// # Source
/// Wen, Tran and Ba 2020, "BatchEnsemble", equations 3 and 5; the signs are those of its appendix B.
///
/// # Examples
/// ```
/// use ed::layers::{average_members, repeat_for_members};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let net = Dense::new(3).estimator(BatchEnsemble::of(2));
/// let x: Var<_, f32> = Var::ones((5usize, 4usize));
/// let repeated = repeat_for_members(&x, 2)?;
/// let y = seed(0, || net.forward(&repeated))?;
/// assert_eq!(y.shape(), &(10, 3));
/// assert_eq!(average_members(&y.softmax(), 2)?.shape(), &(5, 3));
///
/// let mut params = Params::new();
/// seed(0, || net.init(&mut params, &repeated))?;
/// assert_eq!(params.required("dense/alpha")?.dims().to_string(), "[2, 4]");
/// assert_eq!(params.required("dense/bias")?.dims().to_string(), "[2, 3]");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BatchEnsemble {
    /// Number of members, at least 1.
    pub members: usize,
    /// Where the factors start.
    pub start: Start,
}

impl BatchEnsemble {
    /// An ensemble of a number of members.
    pub fn of(members: usize) -> BatchEnsemble {
        BatchEnsemble { members, start: Start::Signs }
    }
}

impl Default for BatchEnsemble {
    /// Four members.
    fn default() -> BatchEnsemble {
        BatchEnsemble::of(4)
    }
}

/// What [`BatchEnsemble`] read: its kernel and the factors of the members.
#[derive(Clone, Debug)]
pub struct BatchEnsembleDraw<K: Shape, E: Float> {
    kernel: Var<K, E>,
    /// `None` for codes.
    alpha: Option<Var<(usize, usize), E>>,
    gamma: Var<(usize, usize), E>,
}

impl Estimator for BatchEnsemble {
    const NAME: &'static str = "BatchEnsemble";
    type Drawn<K: Shape, E: Float> = BatchEnsembleDraw<K, E>;

    fn members(&self) -> usize {
        self.members
    }

    fn draw<K: Shape, E: Float>(&self, slot: &Slot<K>) -> Result<BatchEnsembleDraw<K, E>> {
        let factors = |name: &str, channels: usize| -> Result<Var<(usize, usize), E>> {
            let (name, shape) = (full_name(&slot.beside(name)), (self.members, channels));
            let start = || Ok(self.start.values::<_, E>(&name, shape)?.into());
            any_param(&name, &Dims::of(&shape), start)?.typed().map_err(|error| error.at_site(&name))
        };
        Ok(BatchEnsembleDraw {
            kernel: slot.param()?,
            alpha: match slot.input.channels {
                0 => None,
                channels => Some(factors("alpha", channels)?),
            },
            gamma: factors("gamma", slot.outputs)?,
        })
    }

    fn apply<S: Shape, E: Float, G: Geometry<S>>(
        drawn: &BatchEnsembleDraw<G::Kernel, E>,
        geometry: &G,
        x: &Var<S, E>,
    ) -> Result<Var<G::Out, E>> {
        check_members("BatchEnsemble", drawn.gamma.shape().0, &x.dims())?;
        let y = match &drawn.alpha {
            None => geometry.apply(x, &drawn.kernel)?,
            Some(alpha) => {
                let rows = by_row(x, geometry.layout(&x.dims()))?;
                let x = from_rows(scale_channels(&rows, alpha.value())?, *x.shape())?;
                geometry.apply(&x, &drawn.kernel)?
            }
        };
        let rows = by_row(&y, geometry.layout(&y.dims()))?;
        from_rows(scale_channels(&rows, drawn.gamma.value())?, *y.shape())
    }
}
