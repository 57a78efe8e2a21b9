//! Draws and divergences against published numbers, finite differences and the moments of normals.

use super::*;
use crate::kernels::parallel::tests::same_for_all_threads;
use crate::ops::test_gradients::{
    assert_close, assert_slopes, gradients_of, moments, vector, wave, weighted_sum,
};
use crate::ops::{elementwise as ew, layout, reduce};
use crate::tensor::Tape;
use crate::tensor::plan::Plan;

const KEY: Key = Key::new(11);

/// The raw scale of a scale.
fn raw(scale: f64) -> f64 {
    (scale - SCALE_FLOOR).exp_m1().ln()
}

fn scalar(x: f64) -> Value<f64> {
    Value::scalar(x)
}

fn number(x: &Value<f64>) -> f64 {
    x.peek().unwrap()[0]
}

/// Edward2's `NormalKLDivergence` and TFP's `kl_divergence`, in double precision.
#[test]
fn the_divergence_is_that_of_edward2() {
    let q = [vector::<f64>(&[0.5, -1.0, 2.0]), vector(&[raw(0.1), raw(0.7), raw(1.5)])];
    let q = [&q[0], &q[1]];
    for (prior, weight, expected) in [([0.0, 1.0], 1.0, 4.753_794_929), ([0.3, 2.0], 0.01, 0.037_544_865)] {
        let [loc, scale] = prior.map(scalar);
        let alone = number(&normal_raw_kl(q, [&loc, &scale]).unwrap());
        let (_, with_draw) = normal_draw_and_kl(q, [&loc, &scale], DrawAround::Zero, KEY).unwrap();
        assert!((weight * alone - expected).abs() < 1e-9, "{alone}");
        assert!((number(&with_draw) - alone).abs() < 1e-12);
    }
}

#[test]
fn the_gradients_are_the_slopes_for_every_loss_and_every_prior() {
    let dims = [3, 4];
    let q = [wave(&dims, 0.1, -1.0, 1.0), wave(&dims, 0.7, -3.0, 2.0)];
    let priors = [
        [scalar(0.3), scalar(1.7)],
        [wave(&[4], 0.2, -0.5, 0.5), wave(&[4], 0.9, 0.5, 2.0)],
        [wave(&dims, 0.2, -0.5, 0.5), scalar(0.8)],
        [scalar(-0.2), wave(&dims, 0.9, 0.5, 2.0)],
    ];
    for [loc, scale] in priors {
        let inputs = [q[0].clone(), q[1].clone(), loc, scale];
        for around in [DrawAround::Loc, DrawAround::Zero] {
            for (draw_share, kl_share) in [(1.0, 0.0), (0.0, 1.0), (0.7, 1.3)] {
                let loss = |x: &[Value<f64>]| {
                    let (draw, kl) = normal_draw_and_kl([&x[0], &x[1]], [&x[2], &x[3]], around, KEY)?;
                    let draw = ew::scale(&weighted_sum(&draw), draw_share);
                    Ok(match (draw_share, kl_share) {
                        (1.0, _) => draw,
                        (0.0, _) => kl,
                        _ => ew::add(&draw, &ew::scale(&kl, kl_share)),
                    })
                };
                assert_slopes(loss, &inputs, 1e-7);
            }
            assert_slopes(
                |x| Ok(weighted_sum(&normal_draw([&x[0], &x[1]], around, KEY)?)),
                &inputs[..2],
                1e-8,
            );
        }
        assert_slopes(|x| normal_raw_kl([&x[0], &x[1]], [&x[2], &x[3]]), &inputs, 1e-7);
    }
}

#[test]
fn gradients_add_to_those_of_other_uses_and_skip_what_is_not_watched() {
    let q = [wave::<f64>(&[300], 0.1, -1.0, 1.0), wave(&[300], 0.7, -3.0, 2.0)];
    let (zero, one) = (scalar(0.0), scalar(1.0));
    let loss = |x: &[Value<f64>], other: bool| {
        let (draw, kl) = normal_draw_and_kl([&x[0], &x[1]], [&zero, &one], DrawAround::Loc, KEY)?;
        let others = ew::add(&weighted_sum(&x[0]), &weighted_sum(&ew::square(&x[1])));
        let own = ew::add(&weighted_sum(&draw), &kl);
        Ok(if other { ew::add(&own, &others) } else { own })
    };
    let own = gradients_of(|x| loss(x, false), &q);
    let both = gradients_of(|x| loss(x, true), &q);
    let others = gradients_of(|x| Ok(ew::add(&weighted_sum(&x[0]), &weighted_sum(&ew::square(&x[1])))), &q);
    let sums: Vec<Vec<f64>> =
        own.iter().zip(&others).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect();
    assert_close(&both, &sums, 1e-12);
    for alone in 0..2 {
        let only = gradients_of(
            |x| {
                let mut inputs = q.clone();
                inputs[alone] = x[0].clone();
                loss(&inputs, false)
            },
            &q[alone..=alone],
        );
        assert_close(&only, &own[alone..=alone], 1e-15);
    }
}

#[test]
fn a_replayed_tape_repeats_draw_and_divergence_at_other_parameters() {
    let program = |x: &Value<f64>| {
        let (loc, raw) = (layout::slice(x, 0, Dims::vector(40)), layout::slice(x, 40, Dims::vector(40)));
        let prior = [scalar(0.1), scalar(1.2)];
        let q = [&loc, &raw];
        let (first, kl) = normal_draw_and_kl(q, [&prior[0], &prior[1]], DrawAround::Loc, KEY).unwrap();
        let (unused, alone) =
            normal_draw_and_kl(q, [&prior[0], &prior[1]], DrawAround::Zero, KEY.fold_in(1)).unwrap();
        let (second, unused_kl) =
            normal_draw_and_kl(q, [&prior[0], &prior[1]], DrawAround::Zero, KEY.fold_in(2)).unwrap();
        drop((unused, unused_kl));
        reduce::add_all(&[&weighted_sum(&ew::mul(&first, &second)), &kl, &alone])
    };
    let tape = Tape::of();
    let input = tape.watch_value(&wave(&[80], 0.0, -1.0, 1.0));
    let output = program(&input);
    let mut plan = Plan::take(tape, input.node(), &output).unwrap().unwrap();
    for phase in [0.3, 1.1, 0.3] {
        let at: Value<f64> = wave(&[80], phase, -2.0, 1.0);
        let (value, gradient) = plan.value_and_gradient(|x| x.copy_from_slice(at.peek().unwrap()));
        assert!((value - number(&program(&at))).abs() < 1e-12);
        let expected = gradients_of(|x| Ok(program(&x[0])), &[at]);
        assert_close(&[gradient.to_vec()], &expected, 1e-13);
    }
}

#[test]
fn draws_have_the_moments_of_the_posterior_within_four_standard_errors() {
    let n = 200_000;
    let dims = Dims::vector(n);
    let (mean, scale) = (0.7, 1.3);
    let q = [Value::<f32>::full(mean as f32, dims), Value::full(raw(scale) as f32, dims)];
    for (around, centre) in [(DrawAround::Loc, mean), (DrawAround::Zero, 0.0)] {
        let draw = normal_draw([&q[0], &q[1]], around, KEY).unwrap();
        let (mean, variance) = moments(draw.peek().unwrap());
        assert!((mean - centre).abs() < 4.0 * scale / (n as f64).sqrt());
        assert!((variance / (scale * scale) - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt());
        let other = normal_draw([&q[0], &q[1]], around, KEY.fold_in(1)).unwrap();
        assert_ne!(draw.peek().unwrap(), other.peek().unwrap());
    }
}

#[test]
fn single_and_double_precision_agree_on_the_divergence_and_its_gradients() {
    fn gradients<E: Float>() -> (f64, Vec<Vec<f64>>) {
        let inputs: [Value<E>; 2] = [wave(&[5000], 0.1, -1.0, 1.0), wave(&[5000], 0.7, -6.0, 6.0)];
        let prior = [Value::scalar(E::from_f64(0.25)), Value::scalar(E::from_f64(0.5))];
        let kl = |x: &[Value<E>]| normal_raw_kl([&x[0], &x[1]], [&prior[0], &prior[1]]);
        (kl(&inputs).unwrap().peek().unwrap()[0].to_f64(), gradients_of(kl, &inputs))
    }
    let ((single, by_single), (double, by_double)) = (gradients::<f32>(), gradients::<f64>());
    assert!((single / double - 1.0).abs() < 1e-6, "{single} is not {double}");
    assert_close(&by_single, &by_double, 1e-5);
}

#[test]
fn nothing_depends_on_the_number_of_threads() {
    let q = [wave::<f32>(&[50_000], 0.1, -1.0, 1.0), wave(&[50_000], 0.7, -3.0, 2.0)];
    let prior = [wave::<f32>(&[50_000], 0.1, -1.0, 1.0), wave(&[50_000], 0.7, 0.5, 2.0)];
    same_for_all_threads(|| {
        let inputs = [&q[0], &q[1], &prior[0], &prior[1]].map(Value::clone);
        let loss = |x: &[Value<f32>]| {
            let (draw, kl) = normal_draw_and_kl([&x[0], &x[1]], [&x[2], &x[3]], DrawAround::Loc, KEY)?;
            Ok(ew::add(&weighted_sum(&draw), &kl))
        };
        (loss(&inputs).unwrap().peek().unwrap().to_vec(), gradients_of(loss, &inputs))
    });
}

#[test]
fn all_instruction_sets_agree_at_lengths_that_fill_no_vector() {
    use crate::kernels::dispatch::{Level, with_level};
    for len in [1, 7, 31, 33, 255, 257, 1000] {
        let inputs = [wave::<f64>(&[len], 0.1, -1.0, 1.0), wave(&[len], 0.7, -9.0, 9.0)];
        let prior = [wave::<f64>(&[len], 0.3, -1.0, 1.0), wave(&[len], 0.2, 0.1, 4.0)];
        let kl = |x: &[Value<f64>]| normal_raw_kl([&x[0], &x[1]], [&prior[0], &prior[1]]);
        let mut expected = 0.0;
        for i in 0..len {
            let at = |x: &Value<f64>| x.peek().unwrap()[i];
            let (scale, loc_p, scale_p) = (at(&inputs[1]).exp().ln_1p() + 1e-7, at(&prior[0]), at(&prior[1]));
            let square = scale * scale + (at(&inputs[0]) - loc_p).powi(2);
            expected += (scale_p / scale).ln() + square / (2.0 * scale_p * scale_p) - 0.5;
        }
        let draw = |x: &[Value<f64>]| Ok(weighted_sum(&normal_draw([&x[0], &x[1]], DrawAround::Loc, KEY)?));
        let at_level = |level| {
            with_level(level, || {
                assert!((number(&kl(&inputs).unwrap()) / expected - 1.0).abs() < 1e-12, "{level:?} {len}");
                (gradients_of(kl, &inputs), gradients_of(draw, &inputs))
            })
        };
        let (portable, narrow) = (at_level(Level::Portable), at_level(Level::Avx2));
        assert_eq!(narrow, at_level(Level::Avx512));
        assert_close(&portable.0, &narrow.0, 1e-12);
        assert_close(&portable.1, &narrow.1, 1e-12);
    }
}

#[test]
fn the_scale_and_the_variance_have_their_slopes() {
    let x = [wave(&[40], 0.3, -12.0, 12.0)];
    assert_slopes(|x| Ok(weighted_sum(&normal_raw_scale(&x[0]))), &x, 1e-8);
    assert_slopes(|x| Ok(weighted_sum(&normal_raw_variance(&x[0]))), &x, 1e-8);
    let least = normal_raw_scale(&scalar(-1000.0));
    assert_eq!(number(&least), SCALE_FLOOR);
    assert_eq!(number(&normal_raw_variance(&scalar(-1000.0))), SCALE_FLOOR * SCALE_FLOOR);
}

#[test]
fn an_empty_weight_has_no_divergence() {
    let none = vector::<f64>(&[]);
    let (draw, kl) =
        normal_draw_and_kl([&none, &none], [&scalar(0.0), &scalar(1.0)], DrawAround::Loc, KEY).unwrap();
    assert_eq!((draw.peek().unwrap().len(), number(&kl)), (0, 0.0));
}

#[test]
fn refuses_shapes_that_do_not_fit_and_scales_that_are_not_positive() {
    let (two, three) = (wave::<f64>(&[2], 0.0, 0.0, 1.0), wave::<f64>(&[3], 0.0, 0.0, 1.0));
    assert!(matches!(normal_draw([&two, &three], DrawAround::Loc, KEY), Err(Error::Shape { .. })));
    let misfit = normal_raw_kl([&three, &three], [&two, &scalar(1.0)]);
    assert!(misfit.unwrap_err().to_string().contains("the end of [3]"));
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = normal_raw_kl([&two, &two], [&scalar(0.0), &scalar(scale)]);
        assert!(matches!(refused, Err(Error::Parameter { .. })), "{scale}");
    }
}
