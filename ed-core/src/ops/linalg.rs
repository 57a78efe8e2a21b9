//! Products, Cholesky factors and triangular systems.

use crate::error::{Error, Result};
use crate::kernels::cholesky as kernel;
use crate::kernels::linalg::{LinalgError, Transpose};
use crate::kernels::{matmul as product, reduce};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Buffer, Dims, Float, GradSlot, Keep, Op, Value};

/// The kernels refuse slices of the wrong length only, and an operation is made with the sizes of its inputs.
pub(super) fn fits(outcome: Result<(), LinalgError>) {
    debug_assert!(outcome.is_ok(), "{outcome:?}");
}

/// Adds to a gradient what `write` puts into a buffer, or has it write into the gradient if that is fresh.
pub(super) fn overwrite_or_add<E: Float>(slot: GradSlot<'_, E>, write: impl FnOnce(&mut [E])) {
    let fresh = slot.is_fresh();
    let grad = slot.raw();
    if fresh {
        return write(grad);
    }
    let mut terms = Buffer::scratch(grad.len());
    write(&mut terms);
    grad.iter_mut().zip(terms.iter()).for_each(|(grad, &term)| *grad += term);
}

/// Products of matrices and vectors: a vector on the left is a row, one on the right a column.
#[derive(Debug)]
pub(super) struct MatMul {
    pub rows: usize,
    pub inner: usize,
    pub columns: usize,
}

impl MatMul {
    fn is_empty(&self) -> bool {
        self.rows * self.inner * self.columns == 0
    }

    /// `out = a b`.
    pub fn product<E: Float>(&self, a: &[E], b: &[E], out: &mut [E]) {
        let &MatMul { rows, inner, columns } = self;
        if self.is_empty() {
            return out.fill(E::ZERO);
        }
        match (rows, inner, columns) {
            (1, _, 1) => out[0] = reduce::dot(a, b),
            (_, _, 1) => fits(product::matvec([rows, inner], a, b, out)),
            (1, _, _) => fits(product::matvec_transposed([inner, columns], b, a, out)),
            (_, 1, _) => {
                out.fill(E::ZERO);
                fits(product::outer_add(E::ONE, a, b, out));
            }
            sizes => {
                let (m, k, n) = sizes;
                let (a, b) = ((a, Transpose::No), (b, Transpose::No));
                fits(product::matmul([m, k, n], E::ONE, a, b, E::ZERO, out));
            }
        }
    }

    /// The gradient by the left factor, `g bᵀ`.
    pub fn grad_left<E: Float>(&self, b: &[E], g: &[E], slot: GradSlot<'_, E>) {
        let &MatMul { rows, inner, columns } = self;
        match (rows, inner, columns) {
            _ if self.is_empty() => {
                slot.add();
            }
            (_, _, 1) => fits(product::outer_add(E::ONE, g, b, slot.add())),
            (1, _, _) => overwrite_or_add(slot, |out| fits(product::matvec([inner, columns], b, g, out))),
            (_, 1, _) => overwrite_or_add(slot, |out| fits(product::matvec([rows, columns], g, b, out))),
            _ => {
                let beta = if slot.is_fresh() { E::ZERO } else { E::ONE };
                let (g, b) = ((g, Transpose::No), (b, Transpose::Yes));
                fits(product::matmul([rows, columns, inner], E::ONE, g, b, beta, slot.raw()));
            }
        }
    }

    /// The gradient by the right factor, `aᵀ g`.
    pub fn grad_right<E: Float>(&self, a: &[E], g: &[E], slot: GradSlot<'_, E>) {
        let &MatMul { rows, inner, columns } = self;
        match (rows, inner, columns) {
            _ if self.is_empty() => {
                slot.add();
            }
            (1, _, _) => fits(product::outer_add(E::ONE, a, g, slot.add())),
            (_, _, 1) => {
                overwrite_or_add(slot, |out| fits(product::matvec_transposed([rows, inner], a, g, out)));
            }
            (_, 1, _) => {
                overwrite_or_add(slot, |out| fits(product::matvec_transposed([rows, columns], g, a, out)));
            }
            _ => {
                let beta = if slot.is_fresh() { E::ZERO } else { E::ONE };
                let (a, g) = ((a, Transpose::Yes), (g, Transpose::No));
                fits(product::matmul([inner, rows, columns], E::ONE, a, g, beta, slot.raw()));
            }
        }
    }
}

impl<E: Float> Op<E> for MatMul {
    fn name(&self) -> &'static str {
        "dot"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        self.product(inputs[0], inputs[1], out);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (a, b, g) = (pass.inputs[0], pass.inputs[1], pass.grad_out);
        if let Some(slot) = pass.grad(0) {
            self.grad_left(b, g, slot);
        }
        if let Some(slot) = pass.grad(1) {
            self.grad_right(a, g, slot);
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

/// Every product of an element of a vector `a` with one of a vector `b`, as a matrix.
pub(crate) fn outer<E: Float>(a: &Value<E>, b: &Value<E>) -> Value<E> {
    let (rows, columns) = (a.dims().num_elements(), b.dims().num_elements());
    apply(MatMul { rows, inner: 1, columns }, &[a, b], Dims::vector(rows).with_last(columns))
}

/// The order of the square matrices over the last two axes.
fn order_of<E: Float>(op: &'static str, x: &Value<E>) -> Result<usize> {
    match **x.dims() {
        [.., rows, columns] if rows == columns => Ok(rows),
        _ => Err(Error::Shape { op, expected: "of square matrices […, K, K]".into(), got: *x.dims() }),
    }
}

#[derive(Debug)]
struct Cholesky {
    order: usize,
}

impl<E: Float> Op<E> for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        // A matrix without a factor gives NaN, which a log-density computed from it turns into a rejected point.
        if kernel::cholesky(self.order, inputs[0], out).is_err() {
            out.fill(E::NAN);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (l, g) = (pass.out, pass.grad_out);
        if let Some(slot) = pass.grad(0) {
            fits(kernel::cholesky_backward(self.order, l, g, slot.add()));
        }
    }
}

/// The lower Cholesky factors of symmetric positive definite matrices `[…, K, K]`.
///
/// Only the lower triangle of a matrix is read. The gradient is the symmetric one: it is spread evenly over both
/// triangles, so that it is right for every symmetric change of the matrix.
///
/// # Errors
/// [`Error::NotPositiveDefinite`] (NaN included), or [`Error::Shape`] if the matrices are not square.
pub(crate) fn cholesky<E: Float>(x: &Value<E>) -> Result<Value<E>> {
    let order = order_of("cholesky", x.check()?)?;
    let factor = apply(Cholesky { order }, &[x], *x.dims());
    // The operation cannot say where it failed; a factor has no NaN, so this is the rare path.
    if factor.peek()?.first().is_some_and(|first| first.is_nan()) {
        let mut again = Buffer::scratch(x.dims().num_elements());
        if let Err(LinalgError::NotPositiveDefinite { minor, .. }) =
            kernel::cholesky(order, x.peek()?, &mut again)
        {
            return Err(Error::NotPositiveDefinite { op: "cholesky", minor });
        }
    }
    Ok(factor)
}

/// Solves `L X = B` or `Lᵀ X = B`.
#[derive(Debug)]
struct Solve {
    order: usize,
    columns: usize,
    transpose: Transpose,
}

impl<E: Float> Op<E> for Solve {
    fn name(&self) -> &'static str {
        "solve_triangular"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        out.copy_from_slice(inputs[1]);
        fits(kernel::solve_triangular([self.order, self.columns], (inputs[0], self.transpose), out));
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (l, x, g) = (pass.inputs[0], pass.out, pass.grad_out);
        let (mut by_l, mut by_b) = (Buffer::zeros(l.len()), Buffer::zeros(x.len()));
        let sizes = [self.order, self.columns];
        fits(kernel::solve_triangular_backward(sizes, (l, self.transpose), x, g, &mut by_l, &mut by_b));
        for (index, terms) in [(0, by_l), (1, by_b)] {
            if let Some(slot) = pass.grad(index) {
                overwrite_or_add(slot, |out| out.copy_from_slice(&terms));
            }
        }
    }
}

/// The solution of the triangular systems of `l`, `[…, K, K]`, for `b`: `[…, K]` or `[…, K, M]`.
///
/// Only the lower triangle of `l` is read, and only it gets a gradient.
///
/// # Errors
/// [`Error::Shape`] if `l` is not square, [`Error::Broadcast`] if `b` does not fit, and [`Error::Value`] if a number on
/// the diagonal is zero or NaN.
pub(crate) fn solve_triangular<E: Float>(
    l: &Value<E>,
    b: &Value<E>,
    transpose: Transpose,
) -> Result<Value<E>> {
    let order = order_of("solve_triangular", l.check()?)?;
    let (lhs, rhs) = (*l.dims(), *b.check()?.dims());
    let front = &lhs[..lhs.rank() - 1];
    let columns = match rhs.rank().checked_sub(front.len()) {
        Some(0) if *rhs == *front => 1,
        Some(1) if rhs.starts_with(front) => rhs[front.len()],
        _ => return Err(Error::Broadcast { op: "solve_triangular", lhs, rhs }),
    };
    let cells = (order * order).max(1);
    let diagonals = l.peek()?.chunks(cells).flat_map(|l| l.iter().step_by(order + 1));
    if let Some(bad) = diagonals.into_iter().find(|x| x.is_nan() || **x == E::ZERO) {
        return Err(Error::Value {
            of: "solve_triangular",
            must_be: "a triangular matrix without zero or NaN on its diagonal",
            got: bad.to_string(),
        });
    }
    Ok(apply(Solve { order, columns, transpose }, &[l, b], rhs))
}

/// `Σ ln |L_ii|` of every matrix.
#[derive(Debug)]
struct LogDetTriangular {
    order: usize,
}

impl<E: Float> Op<E> for LogDetTriangular {
    fn name(&self) -> &'static str {
        "log_det_triangular"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let cells = self.order * self.order;
        for (index, out) in out.iter_mut().enumerate() {
            let l = &inputs[0][index * cells..(index + 1) * cells];
            let sum: f64 = l.iter().step_by(self.order + 1).map(|x| x.to_f64().abs().ln()).sum();
            *out = E::from_f64(sum);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (l, grad_out, cells) = (pass.inputs[0], pass.grad_out, (self.order * self.order).max(1));
        let Some(slot) = pass.grad(0) else { return };
        for ((grad, l), &g) in slot.add().chunks_mut(cells).zip(l.chunks(cells)).zip(grad_out) {
            let diagonal = grad.iter_mut().zip(l).step_by(self.order + 1);
            diagonal.for_each(|(grad, &x)| *grad += g / x);
        }
    }
}

/// `ln |det L|` of triangular matrices `[…, K, K]`: the sum of the logarithms on the diagonal.
///
/// # Errors
/// [`Error::Shape`] if the matrices are not square.
pub(crate) fn log_det_triangular<E: Float>(l: &Value<E>) -> Result<Value<E>> {
    let order = order_of("log_det_triangular", l.check()?)?;
    let batch = l.dims()[..l.dims().rank() - 2].iter().copied().collect();
    Ok(apply(LogDetTriangular { order }, &[l], batch))
}

/// The diagonals of square matrices: `[…, K, K] → […, K]`.
///
/// # Errors
/// [`Error::Shape`] if the matrices are not square.
pub(crate) fn diagonal<E: Float>(x: &Value<E>) -> Result<Value<E>> {
    order_of("diagonal", x.check()?)?;
    Ok(super::layout::diagonal(x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::affine_relu;
    use crate::ops::test_gradients::{gradients_of, wave, weighted_sum};

    #[test]
    fn a_product_of_no_rows_has_gradients_of_zero() {
        let programs: [fn(&[Value<f64>]) -> Result<Value<f64>>; 2] =
            [|x| dot(&x[0], &x[1]), |x| affine_relu(&x[0], &x[1], &x[2])];
        for program in programs {
            // The gradients of some rows leave memory behind, which those of no rows must not show.
            for rows in [3, 0] {
                let inputs = [
                    wave(&[rows, 64], 0.1, 0.5, 1.0),
                    wave(&[64, 128], 0.2, 0.5, 1.0),
                    wave(&[128], 0.3, 0.5, 1.0),
                ];
                let by_kernel = &gradients_of(|x| Ok(weighted_sum(&program(x)?)), &inputs)[1];
                assert_eq!(by_kernel.iter().any(|&g| g != 0.0), rows > 0, "{rows} rows");
            }
        }
    }
}
