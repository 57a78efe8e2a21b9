//! Covariance matrices of Gaussian processes, and what is made of them, as single operations.

use std::cell::Cell;
use std::rc::Rc;

use crate::error::{Error, Result};
pub use crate::kernels::covariance::Profile;
use crate::kernels::covariance::{Matrix, PointGradients, Stationary};
use crate::kernels::linalg::LinalgError;
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
    /// The order of the minor that is not positive, 0 if there is none: from the forward pass to who applied it.
    failed: Rc<Cell<usize>>,
}

impl<E: Float> Op<E> for Whiten {
    fn name(&self) -> &'static str {
        "whiten"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let (k_zz, jitter) = (inputs[0], E::from_f64(self.jitter));
        let mut factor = Buffer::scratch(k_zz.len());
        let inverse = if keep.wants_any() { Some(keep.saved_scratch(k_zz.len())) } else { None };
        let target = Whitened { a: &mut *out, factor: &mut factor, inverse };
        let outcome = kernel::whiten(self.order, (k_zz, jitter), inputs[1], target);
        if let Err(LinalgError::NotPositiveDefinite { minor, .. }) = outcome {
            self.failed.set(minor);
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

/// `A = K_xz L⁻ᵀ`, `[N, M]`, from `K_zz`, `[M, M]` and symmetric, and `K_xz`, `[N, M]`, where `L Lᵀ = K_zz + jitter I`:
/// the covariances of the points with the whitened inducing outputs.
///
/// The gradient by `K_zz` is spread evenly over both triangles.
///
/// # Errors
/// [`Error::NotPositiveDefinite`] (NaN included), [`Error::Shape`] or [`Error::Broadcast`] if the matrices do not fit,
/// or the error that an input carries.
pub fn whiten<E: Float>(k_zz: &Value<E>, k_xz: &Value<E>, jitter: f64) -> Result<Value<E>> {
    let (lhs, rhs) = (*k_zz.check()?.dims(), *k_xz.check()?.dims());
    let order = match *lhs {
        [rows, columns] if rows == columns => rows,
        _ => return Err(Error::Shape { op: "whiten", expected: "[M, M]".into(), got: lhs }),
    };
    if !matches!(*rhs, [_, columns] if columns == order) {
        return Err(Error::Broadcast { op: "whiten", lhs, rhs });
    }
    let failed = Rc::new(Cell::new(0));
    let a = apply(Whiten { order, jitter, failed: failed.clone() }, &[k_zz, k_xz], rhs);
    match failed.get() {
        0 => Ok(a),
        minor => Err(Error::NotPositiveDefinite { op: "whiten", minor }),
    }
}

/// `max(k_b - Σ_i A_bi², 0) + Σ_i A_bi² w_iu`; inputs: `A`, `w`, `k`.
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
/// `max(k_n - Σ_i A_ni², 0) + Σ_i A_ni² w_iu`.
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
mod tests {
    use super::*;
    use crate::ops::test_gradients::{assert_close, assert_slopes, gradients_of, wave, weighted_sum};

    const PROFILES: [Profile; 5] = [
        Profile::ExponentiatedQuadratic,
        Profile::Matern12,
        Profile::Matern32,
        Profile::Matern52,
        Profile::RationalQuadratic,
    ];

    fn numbers<E: Float>(inputs: &[Value<E>]) -> Hyperparameters<'_, E> {
        Hyperparameters { lengthscale: &inputs[0], variance: &inputs[1], alpha: Some(&inputs[2]) }
    }

    fn inputs<E: Float>(lengthscales: &[usize]) -> Vec<Value<E>> {
        vec![
            wave(&[5, 3], 0.1, -1.0, 1.0),
            wave(&[4, 3], 1.7, -2.0, 1.0),
            wave(lengthscales, 0.6, 0.7, 1.5),
            wave(&[], 0.2, 0.5, 2.0),
            wave(&[], 0.9, 0.5, 2.0),
        ]
    }

    #[test]
    fn every_gradient_of_a_covariance_matrix_is_its_slope() {
        for profile in PROFILES {
            for lengthscales in [&[][..], &[3]] {
                let inputs = inputs(lengthscales);
                let cross = |v: &[Value<f64>]| {
                    let matrix = stationary_covariance(profile, &v[0], Some(&v[1]), numbers(&v[2..]))?;
                    Ok(weighted_sum(&matrix))
                };
                assert_slopes(cross, &inputs, 1e-7);
                let own = |v: &[Value<f64>]| {
                    Ok(weighted_sum(&stationary_covariance(profile, &v[0], None, numbers(&v[1..]))?))
                };
                let own_inputs: Vec<_> = [0, 2, 3, 4].map(|i| inputs[i].clone()).to_vec();
                assert_slopes(own, &own_inputs, 1e-7);
            }
        }
    }

    #[test]
    fn single_precision_gives_the_gradients_of_double_precision() {
        fn gradients<E: Float>(profile: Profile) -> Vec<Vec<f64>> {
            let program = |v: &[Value<E>]| {
                let cross = stationary_covariance(profile, &v[0], Some(&v[1]), numbers(&v[2..]))?;
                let own = stationary_covariance(profile, &v[1], None, numbers(&v[2..]))?;
                Ok(weighted_sum(&whiten(&own, &cross, 0.1)?))
            };
            gradients_of(program, &inputs(&[3]))
        }
        for profile in PROFILES {
            assert_close(&gradients::<f32>(profile), &gradients::<f64>(profile), 2e-4);
        }
    }

    #[test]
    fn points_at_one_place_have_the_full_covariance_and_nan_stays() {
        let one = Value::scalar(1.0f32);
        let numbers = Hyperparameters { lengthscale: &one, variance: &one, alpha: None };
        // Far from the origin, where the expansion of the square loses all digits without its centre.
        let x = Value::from_vec(vec![1e4, 1e4, 1e4 + 1.0, f32::NAN], Dims::vector(4).with_last(1)).unwrap();
        let k = stationary_covariance(Profile::ExponentiatedQuadratic, &x.detach(), Some(&x), numbers);
        assert!(k.unwrap().peek().unwrap().iter().all(|k| k.is_nan()), "the centre is NaN");
        let x = Value::from_vec(vec![1e4, 1e4, 1e4 + 1.0], Dims::vector(3).with_last(1)).unwrap();
        let k = stationary_covariance(Profile::ExponentiatedQuadratic, &x, Some(&x), numbers).unwrap();
        let expected = [1.0, 1.0, (-0.5f32).exp()];
        k.peek().unwrap()[..3].iter().zip(expected).for_each(|(k, e)| assert!((k - e).abs() < 1e-6));
    }

    #[test]
    fn refuses_points_and_numbers_that_do_not_fit() {
        let inputs = inputs::<f64>(&[2]);
        let profile = Profile::Matern32;
        let error = stationary_covariance(profile, &inputs[0], None, numbers(&inputs[2..])).unwrap_err();
        assert!(error.to_string().contains("[] or [3] for the lengthscale, got [2]"), "{error}");
        let narrow = wave(&[4, 2], 0.0, 0.0, 1.0);
        let error = stationary_covariance(profile, &inputs[0], Some(&narrow), numbers(&inputs[2..]));
        assert!(error.unwrap_err().to_string().contains("[M, 3]"));
        assert!(stationary_covariance(profile, &inputs[3], None, numbers(&inputs[2..])).is_err());
        assert!(whiten(&narrow, &narrow, 0.0).is_err());
        assert!(marginal_variance(&narrow, &narrow, &narrow).is_err());
    }

    #[test]
    fn whitening_has_the_slopes_of_a_factor_and_a_solve() {
        let program = |v: &[Value<f64>]| {
            let lengthscale = Value::scalar(0.8);
            let variance = Value::scalar(1.3);
            let numbers = Hyperparameters { lengthscale: &lengthscale, variance: &variance, alpha: None };
            let profile = Profile::Matern52;
            let own = stationary_covariance(profile, &v[1], None, numbers)?;
            let cross = stationary_covariance(profile, &v[0], Some(&v[1]), numbers)?;
            Ok(weighted_sum(&whiten(&own, &cross, 0.01)?))
        };
        assert_slopes(program, &inputs(&[])[..2], 1e-6);
    }

    #[test]
    fn marginal_variances_have_their_slopes_and_no_gradient_below_zero() {
        let a = wave(&[4, 3], 0.3, -0.7, 0.7);
        let (w, k) = (wave(&[3, 2], 1.0, 0.1, 1.4), wave(&[4], 0.5, 1.6, 2.0));
        let program = |v: &[Value<f64>]| Ok(weighted_sum(&marginal_variance(&v[0], &v[1], &v[2])?));
        assert_slopes(program, &[a.clone(), w.clone(), k], 1e-8);
        let none = wave(&[4], 0.5, -2.0, -1.0);
        assert_slopes(program, &[a, w, none.clone()], 1e-8);
        let zero = Value::full(0.0, Dims::vector(3).with_last(2));
        let cut = marginal_variance(&wave(&[4, 3], 0.3, -0.7, 0.7), &zero, &none).unwrap();
        assert_eq!(cut.peek().unwrap(), [0.0; 8]);
    }

    #[test]
    fn a_matrix_without_a_factor_is_an_error_that_names_the_minor() {
        let k = Value::from_vec(vec![1.0f64, 2.0, 2.0, 1.0], Dims::vector(2).with_last(2)).unwrap();
        let error = whiten(&k, &k, 0.0).unwrap_err();
        assert!(matches!(error, Error::NotPositiveDefinite { minor: 2, .. }), "{error}");
        assert!(whiten(&k, &k, 1.5).is_ok());
    }
}
