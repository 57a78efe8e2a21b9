//! What cells have in common: two kernels and a bias, drawn together.

use ed_core::Result;
use ed_core::tensor::{Dims, Float, Var};

use crate::estimator::{Estimator, Slot};
use crate::geometry::{DenseMap, Geometry};
use crate::initializers::VarianceScaling;

type Matrix = (usize, usize);

/// What a cell drew for a sequence.
#[derive(Clone, Debug)]
pub struct CellPass<W: Estimator, E: Float> {
    pub(super) kernel: W::Drawn<Matrix, E>,
    pub(super) recurrent: W::Drawn<Matrix, E>,
}

impl<W: Estimator, E: Float> CellPass<W, E> {
    /// The kernels of a cell that maps `[batch, inputs]` and `[batch, units]` to `[batch, outputs]` each.
    pub(super) fn draw(estimator: &W, [batch, inputs, units, outputs]: [usize; 4]) -> Result<CellPass<W, E>> {
        let map = DenseMap { units: outputs };
        let slot = |name, from: usize| -> Result<Slot<Matrix>> {
            let input = (batch, from);
            Ok(Slot {
                name,
                shape: map.kernel_shape(&input)?,
                initializer: VarianceScaling::glorot(),
                input: Geometry::<Matrix>::layout(&map, &Dims::of(&input)),
                outputs,
            })
        };
        let kernel = estimator.draw(&slot("kernel", inputs)?)?;
        let recurrent = estimator.draw(&slot("recurrent_kernel", units)?)?;
        Ok(CellPass { kernel, recurrent })
    }

    /// `K(x, w)` of the input and of the hidden state.
    pub(super) fn products(
        &self,
        x: &Var<Matrix, E>,
        hidden: &Var<Matrix, E>,
    ) -> Result<[Var<Matrix, E>; 2]> {
        let map = |kernel: &W::Drawn<Matrix, E>, x: &Var<Matrix, E>| {
            // The number of units is the kernel's.
            W::apply(kernel, &DenseMap { units: 0 }, x)
        };
        Ok([map(&self.kernel, x)?, map(&self.recurrent, hidden)?])
    }

    /// Both kernels, if each is one matrix for all examples: then a sequence can be run as one operation.
    pub(super) fn matrices(&self) -> Option<[&Var<Matrix, E>; 2]> {
        Some([W::kernel(&self.kernel)?, W::kernel(&self.recurrent)?])
    }
}
