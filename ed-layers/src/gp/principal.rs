//! Principal axes of points.

use ed_core::tensor::Float;

/// Sweeps after which the rotations of a matrix of any size have long met rounding.
const MAX_SWEEPS: usize = 60;

/// The `count` directions of largest variance of row-major points, `[features, count]`, by Jacobi's rotations of their
/// covariance (Golub and Van Loan 2013, "Matrix Computations", section 8.5); each direction's largest entry is positive.
pub(crate) fn principal_axes<E: Float>(points: &[E], features: usize, count: usize) -> Vec<f64> {
    let d = features;
    let rows = (points.len() / d.max(1)).max(1) as f64;
    let mut mean = vec![0.0; d];
    for row in points.chunks_exact(d.max(1)) {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x.to_f64() / rows);
    }
    let mut c = vec![0.0; d * d];
    for row in points.chunks_exact(d.max(1)) {
        for i in 0..d {
            let x = row[i].to_f64() - mean[i];
            (0..d).for_each(|j| c[i * d + j] += x * (row[j].to_f64() - mean[j]));
        }
    }
    let mut axes: Vec<f64> = (0..d * d).map(|i| if i / d == i % d { 1.0 } else { 0.0 }).collect();
    for _ in 0..MAX_SWEEPS {
        let off: f64 = (0..d * d).filter(|i| i / d != i % d).map(|i| c[i] * c[i]).sum();
        let on: f64 = (0..d).map(|i| c[i * d + i] * c[i * d + i]).sum();
        if off <= 1e-24 * on || off.is_nan() {
            break;
        }
        for p in 0..d {
            for q in p + 1..d {
                rotate(&mut c, &mut axes, d, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|&a, &b| c[b * d + b].total_cmp(&c[a * d + a]));
    let mut chosen = vec![0.0; d * count];
    for (to, &from) in order.iter().take(count).enumerate() {
        let column = |i: usize| axes[i * d + from];
        let largest = (0..d).map(column).fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        (0..d).for_each(|i| chosen[i * count + to] = column(i) * largest.signum());
    }
    chosen
}

/// Rotates rows and columns `p` and `q` so that their common entry becomes 0.
fn rotate(c: &mut [f64], axes: &mut [f64], d: usize, p: usize, q: usize) {
    let apq = c[p * d + q];
    if apq == 0.0 {
        return;
    }
    let tau = (c[q * d + q] - c[p * d + p]) / (2.0 * apq);
    let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
    let cos = 1.0 / (1.0 + t * t).sqrt();
    let sin = t * cos;
    for k in 0..d {
        let (x, y) = (c[k * d + p], c[k * d + q]);
        (c[k * d + p], c[k * d + q]) = (cos * x - sin * y, sin * x + cos * y);
    }
    for k in 0..d {
        let (x, y) = (c[p * d + k], c[q * d + k]);
        (c[p * d + k], c[q * d + k]) = (cos * x - sin * y, sin * x + cos * y);
        let (x, y) = (axes[k * d + p], axes[k * d + q]);
        (axes[k * d + p], axes[k * d + q]) = (cos * x - sin * y, sin * x + cos * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_axes_of_points_on_a_tilted_plane() {
        // x = 3a (0.6, 0.8, 0) + b (0, 0, 1).
        let points: Vec<f64> = (0..50)
            .flat_map(|i| {
                let (a, b) = ((i as f64 * 1.1).sin(), (i as f64 * 2.3).cos());
                [1.0 + 1.8 * a, 2.4 * a - 5.0, b]
            })
            .collect();
        let axes = principal_axes(&points, 3, 2);
        // The sines and cosines are all but uncorrelated, so the axes are near.
        for (found, expected) in axes.iter().zip([0.6, 0.0, 0.8, 0.0, 0.0, 1.0]) {
            assert!((found - expected).abs() < 0.05, "{axes:?}");
        }
        let product: f64 = (0..3).map(|i| axes[2 * i] * axes[2 * i + 1]).sum();
        assert!(product.abs() < 1e-12);
        assert_eq!(principal_axes(&[f64::NAN; 4], 2, 1).len(), 2);
    }
}
