//! Centres of points, to start inducing inputs from.

use std::collections::HashSet;

use ed_core::kernels::rng::{Key, fill_normal};

/// Rounds of Lloyd's algorithm; the inducing inputs are trained on from there.
const ROUNDS: usize = 20;

/// Points that the centres are found from; more would cost time and move them little.
const MAX_POINTS: usize = 8_192;

/// Noise on points that are used more than once, in standard deviations of their features, for each use.
const SPREAD: f64 = 0.1;

/// Starting points, and how many of the rows that they come from differ.
#[derive(Debug)]
pub(crate) struct Centres {
    /// `[count, features]`.
    pub points: Vec<f64>,
    /// At most `count`: more were not looked for.
    pub distinct: usize,
}

/// `count` centres of row-major points: by k-means++ and Lloyd's algorithm where there are more different points than
/// centres (Arthur and Vassilvitskii 2007), otherwise every different point, and noise around them.
pub(crate) fn centres(points: &[f64], features: usize, count: usize, key: Key) -> Centres {
    let d = features.max(1);
    let num_points = points.len() / d;
    let [choice, noise] = key.split_array();
    let step = num_points.div_ceil(MAX_POINTS).min(num_points / count.max(1)).max(1);
    let chosen: Vec<f64> = points.chunks_exact(d).step_by(step).flatten().copied().collect();
    let found = match num_points <= count {
        true => distinct(points, d),
        false => spread_out(&chosen, d, count, choice),
    };
    let distinct = found.len() / d;
    let points = match distinct < count {
        true => repeated(&found, d, count, noise),
        false => settled(&chosen, found, d),
    };
    Centres { points, distinct }
}

/// Every different row, in the order of their first places.
fn distinct(points: &[f64], d: usize) -> Vec<f64> {
    let mut seen = HashSet::new();
    let first = |row: &&[f64]| seen.insert(row.iter().map(|x| x.to_bits()).collect::<Vec<u64>>());
    points.chunks_exact(d).filter(first).flatten().copied().collect()
}

/// Lloyd's algorithm.
fn settled(points: &[f64], mut centres: Vec<f64>, d: usize) -> Vec<f64> {
    let count = centres.len() / d;
    for _ in 0..ROUNDS {
        let (mut sums, mut counts) = (vec![0.0; count * d], vec![0usize; count]);
        for row in points.chunks_exact(d) {
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
    centres
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

/// Points chosen with probabilities proportional to the squared distance from those chosen before: fewer than `count` if
/// no others are left.
fn spread_out(points: &[f64], d: usize, count: usize, key: Key) -> Vec<f64> {
    let num_points = points.len() / d;
    let mut stream = key.stream();
    let mut pick = |weights: &[f64]| {
        let total: f64 = weights.iter().sum();
        let mut left = stream.open_unit() * total;
        let found = weights.iter().position(|&weight| {
            left -= weight;
            left <= 0.0 && weight > 0.0
        });
        // Rounding may leave a little; a distance of no number is no choice.
        found.or_else(|| weights.iter().rposition(|&weight| weight > 0.0))
    };
    let mut distances = vec![1.0; num_points];
    let mut centres = Vec::with_capacity(count * d);
    for chosen in 0..count {
        let Some(place) = pick(&distances) else { break };
        let centre = &points[place * d..][..d];
        centres.extend_from_slice(centre);
        for (distance, row) in distances.iter_mut().zip(points.chunks_exact(d)) {
            let own = square_distance(row, centre);
            *distance = if chosen == 0 { own } else { distance.min(own) };
        }
    }
    centres
}

/// Every point, and from the second time on with noise, as inducing inputs at one place would be one: the more, the more
/// often each is used. One point alone says nothing of how far apart others are: noise of deviation 1, as standardised
/// points have.
fn repeated(points: &[f64], d: usize, count: usize, key: Key) -> Vec<f64> {
    let rows = points.len() / d;
    let deviation = |k: usize| {
        let column = || points[k..].iter().step_by(d);
        let mean = column().sum::<f64>() / rows as f64;
        (column().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64).sqrt()
    };
    let uses = count as f64 / rows.max(1) as f64;
    let spread = (SPREAD * (uses - 1.0).max(1.0)).min(1.0);
    let scales: Vec<f64> = match rows {
        0 | 1 => vec![1.0; d],
        _ => (0..d).map(|k| spread * deviation(k)).collect(),
    };
    let mut noise = vec![0.0; count * d];
    fill_normal(key, &mut noise);
    let number = |i: usize| match i < points.len() {
        true => points[i],
        false => points.get(i % points.len().max(1)).unwrap_or(&0.0) + scales[i % d] * noise[i],
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
        let found = centres(&points, 2, 3, Key::new(0)).points;
        for middle in middles {
            let nearest = found.chunks_exact(2).map(|c| square_distance(c, &middle)).fold(f64::MAX, f64::min);
            assert!(nearest < 0.05, "{found:?}");
        }
    }

    #[test]
    fn fewer_points_than_centres_are_used_again_with_noise() {
        let points = [1.0, 2.0, 3.0];
        let Centres { points: found, distinct } = centres(&points, 1, 7, Key::new(1));
        assert_eq!((&found[..3], distinct), (&points[..], 3));
        let mut sorted = found.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]), "no two at one place: {sorted:?}");
        assert_eq!(centres(&[], 2, 3, Key::new(0)).points.len(), 6);
        assert_eq!(centres(&[f64::NAN; 8], 2, 3, Key::new(0)).points.len(), 6);
    }

    #[test]
    fn one_point_or_one_repeated_spreads_like_standardised_points() {
        for rows in [1, 50] {
            let Centres { points, distinct } = centres(&[5.0, -1.0].repeat(rows), 2, 20, Key::new(2));
            assert_eq!(distinct, 1);
            for (k, middle) in [5.0, -1.0].into_iter().enumerate() {
                let square = |x: &f64| (x - middle).powi(2);
                let mean = points[k..].iter().step_by(2).map(square).sum::<f64>() / 20.0;
                assert!((0.3..2.5).contains(&mean), "{rows} rows, column {k}: {mean}");
            }
        }
    }

    #[test]
    fn many_rows_of_few_kinds_have_no_two_centres_at_one_place() {
        let points: Vec<f64> = (0..200).map(|i| f64::from(i % 3)).collect();
        let Centres { points: mut found, distinct } = centres(&points, 1, 10, Key::new(3));
        assert_eq!(distinct, 3);
        found.sort_by(f64::total_cmp);
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
        // A constant column beside one that varies stays where it is.
        let points: Vec<f64> = (0..4).flat_map(|i| [f64::from(i), 7.0]).collect();
        let found = centres(&points, 2, 6, Key::new(4)).points;
        assert!(found.iter().skip(1).step_by(2).all(|&x| x == 7.0));
    }
}
