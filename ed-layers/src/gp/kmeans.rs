//! Centres of points, to start inducing inputs from.

use ed_core::kernels::rng::{Key, fill_normal};
use ed_core::tensor::Float;

/// Rounds of Lloyd's algorithm; the inducing inputs are trained on from there.
const ROUNDS: usize = 20;

/// Points that the centres are found from; more would cost time and move them little.
const MAX_POINTS: usize = 8_192;

/// Noise on points that are used more than once, in standard deviations of their features.
const SPREAD: f64 = 0.1;

/// `count` centres, `[count, features]`, of row-major points: by k-means++ and Lloyd's algorithm where there are more
/// points than centres (Arthur and Vassilvitskii 2007), otherwise every point, repeated with a little noise.
pub(crate) fn centres<E: Float>(points: &[E], features: usize, count: usize, key: Key) -> Vec<E> {
    let d = features.max(1);
    let num_points = points.len() / d;
    if num_points == 0 || count == 0 {
        let mut normals = vec![E::ZERO; count * features];
        fill_normal(key, &mut normals);
        return normals;
    }
    let [choice, noise] = key.split_array();
    if num_points <= count {
        return repeated(points, d, count, noise);
    }
    let step = num_points.div_ceil(MAX_POINTS).min(num_points / count).max(1);
    let chosen: Vec<f64> =
        points.chunks_exact(d).step_by(step).flat_map(|row| row.iter().map(|x| x.to_f64())).collect();
    let mut centres = spread_out(&chosen, d, count, choice);
    for _ in 0..ROUNDS {
        let (mut sums, mut counts) = (vec![0.0; count * d], vec![0usize; count]);
        for row in chosen.chunks_exact(d) {
            let nearest = nearest(row, &centres, d);
            counts[nearest] += 1;
            sums[nearest * d..][..d].iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        let mut moved = 0.0;
        for ((centre, sum), &own) in centres.chunks_exact_mut(d).zip(sums.chunks_exact(d)).zip(&counts) {
            // A centre that lost all of its points stays.
            if own > 0 {
                for (x, sum) in centre.iter_mut().zip(sum) {
                    moved += (*x - sum / own as f64).abs();
                    *x = sum / own as f64;
                }
            }
        }
        if moved <= 1e-9 || moved.is_nan() {
            break;
        }
    }
    centres.into_iter().map(E::from_f64).collect()
}

fn square_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn nearest(row: &[f64], centres: &[f64], d: usize) -> usize {
    let mut best = (0, f64::INFINITY);
    for (place, centre) in centres.chunks_exact(d).enumerate() {
        let distance = square_distance(row, centre);
        if distance < best.1 {
            best = (place, distance);
        }
    }
    best.0
}

/// Points chosen with probabilities proportional to the squared distance from those chosen before.
fn spread_out(points: &[f64], d: usize, count: usize, key: Key) -> Vec<f64> {
    let num_points = points.len() / d;
    let mut stream = key.stream();
    let mut pick = |weights: &[f64]| {
        let total: f64 = weights.iter().sum();
        let mut left = stream.open_unit() * total;
        let found = weights.iter().position(|&weight| {
            left -= weight;
            left <= 0.0
        });
        found.unwrap_or(weights.len() - 1)
    };
    let mut distances = vec![1.0; num_points];
    let mut centres = Vec::with_capacity(count * d);
    for chosen in 0..count {
        let place = pick(&distances);
        let centre = &points[place * d..][..d];
        centres.extend_from_slice(centre);
        for (distance, row) in distances.iter_mut().zip(points.chunks_exact(d)) {
            let own = square_distance(row, centre);
            *distance = if chosen == 0 { own } else { distance.min(own) };
        }
    }
    centres
}

/// Every point in turn; from the second time on with noise, as inducing inputs at one place would be one.
fn repeated<E: Float>(points: &[E], d: usize, count: usize, key: Key) -> Vec<E> {
    let rows = (points.len() / d) as f64;
    let mean = |k: usize| points[k..].iter().step_by(d).map(|x| x.to_f64()).sum::<f64>() / rows;
    let scales: Vec<f64> = (0..d)
        .map(|k| {
            let mean = mean(k);
            let squares = points[k..].iter().step_by(d).map(|x| (x.to_f64() - mean).powi(2));
            (squares.sum::<f64>() / rows).sqrt().max(1e-3) * SPREAD
        })
        .collect();
    let mut noise = vec![E::ZERO; count * d];
    fill_normal(key, &mut noise);
    let number = |i: usize| match i < points.len() {
        true => points[i],
        false => E::from_f64(points[i % points.len()].to_f64() + scales[i % d] * noise[i].to_f64()),
    };
    (0..count * d).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_middles_of_clusters() {
        let middles = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]];
        let points: Vec<f64> = (0..300)
            .flat_map(|i| {
                let angle = i as f64 * 2.4;
                let [x, y] = middles[i % 3];
                [x + angle.cos(), y + angle.sin()]
            })
            .collect();
        let found = centres(&points, 2, 3, Key::new(0));
        for middle in middles {
            let nearest = found.chunks_exact(2).map(|c| square_distance(c, &middle)).fold(f64::MAX, f64::min);
            assert!(nearest < 0.05, "{found:?}");
        }
    }

    #[test]
    fn fewer_points_than_centres_are_used_again_with_noise() {
        let points = [1.0f32, 2.0, 3.0];
        let found = centres(&points, 1, 7, Key::new(1));
        assert_eq!(found[..3], points);
        let mut sorted = found.clone();
        sorted.sort_by(f32::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]), "no two at one place: {sorted:?}");
        assert_eq!(centres::<f32>(&[], 2, 3, Key::new(0)).len(), 6);
        assert_eq!(centres(&[f64::NAN; 8], 2, 3, Key::new(0)).len(), 6);
    }
}
