//! The weight of a mean-field layer: a draw from its normal posterior and the divergence from the prior.
//!
//! The posterior of a weight tensor is `q = N(loc, softplus(raw_scale) + 1e-7)`, element by element. The prior is a
//! normal whose parameters are scalars, the end of the weight's shape, or tensors of its shape; they may be on the tape,
//! which is empirical Bayes.
//!
//! A draw and its divergence read the same parameters, so one pass computes both, and one pass their gradients, though
//! an operation has one output: the divergence is recorded as an operation on the draw. It hands out the number that
//! the draw computed on the way, and in the backward pass, where it comes first, it leaves its own gradient to the
//! draw. It is an input of no gradient: one that nothing else asked for is zero, and the draw's backward pass
//! happens in any case.

use std::cell::Cell;
use std::rc::Rc;

use super::elementwise::repeats;
use super::loops::{UnaryFn, map, map_grad};
use crate::error::{Error, Result};
pub use crate::kernels::fused::DrawAround;
use crate::kernels::fused::{MeanField, MeanFieldGradients, SCALE_FLOOR};
use crate::kernels::{Arch, Key, Real, math};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Buffer, Dims, Float, GradSlot, Keep, Op, Value};

/// What a draw and its divergence tell one another.
#[derive(Debug, Default)]
struct Shared {
    /// From the draw, going forward.
    kl: Cell<f64>,
    /// To the draw, going back; taken by it.
    grad_kl: Cell<f64>,
}

/// A draw from the posterior of a weight, and with a prior among the inputs, on the way, the divergence.
#[derive(Debug)]
struct Draw {
    key: Key,
    around: DrawAround,
    shared: Rc<Shared>,
}

/// The posterior of the inputs `[loc, raw_scale]` or `[loc, raw_scale, prior_loc, prior_scale]`.
fn posterior<'a, E: Float>(inputs: &[&'a [E]], noise: Option<(Key, DrawAround)>) -> MeanField<'a, E> {
    let prior = match *inputs {
        [_, _, loc, scale] => Some([loc.into(), scale.into()]),
        _ => None,
    };
    MeanField { loc: inputs[0], raw_scale: inputs[1], prior, noise }
}

/// The backward pass of a draw (if there is a gradient by it) and of the divergence.
fn back<E: Float>(pass: &mut Backward<'_, E>, of: MeanField<'_, E>, of_draw: Option<[&[E]; 2]>, grad_kl: E) {
    let len = of.loc.len();
    let mut slots = pass.grads();
    let mut next = || slots.next().flatten();
    let (mut loc, mut raw_scale, prior_loc, prior_scale) = (next(), next(), next(), next());
    // A parameter that several weights share has its gradient gathered from a table of all of them.
    let table = |slot: &Option<GradSlot<'_, E>>| {
        slot.as_ref().filter(|slot| slot.len() > 1).map(|_| Buffer::<E>::zeros(len))
    };
    let mut tables = [table(&prior_loc), table(&prior_scale)];
    let [by_prior_loc, by_prior_scale] = &mut tables;
    let sums = of.backward(
        of_draw,
        grad_kl,
        MeanFieldGradients {
            loc: loc.take().map(GradSlot::gradient),
            raw_scale: raw_scale.take().map(GradSlot::gradient),
            prior_sums: prior_loc.is_some() || prior_scale.is_some(),
            prior_loc: by_prior_loc.as_deref_mut(),
            prior_scale: by_prior_scale.as_deref_mut(),
        },
    );
    for ((slot, sum), table) in [prior_loc, prior_scale].into_iter().zip(sums).zip(tables) {
        match (slot.map(GradSlot::add), table) {
            (Some([grad]), _) => *grad += E::from_f64(sum),
            (Some(grad), Some(table)) => table
                .chunks(grad.len())
                .for_each(|terms| grad.iter_mut().zip(terms).for_each(|(grad, &term)| *grad += term)),
            _ => {}
        }
    }
}

impl<E: Float> Op<E> for Draw {
    fn name(&self) -> &'static str {
        "a normal draw"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let noise = Some((self.key, self.around));
        self.shared.kl.set(posterior(inputs, noise).forward(Some(out)));
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let of = posterior(pass.inputs, Some((self.key, self.around)));
        let of_draw = [pass.out, pass.grad_out];
        back(pass, of, Some(of_draw), E::from_f64(self.shared.grad_kl.take()));
    }
}

/// The divergence that a draw, the only input, has computed.
#[derive(Debug)]
struct DivergenceOfDraw {
    shared: Rc<Shared>,
}

impl<E: Float> Op<E> for DivergenceOfDraw {
    fn name(&self) -> &'static str {
        "the divergence of a normal posterior"
    }

    fn forward(&self, _: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        out[0] = E::from_f64(self.shared.kl.get());
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        self.shared.grad_kl.set(pass.grad_out[0].to_f64());
    }
}

/// The divergence without a draw.
#[derive(Debug)]
struct Divergence;

impl<E: Float> Op<E> for Divergence {
    fn name(&self) -> &'static str {
        "the divergence of a normal posterior"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        out[0] = E::from_f64(posterior(inputs, None).forward(None));
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (of, grad_kl) = (posterior(pass.inputs, None), pass.grad_out[0]);
        back(pass, of, None, grad_kl);
    }
}

fn check_posterior<E: Float>([loc, raw_scale]: [&Value<E>; 2]) -> Result<Dims> {
    let (dims, got) = (*loc.check()?.dims(), *raw_scale.check()?.dims());
    if dims == got {
        return Ok(dims);
    }
    Err(Error::Shape {
        op: "a normal posterior",
        expected: format!("{dims}, the shape of its loc, for its raw scale"),
        got,
    })
}

fn check_prior<E: Float>(dims: &Dims, [loc, scale]: [&Value<E>; 2]) -> Result<()> {
    for param in [loc, scale] {
        let got = *param.check()?.dims();
        if !repeats(&got, dims) {
            let expected = format!("[] or the end of {dims}, the shape of the posterior");
            return Err(Error::Shape { op: "a normal prior", expected, got });
        }
    }
    match scale.peek()?.iter().find(|scale| !(**scale > E::ZERO && scale.is_finite())) {
        None => Ok(()),
        Some(got) => {
            let (name, must_be) = ("scale", "positive and finite");
            Err(Error::Parameter { of: "a normal prior", name, must_be, got: got.to_string() })
        }
    }
}

/// A draw from `q = N(loc, softplus(raw_scale) + 1e-7)` in the shape of its two parameters, with gradients to both
/// (Kingma and Welling 2014, section 2.4), or the centred draw of [`DrawAround::Zero`].
///
/// The noise is a function of the key: one key gives one draw.
///
/// # Errors
/// [`Error::Shape`] unless both parameters have one shape, or the error that one of them carries.
///
/// # Examples
/// ```
/// use ed::ops::{DrawAround, normal_draw};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (loc, raw_scale) = (Var::from([1.0f64, 2.0]), Var::from([-40.0, -40.0]));
/// let draw = normal_draw([loc.value(), raw_scale.value()], DrawAround::Loc, Key::new(0))?;
/// let off = draw.as_slice()?[1] - 2.0; // within the least scale, 1e-7, of the location
/// assert!(off != 0.0 && off.abs() < 1e-6);
/// # Ok(()) }
/// ```
pub fn normal_draw<E: Float>(q: [&Value<E>; 2], around: DrawAround, key: Key) -> Result<Value<E>> {
    let dims = check_posterior(q)?;
    Ok(apply(Draw { key, around, shared: Rc::default() }, &q, dims))
}

/// A draw as [`normal_draw`] makes it, and `KL(q ‖ N(prior_loc, prior_scale))` summed over all weights, in nats:
/// `Σ ln(prior_scale / scale) + (scale² + (loc - prior_loc)²) / (2 prior_scale²) - ½`. Both come from one pass over the
/// parameters, as do their gradients, which reach the parameters of the prior too.
///
/// Each parameter of the prior is a scalar, the end of the shape of the posterior, or of all of it.
///
/// # Errors
/// As [`normal_draw`]; [`Error::Shape`] for a prior that does not fit; [`Error::Parameter`] for a prior whose scale is
/// not positive and finite.
///
/// # Examples
/// ```
/// use ed::ops::{DrawAround, normal_draw_and_kl};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (loc, raw_scale) = (Var::from([0.0f64, 0.0]), Var::from([0.541324855, 0.541324855])); // softplus gives 1
/// let prior = (Var::<(), f64>::scalar(0.0), Var::<(), f64>::scalar(1.0));
/// let (q, prior) = ([loc.value(), raw_scale.value()], [prior.0.value(), prior.1.value()]);
/// let (weight, kl) = normal_draw_and_kl(q, prior, DrawAround::Loc, Key::new(0))?;
/// assert_eq!(weight.dims(), loc.value().dims());
/// assert!(kl.as_slice()?[0].abs() < 1e-12); // the posterior is the prior
/// # Ok(()) }
/// ```
pub fn normal_draw_and_kl<E: Float>(
    q: [&Value<E>; 2],
    prior: [&Value<E>; 2],
    around: DrawAround,
    key: Key,
) -> Result<(Value<E>, Value<E>)> {
    let dims = check_posterior(q)?;
    check_prior(&dims, prior)?;
    let shared = Rc::new(Shared::default());
    let draw = apply(Draw { key, around, shared: shared.clone() }, &[q[0], q[1], prior[0], prior[1]], dims);
    let kl = apply(DivergenceOfDraw { shared }, &[&draw], Dims::SCALAR);
    Ok((draw, kl))
}

/// The divergence of [`normal_draw_and_kl`] alone, for layers that need no draw of their weights.
///
/// # Errors
/// As [`normal_draw_and_kl`].
///
/// # Examples
/// ```
/// use ed::ops::normal_raw_kl;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (loc, raw_scale) = (Var::from([3.0f64]), Var::from([0.541324855])); // N(3, 1)
/// let (zero, one) = (Var::<(), f64>::scalar(0.0), Var::<(), f64>::scalar(1.0));
/// let kl = normal_raw_kl([loc.value(), raw_scale.value()], [zero.value(), one.value()])?;
/// assert!((kl.as_slice()?[0] - 4.5).abs() < 1e-6);
/// # Ok(()) }
/// ```
pub fn normal_raw_kl<E: Float>(q: [&Value<E>; 2], prior: [&Value<E>; 2]) -> Result<Value<E>> {
    let dims = check_posterior(q)?;
    check_prior(&dims, prior)?;
    Ok(apply(Divergence, &[q[0], q[1], prior[0], prior[1]], Dims::SCALAR))
}

/// `(softplus(x) + 1e-7)^n` for `n` of 1 or 2.
#[derive(Clone, Copy, Debug)]
struct ScalePower {
    squared: bool,
}

impl UnaryFn for ScalePower {
    const NAME: &'static str = "the scale of a normal posterior";

    #[inline(always)]
    fn f<A: Arch, T: Real>(self, x: T) -> T {
        let scale = math::softplus::<A, T>(x) + T::from_f64(SCALE_FLOOR);
        if self.squared { scale * scale } else { scale }
    }

    #[inline(always)]
    fn df<A: Arch, T: Real>(self, x: T, y: T) -> T {
        let slope = math::sigmoid::<A, T>(x);
        if self.squared { T::TWO * y.sqrt() * slope } else { slope }
    }
}

impl<E: Float> Op<E> for ScalePower {
    fn name(&self) -> &'static str {
        <ScalePower as UnaryFn>::NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        map(*self, inputs[0], out);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, y, g) = (pass.inputs[0], pass.out, pass.grad_out);
        if let Some(slot) = pass.grad(0) {
            let fresh = slot.is_fresh();
            map_grad(*self, x, y, g, slot.raw(), fresh);
        }
    }
}

/// The scale of the posterior of [`normal_draw`]: `softplus(raw_scale) + 1e-7`, element by element.
pub fn normal_raw_scale<E: Float>(raw_scale: &Value<E>) -> Value<E> {
    apply(ScalePower { squared: false }, &[raw_scale], *raw_scale.dims())
}

/// The variance of the posterior of [`normal_draw`]: the square of [`normal_raw_scale`], in one pass.
pub fn normal_raw_variance<E: Float>(raw_scale: &Value<E>) -> Value<E> {
    apply(ScalePower { squared: true }, &[raw_scale], *raw_scale.dims())
}

#[cfg(test)]
#[path = "belief_tests.rs"]
mod tests;
