//! Covariance matrices of Gaussian processes, and what is made of them, as single operations.

use std::cell::Cell;
use std::rc::Rc;

use super::jitter::{Outcome, factor_with, mean_variance, raise};
use crate::error::{Error, Result};
pub use crate::kernels::covariance::Profile;
use crate::kernels::covariance::{Matrix, PointGradients, Stationary};
use crate::kernels::marginals::{MarginalGradients, MarginalVariances};
use crate::kernels::whiten::{self as kernel, WhitenGradients, Whitened};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Buffer, Dims, Float, GradSlot, Keep, Op, Value};

/// The matrix of a stationary covariance function; inputs: `x`, `z` unless it is `x`, the lengthscale, the variance, and
/// the mixture parameter of a rational quadratic.
#[derive(Debug)]
struct Covariance {
    profile: Profile,
    features: usize,
    with_z: bool,
}

impl Covariance {
    /// The places of the lengthscale, the variance and the mixture parameter among the inputs.
    fn places(&self) -> [usize; 3] {
        let first = 1 + usize::from(self.with_z);
        [first, first + 1, first + 2]
    }

    fn stationary<'a, E: Float>(&self, inputs: &[&'a [E]]) -> Stationary<'a, E> {
        let [lengthscale, variance, alpha] = self.places();
        Stationary {
            profile: self.profile,
            features: self.features,
            x: inputs[0],
            z: self.with_z.then(|| inputs[1]),
            lengthscale: inputs[lengthscale],
            variance: inputs[variance][0],
            alpha: inputs.get(alpha).map_or(E::ONE, |alpha| alpha[0]),
        }
    }
}

impl<E: Float> Op<E> for Covariance {
    fn name(&self) -> &'static str {
        "a covariance matrix"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        // The slope of the exponentiated quadratic follows from its value.
        let keeps = keep.wants_any() && self.profile != Profile::ExponentiatedQuadratic;
        let squares = keeps.then(|| keep.saved_scratch(out.len()));
        let stationary = self.stationary(inputs);
        stationary.forward(out, squares, &mut Buffer::scratch(stationary.forward_memory()));
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let [lengthscale, variance, alpha] = self.places();
        let stationary = self.stationary(pass.inputs);
        let matrix = Matrix { out: pass.out, squares: pass.saved, grad: pass.grad_out };
        let mut slots = pass.grads().collect::<Vec<_>>();
        let mut points = |place: usize| slots[place].take().map(GradSlot::gradient);
        let points = PointGradients { x: points(0), z: if self.with_z { points(1) } else { None } };
        let mut memory = Buffer::scratch(stationary.backward_memory());
        let found = stationary.backward(matrix, points, &mut memory);
        if let Some(slot) = slots[lengthscale].take() {
            match slot.add() {
                [grad] => *grad += E::from_f64(found.lengthscale.iter().sum()),
                grad => grad
                    .iter_mut()
                    .zip(&found.lengthscale)
                    .for_each(|(grad, &term)| *grad += E::from_f64(term)),
            }
        }
        for (place, gradient) in [(variance, found.variance), (alpha, found.alpha)] {
            if let Some(slot) = slots.get_mut(place).and_then(Option::take) {
                slot.add()[0] += E::from_f64(gradient);
            }
        }
    }
}

/// The numbers of a stationary covariance function.
#[derive(Clone, Copy, Debug)]
pub struct Hyperparameters<'a, E: Float> {
    /// One number for all features, or one each: `[]` or `[features]`.
    pub lengthscale: &'a Value<E>,
    /// One number.
    pub variance: &'a Value<E>,
    /// One number, read by [`Profile::RationalQuadratic`].
    pub alpha: Option<&'a Value<E>>,
}

/// The covariances between points: `[N, features]` and `[M, features]` give `[N, M]`; without the second points, those of
/// the first with one another, in one triangle and its mirror image.
///
/// `k(x, z) = v · profile(Σ_k ((x_k - z_k) / ℓ_k)²)`. Squared distances are found by a product of matrices and are never
/// below 0. Gradients flow to the points and to all numbers.
///
/// # Errors
/// [`Error::Shape`] if the points are no matrices of one width or a number has another shape, or the error that an
/// input carries.
pub fn stationary_covariance<E: Float>(
    profile: Profile,
    x: &Value<E>,
    z: Option<&Value<E>>,
    numbers: Hyperparameters<'_, E>,
) -> Result<Value<E>> {
    let shape = |expected: String, got: &Value<E>| -> Result<()> {
        Err(Error::Shape { op: "a covariance matrix", expected, got: *got.dims() })
    };
    let [rows, features] = **x.check()?.dims() else {
        return shape("[N, features] for the points".into(), x).map(|()| x.clone());
    };
    let columns = match z.map(Value::check).transpose()? {
        None => rows,
        Some(z) => match **z.dims() {
            [columns, own] if own == features => columns,
            _ => return shape(format!("[M, {features}] for the second points"), z).map(|()| x.clone()),
        },
    };
    let Hyperparameters { lengthscale, variance, alpha } = numbers;
    if !matches!(**lengthscale.check()?.dims(), [] | [1]) && **lengthscale.dims() != [features] {
        shape(format!("[] or [{features}] for the lengthscale"), lengthscale)?;
    }
    for number in std::iter::once(variance).chain(alpha) {
        if number.check()?.dims().num_elements() != 1 {
            shape("[] for the variance and the mixture parameter".into(), number)?;
        }
    }
    let op = Covariance { profile, features, with_z: z.is_some() };
    let inputs: Vec<&Value<E>> =
        std::iter::once(x).chain(z).chain([lengthscale, variance]).chain(alpha).collect();
    Ok(apply(op, &inputs, Dims::vector(rows).with_last(columns)))
}

/// `K_xz L⁻ᵀ` with `L Lᵀ = K_zz + jitter I`; inputs: `K_zz`, `K_xz`.
#[derive(Debug)]
struct Whiten {
    order: usize,
    jitter: f64,
    outcome: Rc<Cell<Outcome>>,
}

impl<E: Float> Op<E> for Whiten {
    fn name(&self) -> &'static str {
        "whiten"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let (k_zz, k_xz) = (inputs[0], inputs[1]);
        let variances: Vec<E> = k_zz.iter().step_by(self.order + 1).copied().collect();
        let scale = mean_variance(variances.iter().copied());
        let mut factor = Buffer::scratch(k_zz.len());
        let mut inverse = if keep.wants_any() { Some(keep.saved_scratch(k_zz.len())) } else { None };
        let mut first = true;
        let outcome = raise(self.jitter, scale, k_zz, |jitter| {
            // After a failure the matrix alone is factored until there is a jitter, which costs less than all rows.
            if !std::mem::take(&mut first) {
                factor_with((k_zz, &variances), jitter, &mut factor)?;
            }
            let target = Whitened { a: &mut *out, factor: &mut factor, inverse: inverse.as_deref_mut() };
            kernel::whiten(self.order, (k_zz, jitter), k_xz, target)
        });
        self.outcome.set(outcome);
        if let Outcome::Failed(_) = outcome {
            // On a tape that runs again: NaN turns the point down.
            out.fill(E::NAN);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (inverse, sides) = (pass.saved, (pass.out, pass.grad_out));
        let mut memory: [Buffer<E>; 2] = [Buffer::scratch(inverse.len()), Buffer::scratch(inverse.len())];
        let [first, second] = &mut memory;
        let mut slots = pass.grads();
        let k_zz = slots.next().flatten().map(|slot| (slot.gradient(), [&mut **first, &mut **second]));
        let k_xz = slots.next().flatten().map(GradSlot::gradient);
        let outcome = kernel::whiten_backward(self.order, inverse, sides, WhitenGradients { k_zz, k_xz });
        debug_assert!(outcome.is_ok(), "{outcome:?}");
    }
}

/// `A = K_xz L⁻ᵀ`, `[N, M]`, from `K_zz`, `[M, M]` and symmetric, and `K_xz`, `[N, M]`, where `L Lᵀ = K_zz + j I`: the
/// covariances of the points with the whitened inducing outputs. With it comes the multiple of the mean variance that `j`
/// is: `jitter`, or more if it must be, as for [`covariance_factor`](super::covariance_factor).
///
/// The gradient by `K_zz` is spread evenly over both triangles.
///
/// # Errors
/// [`Error::NotPositiveDefinite`] (NaN included), [`Error::Shape`] or [`Error::Broadcast`] if the matrices do not fit,
/// or the error that an input carries.
pub fn whiten<E: Float>(k_zz: &Value<E>, k_xz: &Value<E>, jitter: f64) -> Result<(Value<E>, f64)> {
    let (lhs, rhs) = (*k_zz.check()?.dims(), *k_xz.check()?.dims());
    let order = match *lhs {
        [rows, columns] if rows == columns => rows,
        _ => return Err(Error::Shape { op: "whiten", expected: "[M, M]".into(), got: lhs }),
    };
    if !matches!(*rhs, [_, columns] if columns == order) {
        return Err(Error::Broadcast { op: "whiten", lhs, rhs });
    }
    let outcome = Rc::new(Cell::new(Outcome::Failed(0)));
    let a = apply(Whiten { order, jitter, outcome: outcome.clone() }, &[k_zz, k_xz], rhs);
    match outcome.get() {
        Outcome::Raised(jitter) => Ok((a, jitter)),
        Outcome::Failed(minor) => Err(Error::NotPositiveDefinite { op: "whiten", minor }),
    }
}

/// `max(k_b - Σ_i A_bi², ε k_b) + Σ_i A_bi² w_iu`; inputs: `A`, `w`, `k`.
#[derive(Debug)]
struct MarginalVariance {
    order: usize,
    units: usize,
}

impl MarginalVariance {
    fn kernel<'a, E: Float>(&self, inputs: &[&'a [E]]) -> Option<MarginalVariances<'a, E>> {
        let &Self { order, units } = self;
        let &[a, w, k] = inputs else { return None };
        (units > 0).then_some(MarginalVariances { order, units, a, w, k })
    }
}

impl<E: Float> Op<E> for MarginalVariance {
    fn name(&self) -> &'static str {
        "marginal variances"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        if let Some(kernel) = self.kernel(inputs) {
            kernel.forward(out);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let Some(kernel) = self.kernel(pass.inputs) else { return };
        let grad_out = pass.grad_out;
        let mut slots = pass.grads().map(|slot| slot.map(GradSlot::gradient));
        let mut next = || slots.next().flatten();
        kernel.backward(grad_out, MarginalGradients { a: next(), w: next(), k: next() });
    }
}

/// The variances of a Gaussian process's outputs, `[N, units]`, from `A` of [`whiten`], `[N, M]`, the variances of the
/// whitened inducing outputs, `[M, units]`, and the variance of the process at each point, `[N]`:
/// `max(k_n - Σ_i A_ni², ε k_n) + Σ_i A_ni² w_iu`, where `ε` is the rounding of the precision.
///
/// # Errors
/// [`Error::Broadcast`] if the shapes do not fit, or the error that an input carries.
pub fn marginal_variance<E: Float>(a: &Value<E>, w: &Value<E>, k: &Value<E>) -> Result<Value<E>> {
    let (lhs, rhs, diagonal) = (*a.check()?.dims(), *w.check()?.dims(), *k.check()?.dims());
    let (&[rows, order], &[own, units]) = (&*lhs, &*rhs) else {
        return Err(Error::Broadcast { op: "marginal variances", lhs, rhs });
    };
    if own != order || order == 0 {
        return Err(Error::Broadcast { op: "marginal variances", lhs, rhs });
    }
    if *diagonal != [rows] {
        return Err(Error::Broadcast { op: "marginal variances", lhs, rhs: diagonal });
    }
    Ok(apply(MarginalVariance { order, units }, &[a, w, k], Dims::vector(rows).with_last(units)))
}

#[cfg(test)]
#[path = "covariance_tests.rs"]
mod tests;
