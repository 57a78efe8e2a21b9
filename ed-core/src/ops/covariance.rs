//! Covariance matrices of Gaussian processes, and what is made of them, as single operations.

use std::cell::Cell;
use std::rc::Rc;

use crate::error::{Error, Result};
pub use crate::kernels::covariance::Profile;
use crate::kernels::covariance::Stationary;
use crate::kernels::linalg::{LinalgError, Transpose};
use crate::kernels::{matmul::matmul, reduce, whiten as kernel};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Buffer, Dims, Float, GradSlot, Keep, Op, Value};

/// Adds numbers to a gradient, or writes them if it is fresh.
fn accumulate<E: Float>(slot: GradSlot<'_, E>, terms: &[E]) {
    match slot.is_fresh() {
        true => slot.raw().copy_from_slice(terms),
        false => slot.raw().iter_mut().zip(terms).for_each(|(grad, &term)| *grad += term),
    }
}

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
        let squares = keeps.then(|| {
            let saved = keep.saved();
            saved.resize(out.len(), E::ZERO);
            saved.as_mut_slice()
        });
        self.stationary(inputs).forward(out, squares);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let [lengthscale, variance, alpha] = self.places();
        let (inputs, out, saved, grad_out) = (pass.inputs, pass.out, pass.saved, pass.grad_out);
        let mut slots = pass.grads().collect::<Vec<_>>();
        let wants = [slots[0].is_some(), self.with_z && slots[1].is_some()];
        let found = self.stationary(inputs).backward(out, saved, grad_out, wants);
        for (place, gradient) in [(0, found.x), (1, found.z)] {
            let Some(gradient) = gradient else { continue };
            if let Some(slot) = slots[place].take() {
                accumulate(slot, &gradient);
            }
        }
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
        let jitter = E::from_f64(self.jitter);
        let run = |factor: &mut [E], out: &mut [E]| {
            let outcome = kernel::whiten(self.order, inputs[0], jitter, inputs[1], factor, out);
            if let Err(LinalgError::NotPositiveDefinite { minor, .. }) = outcome {
                self.failed.set(minor);
                // On a tape that runs again: NaN turns the point down.
                out.fill(E::NAN);
            }
        };
        if keep.wants_any() {
            let saved = keep.saved();
            saved.resize(inputs[0].len(), E::ZERO);
            run(saved, out);
        } else {
            run(&mut Buffer::scratch(inputs[0].len()), out);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (factor, sides) = (pass.saved, (pass.out, pass.grad_out));
        let [mut of_zz, mut of_xz] = [Buffer::scratch(factor.len()), Buffer::scratch(pass.out.len())];
        let mut slots = pass.grads();
        let (zz, xz) = (slots.next().flatten(), slots.next().flatten());
        let by_zz = zz.is_some().then_some(&mut *of_zz);
        let by_xz = xz.is_some().then_some(&mut *of_xz);
        let outcome = kernel::whiten_backward(self.order, factor, sides, by_zz, by_xz);
        debug_assert!(outcome.is_ok(), "{outcome:?}");
        for (slot, terms) in [(zz, of_zz), (xz, of_xz)] {
            if let Some(slot) = slot {
                accumulate(slot, &terms);
            }
        }
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
    /// What the inducing outputs leave open at each point, not below 0.
    fn residual<E: Float>(&self, a: &[E], k: &[E]) -> impl Iterator<Item = E> {
        let residual = |(row, &k): (&[E], &E)| {
            let residual = k - reduce::sum_sq(row);
            if residual < E::ZERO { E::ZERO } else { residual }
        };
        a.chunks_exact(self.order).zip(k).map(residual)
    }
}

fn fits(outcome: Result<(), LinalgError>) {
    debug_assert!(outcome.is_ok(), "{outcome:?}");
}

impl<E: Float> Op<E> for MarginalVariance {
    fn name(&self) -> &'static str {
        "marginal variances"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let &[a, w, k] = inputs else { return };
        let squares: Buffer<E> = squared(a);
        let sizes = [k.len(), self.order, self.units];
        let sides = ((&*squares, Transpose::No), (w, Transpose::No));
        fits(matmul(sizes, E::ONE, sides.0, sides.1, E::ZERO, out));
        for (row, residual) in out.chunks_exact_mut(self.units.max(1)).zip(self.residual(a, k)) {
            row.iter_mut().for_each(|out| *out += residual);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (grad_out, &Self { order, units }) = (pass.grad_out, self);
        let &[a, w, k] = pass.inputs else { return };
        let rows = k.len();
        // The gradient by what is left open, where it is not cut off at 0.
        let by_rest: Vec<E> = grad_out
            .chunks_exact(units.max(1))
            .zip(self.residual(a, k))
            .map(|(g, rest)| if rest > E::ZERO { reduce::sum(g) } else { E::ZERO })
            .collect();
        if let Some(slot) = pass.grad(0) {
            let mut weights = Buffer::scratch(rows * order);
            let sides = ((grad_out, Transpose::No), (w, Transpose::Yes));
            fits(matmul([rows, units, order], E::TWO, sides.0, sides.1, E::ZERO, &mut weights));
            let fresh = slot.is_fresh();
            let lines = slot.raw().chunks_exact_mut(order).zip(a.chunks_exact(order));
            for ((grad, a), (weights, &rest)) in lines.zip(weights.chunks_exact(order).zip(&by_rest)) {
                let terms = a.iter().zip(weights).map(|(&a, &weight)| a * (weight - E::TWO * rest));
                let pairs = grad.iter_mut().zip(terms);
                match fresh {
                    true => pairs.for_each(|(grad, term)| *grad = term),
                    false => pairs.for_each(|(grad, term)| *grad += term),
                }
            }
        }
        if let Some(slot) = pass.grad(1) {
            let squares: Buffer<E> = squared(a);
            let beta = if slot.is_fresh() { E::ZERO } else { E::ONE };
            let sides = ((&*squares, Transpose::Yes), (grad_out, Transpose::No));
            fits(matmul([order, rows, units], E::ONE, sides.0, sides.1, beta, slot.raw()));
        }
        if let Some(slot) = pass.grad(2) {
            accumulate(slot, &by_rest);
        }
    }
}

fn squared<E: Float>(a: &[E]) -> Buffer<E> {
    let mut squares = Buffer::scratch(a.len());
    squares.iter_mut().zip(a).for_each(|(square, &a)| *square = a * a);
    squares
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
