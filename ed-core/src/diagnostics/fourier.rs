//! The fast Fourier transform, and the cosine transform by it.

use std::f64::consts::TAU;

#[derive(Clone, Copy, Default)]
pub(super) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

/// Iterative radix-2 transform (Cooley & Tukey, 1965) of one size.
pub(super) struct Plan {
    /// `exp(-2πi k / size)` for `k < size / 2`.
    roots: Vec<Complex>,
}

impl Plan {
    /// `size`: a power of two, at least two.
    pub(super) fn new(size: usize) -> Self {
        let root = |k: usize| {
            let (sin, cos) = (-TAU * k as f64 / size as f64).sin_cos();
            Complex { re: cos, im: sin }
        };
        Self { roots: (0..size / 2).map(root).collect() }
    }

    pub(super) fn transform(&self, data: &mut [Complex]) {
        let size = data.len();
        let bits = size.trailing_zeros();
        for i in 0..size {
            let j = i.reverse_bits() >> (usize::BITS - bits);
            if i < j {
                data.swap(i, j);
            }
        }
        let mut half = 1;
        while half < size {
            let stride = size / (2 * half);
            for block in data.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for ((a, b), w) in low.iter_mut().zip(high).zip(self.roots.iter().step_by(stride)) {
                    let turned = Complex { re: b.re * w.re - b.im * w.im, im: b.re * w.im + b.im * w.re };
                    *b = Complex { re: a.re - turned.re, im: a.im - turned.im };
                    *a = Complex { re: a.re + turned.re, im: a.im + turned.im };
                }
            }
            half *= 2;
        }
    }
}

/// `Σⱼ xⱼ cos(π k (2j + 1) / 2n)` for `k < n` (the second of the cosine transforms); `n` is a power of two.
pub(crate) fn cosine_transform(values: &[f64]) -> Vec<f64> {
    let size = values.len();
    // The values and their mirror image: the transform of that is real up to half a step's turn.
    let mirrored = values.iter().chain(values.iter().rev());
    let mut signal: Vec<Complex> = mirrored.map(|&re| Complex { re, im: 0.0 }).collect();
    Plan::new(2 * size).transform(&mut signal);
    let turned = |(k, z): (usize, &Complex)| {
        let (sin, cos) = (TAU * k as f64 / (4 * size) as f64).sin_cos();
        0.5 * (z.re * cos + z.im * sin)
    };
    signal[..size].iter().enumerate().map(turned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    #[test]
    fn the_cosine_transform_is_its_sum() {
        let values: Vec<f64> = (0..16).map(|j| (1.3 * f64::from(j)).sin() + 0.2).collect();
        for (k, ours) in cosine_transform(&values).iter().enumerate() {
            let term = |(j, x): (usize, &f64)| x * (PI * k as f64 * (2 * j + 1) as f64 / 32.0).cos();
            let sum: f64 = values.iter().enumerate().map(term).sum();
            assert!((ours - sum).abs() < 1e-12, "{k}: {ours} and {sum}");
        }
    }
}
