//! A distribution pushed through a bijector.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ed::bijectors::{Affine, Bijector, Chain, Exp, Ordered, Power, StickBreaking};

use ed::prelude::*;
use ed::tensor::Value;

use super::golden::close;

type Erased = dyn ed::distributions::erased::AnyDistribution;
type Matrix = Var<(usize, usize), f64>;

/// `y = scale x`, which counts how often it is inverted.
#[derive(Debug)]
struct Counting {
    map: Affine<f64>,
    inversions: Arc<AtomicUsize>,
}

impl Counting {
    fn new(scale: &Var<(), f64>) -> (Counting, Arc<AtomicUsize>) {
        let inversions = Arc::new(AtomicUsize::new(0));
        let map = Affine::new(Value::scalar(0.0), scale.value().clone());
        (Counting { map, inversions: inversions.clone() }, inversions)
    }
}

impl Bijector<f64> for Counting {
    fn forward_and_log_det(&self, x: &Value<f64>) -> Result<(Value<f64>, Value<f64>)> {
        self.map.forward_and_log_det(x)
    }

    fn inverse_and_log_det(&self, y: &Value<f64>) -> Result<(Value<f64>, Value<f64>)> {
        self.inversions.fetch_add(1, Ordering::Relaxed);
        self.map.inverse_and_log_det(y)
    }
}

#[test]
fn the_exponential_of_a_normal_number_is_log_normal() -> Result<()> {
    let (loc, scale) = (Var::from([0.5, -1.0, 3.0, 0.0]), Var::from([2.0, 0.1, 0.9, 1.0]));
    let x = Var::from([1.3, 0.4, 25.0, -0.5]);
    let known = LogNormal::new(&loc, &scale)?;
    let made = Transformed::new(Normal::new(&loc, &scale)?, Exp)?;
    let (got, expected) = (made.log_prob(&x)?.to_vec()?, known.log_prob(&x)?.to_vec()?);
    assert!(got.iter().zip(&expected).all(|(a, b)| close(*a, *b, 1e-13)), "{got:?}, not {expected:?}");
    assert_eq!(got[3], f64::NEG_INFINITY);
    assert_eq!(made.log_prob_sum(&x)?.item()?, f64::NEG_INFINITY);
    assert!(matches!(made.support(), Constraint::Positive));
    assert_eq!(made.sample(Key::new(1))?.to_vec()?, known.sample(Key::new(1))?.to_vec()?);
    let erased: &Erased = &made;
    assert_eq!(erased.name(), "Transformed");
    assert!(erased.is_pathwise() && !erased.is_discrete());
    assert!(matches!(erased.check(&x.clone().into()), Err(Error::Value { .. })));
    assert!(matches!(made.mean(), Err(Error::Undefined { .. })));
    // Gradients by the value and by the parameters, inside of the support.
    let tape = Tape::of();
    let [x, loc] = [&Var::from([1.3, 0.4, 25.0]), &Var::from([0.5, -1.0, 3.0])].map(|x| tape.watch(x));
    let by_map = Transformed::new(Normal::new(&loc, 0.7)?, Exp)?.log_prob_sum(&x)?.backward()?;
    let tape = Tape::of();
    let twins = [&x, &loc].map(|x| tape.watch(&x.detach()));
    let by_hand = LogNormal::new(&twins[1], 0.7)?.log_prob_sum(&twins[0])?.backward()?;
    for (ours, twin) in [&x, &loc].into_iter().zip(&twins) {
        let (got, expected) = (by_map.get(ours)?.to_vec()?, by_hand.get(twin)?.to_vec()?);
        assert!(got.iter().zip(&expected).all(|(a, b)| close(*a, *b, 1e-13)), "{got:?}, not {expected:?}");
    }
    Ok(())
}

#[test]
fn axes_that_are_mapped_jointly_become_event_axes() -> Result<()> {
    let table = |x: &[f64], rows: usize| Matrix::from_vec(x.to_vec(), (rows, x.len() / rows));
    // Ordered pairs: y = (x1, x1 + e^x2), with ln |det| = x2.
    let made = Transformed::last(Normal::standard((2usize, 2usize))?, Ordered)?;
    assert_eq!((made.batch_shape(), made.shape()), ((2,), (2, 2)));
    let y = table(&[0.3, 1.3, -1.0, 1.0], 2)?;
    let normal = |x: f64| -0.5 * x * x - 0.5 * std::f64::consts::TAU.ln();
    let ln2 = 2f64.ln();
    let expected = [normal(0.3) + normal(0.0), normal(-1.0) + normal(ln2) - ln2];
    let got: Var<(usize,), f64> = made.log_prob(&y)?;
    assert!(got.to_vec()?.iter().zip(expected).all(|(a, b)| close(*a, b, 1e-14)), "{got}, not {expected:?}");
    let again: &Erased = &made;
    assert_eq!(again.log_prob(&(&y).into())?.to_vec()?, got.to_vec()?);
    assert!(close(made.log_prob_sum(&y)?.item()?, expected.iter().sum(), 1e-14));
    assert_eq!(made.log_prob(&table(&[1.0, 0.0, -1.0, 1.0], 2)?)?.to_vec()?[0], f64::NEG_INFINITY);
    // A second elementwise map keeps the batch; the type may also make every axis an event axis.
    let shifted = || Affine::new(Value::scalar(1.0), Value::scalar(2.0));
    let twice = Transformed::new(made.clone(), shifted())?;
    let moved = (&y * 2.0 + 1.0).check()?;
    let (got, before) = (twice.log_prob(&moved)?.to_vec()?, made.log_prob(&y)?.to_vec()?);
    assert!(got.iter().zip(before).all(|(a, b)| close(*a, b - 2.0 * ln2, 1e-13)), "{got:?}");
    let joint = Transformed::<_, (usize, usize), ()>::typed(made, Arc::new(shifted()))?;
    assert!(close(joint.log_prob(&moved)?.item()?, got.iter().sum(), 1e-14));
    // Sizes may change: three weights from two numbers.
    let weights = Transformed::<_, (usize, usize), (usize,)>::typed(
        Normal::<(), f64>::standard((5usize, 2usize))?,
        Arc::new(StickBreaking),
    )?;
    let draw = weights.sample(Key::new(3))?;
    assert_eq!(draw.shape(), &(5, 3));
    assert!(draw.sum_last().to_vec()?.iter().all(|sum| close(*sum, 1.0, 1e-14)));
    assert_eq!(weights.log_prob(&draw)?.shape(), &(5,));
    Ok(())
}

#[test]
fn the_value_that_a_map_gave_is_not_mapped_back() -> Result<()> {
    let tape = Tape::of();
    let scale = tape.watch(&Var::scalar(2.0));
    let (map, inversions) = Counting::new(&scale);
    let made = Transformed::new(Normal::new(Var::from([0.3, -0.4]), 1.0)?, map)?;
    let (y, log_prob) = made.sample_with_log_prob(Key::new(1))?;
    let erased: &Erased = &made.clone();
    let summed = erased.log_prob_sum(&(&y).into())?;
    assert_eq!(inversions.load(Ordering::Relaxed), 0);
    assert!(close(summed.item()?, log_prob.sum().item()?, 1e-14));
    // The same numbers off the tape are another value: its density has another gradient.
    let fixed = made.log_prob(&y.detach())?;
    assert_eq!(inversions.load(Ordering::Relaxed), 1);
    assert!(fixed.to_vec()?.iter().zip(log_prob.to_vec()?).all(|(a, b)| close(*a, b, 1e-14)));
    Ok(())
}

#[test]
fn gradients_through_the_pair_are_those_through_the_inverse() -> Result<()> {
    let slope = |through_pair: bool| -> Result<f64> {
        let tape = Tape::of();
        let scale = tape.watch(&Var::scalar(2.0));
        let of = |scale: &Var<(), f64>| -> Result<_> {
            Transformed::new(Normal::new(Var::from([0.3, -0.4]), 1.0)?, Counting::new(scale).0)
        };
        let made = of(&scale)?;
        let y = made.sample(Key::new(1))?;
        let judge = if through_pair { made } else { of(&scale)? };
        judge.log_prob_sum(&y)?.backward()?.get(&scale)?.item()
    };
    assert!(close(slope(true)?, -1.0, 1e-14));
    assert!(close(slope(false)?, -1.0, 1e-14));
    Ok(())
}

#[model]
fn transformed() -> Result<RandomVariable<Transformed<Normal<(usize,), f64>>>> {
    let x = sample(Normal::new(Var::from([0.5, 1.0]), 2.0)?);
    Transformed::of_variable(&x, Arc::new(Exp))
}

#[test]
fn a_transformed_random_variable_is_drawn_once_and_counted_once() -> Result<()> {
    let (outputs, trace) = seed(4, || tape(&transformed))?;
    assert_eq!(trace.sites().len(), 1);
    let x = trace.required("x")?.value()?.to_vec()?;
    assert_eq!(outputs.to_vec()?, x.iter().map(|x| x.exp()).collect::<Vec<_>>());
    let alone = Normal::new(Var::from([0.5, 1.0]), 2.0)?.log_prob_sum(&Var::from(x.clone()))?.item()?;
    assert!(close(trace.log_prob()?.item()?, alone, 1e-14));
    let density = outputs.distribution().log_prob_sum(outputs.var())?.item()?;
    assert!(close(density, alone - x.iter().sum::<f64>(), 1e-12));
    assert!(outputs.name().is_none());
    Ok(())
}

#[test]
fn affine_maps_keep_the_closed_forms() -> Result<()> {
    let map = || Affine::new(Value::scalar(1.0), Value::scalar(-3.0));
    let made = Transformed::new(Normal::new(Var::from([0.5, 2.0]), 2.0)?, map())?;
    let known = Normal::new(Var::from([-0.5, -5.0]), 6.0)?;
    let pairs = [
        (made.mean()?, known.mean()?),
        (made.variance()?, known.variance()?),
        (made.entropy()?, known.entropy()?),
        (made.log_prob(&Var::from([1.0, 0.0]))?, known.log_prob(&Var::from([1.0, 0.0]))?),
    ];
    for (got, expected) in pairs {
        let terms = got.to_vec()?.into_iter().zip(expected.to_vec()?);
        assert!(terms.into_iter().all(|(a, b)| close(a, b, 1e-13)), "{got}, not {expected}");
    }
    assert!(matches!(made.support(), Constraint::Real));
    let both = Transformed::new(Normal::new(0.5, 2.0)?, Chain::new(vec![Box::new(map()), Box::new(Exp)]))?;
    assert!(matches!(both.support(), Constraint::Positive));
    assert!(both.entropy().is_err() && both.log_prob(&Var::<(), f64>::scalar(2.0))?.item()?.is_finite());
    Ok(())
}

#[test]
fn a_support_without_a_name_is_the_image_of_the_base() -> Result<()> {
    // 1 / Gamma is inverse gamma.
    let made = Transformed::new(Gamma::new(Var::from([5.0, 12.0]), 0.7)?, Power::reciprocal())?;
    let known = InverseGamma::new(Var::from([5.0, 12.0]), 0.7)?;
    let y = Var::from([0.2, 0.05]);
    let (got, expected) = (made.log_prob(&y)?.to_vec()?, known.log_prob(&y)?.to_vec()?);
    assert!(got.iter().zip(&expected).all(|(a, b)| close(*a, *b, 1e-12)), "{got:?}, not {expected:?}");
    let erased: &Erased = &made;
    erased.check(&(&y).into())?;
    assert!(erased.check(&Var::from([0.2, -0.05]).into()).is_err());
    let free = erased.unconstrain(&(&y).into())?;
    let (back, _) = erased.constrain(&free)?;
    assert!(back.to_vec()?.iter().zip(y.to_vec()?).all(|(a, b)| close(*a, b, 1e-13)));
    Ok(())
}

#[test]
fn refuses_what_it_cannot_transform() -> Result<()> {
    let whole = Transformed::new(Poisson::new(Var::from([1.0f64]))?, Exp);
    assert!(matches!(whole.err(), Some(Error::Undefined { .. })));
    let joint = Transformed::new(Normal::<(), f64>::standard((3usize,))?, Ordered);
    assert!(matches!(joint.err(), Some(Error::Shape { .. })));
    let longer = Transformed::last(Normal::<(), f64>::standard((Const::<3>,))?, StickBreaking);
    assert!(matches!(longer.err(), Some(Error::Shape { .. })));
    let scalar = Transformed::<_, (), ()>::typed(Normal::<(), f64>::standard(())?, Arc::new(Ordered));
    assert!(matches!(scalar.err(), Some(Error::Shape { .. })));
    let value = RandomVariable::of(Normal::<(), f64>::standard((3usize,))?, Var::from([1.0, 2.0]));
    assert!(matches!(value.err(), Some(Error::Shape { .. })));
    Ok(())
}
