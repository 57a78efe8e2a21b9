//! Dense: every output from every input.

use dfdx::shapes::Shape;
use ed_core::ops::{affine, affine_relu};
use ed_core::tensor::{Append, Dims, Float, Value, Var, WithoutLast};
use ed_core::{Error, Result};

use super::{Geometry, add_bias};
use crate::linear::Kinded;

/// `y = x W` along the last axis: `[…, inputs] · [inputs, units] → […, units]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DenseMap {
    /// Number of outputs.
    pub units: usize,
}

impl<S> Geometry<S> for DenseMap
where
    S: Shape + dfdx::shapes::ReduceShape<<S as Shape>::LastAxis>,
    WithoutLast<S>: Append<usize>,
{
    type Kernel = (usize, usize);
    type Out = <WithoutLast<S> as Append<usize>>::Appended;

    fn kernel_shape(&self, input: &S) -> Result<(usize, usize)> {
        let dims = Dims::of(input);
        match dims.last() {
            Some(&inputs) if inputs > 0 && self.units > 0 => Ok((inputs, self.units)),
            _ => {
                let expected =
                    format!("[…, inputs] with at least one input and one unit (units: {})", self.units);
                Err(Error::Shape { op: "Dense", expected, got: dims })
            }
        }
    }

    fn apply<E: Float>(&self, x: &Var<S, E>, kernel: &Var<(usize, usize), E>) -> Result<Var<Self::Out, E>> {
        check_inputs(x.dims(), kernel)?;
        let (dims, (inputs, units)) = (x.dims(), *kernel.shape());
        let rows = dims.num_elements() / inputs.max(1);
        let y = x.reshape((rows, inputs))?.dot(kernel)?;
        let out: Dims = dims[..dims.len() - 1].iter().copied().chain([units]).collect();
        let shape = out.typed().ok_or_else(|| Error::Shape {
            op: "Dense",
            expected: "a batch of vectors".into(),
            got: dims,
        })?;
        y.reshape(shape)
    }

    fn apply_with_bias<E: Float>(
        &self,
        x: &Var<S, E>,
        kernel: &Var<(usize, usize), E>,
        bias: &Value<E>,
        rectified: bool,
    ) -> Result<Var<Self::Out, E>> {
        check_inputs(x.dims(), kernel)?;
        if bias.dims().rank() != 1 {
            return add_bias(&self.apply(x, kernel)?, bias, rectified);
        }
        let both = if rectified { affine_relu } else { affine };
        Var::from_value(both(x.value(), kernel.value(), bias)?)
    }
}

fn check_inputs<E: Float>(dims: Dims, kernel: &Var<(usize, usize), E>) -> Result<()> {
    let inputs = kernel.shape().0;
    if dims.last() == Some(&inputs) {
        return Ok(());
    }
    let expected = format!("[…, {inputs}], as its kernel has {inputs} inputs");
    Err(Error::Shape { op: "Dense", expected, got: dims })
}

impl Kinded for DenseMap {
    fn kind(&self) -> &'static str {
        "Dense"
    }

    fn settings(&self) -> String {
        self.units.to_string()
    }
}
