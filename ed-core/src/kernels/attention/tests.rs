use super::*;
use crate::kernels::dispatch::{Level, with_level};
use crate::kernels::fused::Gradient;
use crate::kernels::parallel::tests::same_for_all_threads;

const PATTERNS: [Pattern; 6] = [
    Pattern::Full,
    Pattern::Causal,
    Pattern::Local(5),
    Pattern::LocalCausal(5),
    Pattern::LocalCausal(1),
    Pattern::LocalCausal(usize::MAX),
];

fn filling<T: Real>(len: usize) -> Vec<T> {
    (0..len).map(|i| T::from_f64((i as f64 * 1.37).sin() * 2.0)).collect()
}

/// One query at a time, in the order of the definition.
fn plainly(sizes: Sizes, pattern: Pattern, packed: &[f64]) -> Vec<f64> {
    let Sizes { batch, length, heads, width } = sizes;
    let at = |n: usize, t: usize, part: usize, head: usize, d: usize| {
        packed[(((n * length + t) * 3 + part) * heads + head) * width + d]
    };
    let mut out = Vec::new();
    for (n, t) in (0..batch).flat_map(|n| (0..length).map(move |t| (n, t))) {
        for head in 0..heads {
            let keys = pattern.keys(t, length);
            let score = |key: usize| -> f64 {
                (0..width).map(|d| at(n, t, 0, head, d) * at(n, key, 1, head, d)).sum::<f64>()
                    / (width as f64).sqrt()
            };
            let weights: Vec<f64> = keys.clone().map(|key| score(key).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for d in 0..width {
                let values = keys.clone().zip(&weights).map(|(key, w)| w * at(n, key, 2, head, d));
                out.push(values.sum::<f64>() / sum);
            }
        }
    }
    out
}

fn run<T: Real>(sizes: Sizes, pattern: Pattern) -> (Vec<T>, Vec<T>) {
    let packed = filling::<T>(3 * sizes.output_len());
    let mut out = vec![T::NAN; sizes.output_len()];
    let mut kept = vec![T::NAN; sizes.kept_len()];
    forward(sizes, pattern, None, &packed, &mut out, &mut kept).unwrap();
    let mut grad = vec![T::ONE; packed.len()];
    let grad_out = filling(out.len());
    let passed = Passed { packed: &packed, kept: &kept, grad_out: &grad_out };
    backward(sizes, pattern, None, passed, Gradient { values: &mut grad, fresh: false }).unwrap();
    let mut written = vec![T::NAN; packed.len()];
    backward(sizes, pattern, None, passed, Gradient { values: &mut written, fresh: true }).unwrap();
    for (&written, &grad) in written.iter().zip(&grad) {
        assert!((written + T::ONE - grad).abs() <= T::from_f64(64.0) * T::EPSILON * (T::ONE + grad.abs()));
    }
    (out, grad)
}

#[test]
fn tiles_give_what_the_definition_does() {
    for pattern in PATTERNS {
        for (length, heads, width) in [(1, 1, 1), (13, 2, 3), (150, 1, 4)] {
            let sizes = Sizes { batch: 2, length, heads, width };
            let expected = plainly(sizes, pattern, &filling(3 * sizes.output_len()));
            let (out, _) = run::<f64>(sizes, pattern);
            let (single, _) = run::<f32>(sizes, pattern);
            for ((x, y), z) in out.iter().zip(&expected).zip(&single) {
                assert!((x - y).abs() < 1e-12, "{pattern:?} {sizes:?}: {x} is not {y}");
                assert!((f64::from(*z) - y).abs() < 1e-4, "{pattern:?} {sizes:?}: {z} is not {y}");
            }
        }
    }
}

#[test]
fn no_result_depends_on_threads_and_little_on_instructions() {
    let sizes = Sizes { batch: 3, length: 140, heads: 2, width: 8 };
    for pattern in [Pattern::LocalCausal(48), Pattern::Full] {
        let (out, grad) = same_for_all_threads(|| run::<f32>(sizes, pattern));
        let (other_out, other_grad) = with_level(Level::Portable, || run::<f32>(sizes, pattern));
        for (x, y) in out.iter().zip(&other_out).chain(grad.iter().zip(&other_grad)) {
            assert!((x - y).abs() < 1e-3 * (1.0 + y.abs()), "{x} is not {y}");
        }
    }
}

#[test]
fn the_latest_position_is_the_last_row_of_the_whole() {
    let sizes = Sizes { batch: 3, length: 9, heads: 2, width: 4 };
    let packed = filling::<f64>(3 * sizes.output_len());
    let (mut out, mut kept) = (vec![0.0; sizes.output_len()], vec![0.0; sizes.kept_len()]);
    forward(sizes, Pattern::Causal, None, &packed, &mut out, &mut kept).unwrap();
    // [N, T, …] to [T, N, …].
    let row = 3 * sizes.features();
    let window: Vec<f64> = (0..sizes.length)
        .flat_map(|t| (0..sizes.batch).map(move |n| (n * 9 + t) * row))
        .flat_map(|start| packed[start..start + row].to_vec())
        .collect();
    let mut last = vec![0.0; sizes.batch * sizes.features()];
    latest(sizes, &window, &mut last).unwrap();
    for (n, last) in last.chunks(sizes.features()).enumerate() {
        let whole = &out[(n * 9 + 8) * sizes.features()..][..sizes.features()];
        assert!(last.iter().zip(whole).all(|(x, y)| (x - y).abs() < 1e-12), "{last:?} is not {whole:?}");
    }
}

#[test]
fn refuses_slices_of_other_sizes() {
    let sizes = Sizes { batch: 1, length: 2, heads: 1, width: 1 };
    let (packed, mut out, mut kept) = ([0.0; 6], [0.0; 2], [0.0; 2]);
    assert!(forward(sizes, Pattern::Full, None, &packed[1..], &mut out, &mut kept).is_err());
    assert!(forward(sizes, Pattern::Full, None, &packed, &mut out[1..], &mut kept).is_err());
    assert!(forward(sizes, Pattern::Full, None, &packed, &mut out, &mut kept[1..]).is_err());
    assert!(latest(sizes, &packed[1..], &mut out[1..]).is_err());
    let passed = Passed { packed: &packed, kept: &kept, grad_out: &out };
    assert!(
        backward(sizes, Pattern::Full, None, passed, Gradient { values: &mut [0.0; 5], fresh: true })
            .is_err()
    );
    let none = Sizes { length: 0, ..sizes };
    assert!(forward::<f32>(none, Pattern::Full, None, &[], &mut [], &mut []).is_ok());
}
