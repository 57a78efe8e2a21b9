//! Expectations over normals by Gauss–Hermite quadrature.

use ed_core::tensor::{Float, Var};
use ed_core::{Error, Result};

use super::Functions;

/// `E g(f)` for `f ~ N(μ, σ²)` as `Σ_i w_i g(μ + σ t_i)`, exact for polynomials of degree below twice the number of nodes.
///
/// # Source
/// Press et al. 2007, "Numerical Recipes", section 4.6 (nodes by Newton's method on the Hermite functions).
#[derive(Clone, Debug)]
pub struct Quadrature {
    /// Nodes of a standard normal, and their weights, which sum to 1.
    nodes: Vec<(f64, f64)>,
}

impl Default for Quadrature {
    /// Twenty nodes.
    fn default() -> Quadrature {
        Quadrature { nodes: nodes(20) }
    }
}

impl Quadrature {
    /// With another number of nodes.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless it is from 1 to 100.
    pub fn new(num_nodes: usize) -> Result<Quadrature> {
        if !(1..=100).contains(&num_nodes) {
            let (of, got) = ("Quadrature", num_nodes.to_string());
            return Err(Error::Parameter { of, name: "num_nodes", must_be: "from 1 to 100", got });
        }
        Ok(Quadrature { nodes: nodes(num_nodes) })
    }

    /// The expectation of `g`, element by element.
    ///
    /// # Errors
    /// Those of `g`.
    pub fn expect<E: Float>(
        &self,
        f: &Functions<E>,
        g: impl Fn(&Var<(usize, usize), E>) -> Result<Var<(usize, usize), E>>,
    ) -> Result<Var<(usize, usize), E>> {
        let (loc, scale) = (f.loc()?, f.scale()?);
        let mut sum: Option<Var<(usize, usize), E>> = None;
        for &(node, weight) in &self.nodes {
            let term = g(&(&loc + &scale * node))? * weight;
            sum = Some(match sum {
                None => term,
                Some(sum) => sum + term,
            });
        }
        sum.unwrap_or(loc).check()
    }
}

/// Nodes and weights for a standard normal.
fn nodes(n: usize) -> Vec<(f64, f64)> {
    let root = std::f64::consts::SQRT_2;
    let mut nodes = Vec::with_capacity(n);
    let mut x = 0.0f64;
    for i in 0..n.div_ceil(2) {
        let at = |back: usize| nodes.get(i.wrapping_sub(back)).map_or(0.0, |&(x, _): &(f64, f64)| x / root);
        // Guesses of the largest roots, then from those found before.
        x = match i {
            0 => {
                let degree = 2.0 * n as f64 + 1.0;
                degree.sqrt() - 1.85575 * degree.powf(-1.0 / 6.0)
            }
            1 => x - 1.14 * (n as f64).powf(0.426) / x,
            2 => 1.86 * x - 0.86 * at(2),
            3 => 1.91 * x - 0.91 * at(2),
            _ => 2.0 * x - at(2),
        };
        let mut slope = 1.0;
        for _ in 0..100 {
            // Orthonormal Hermite polynomials by their recurrence.
            let (mut p, mut before) = (std::f64::consts::PI.powf(-0.25), 0.0);
            for j in 0..n {
                let j = j as f64;
                (p, before) = (x * (2.0 / (j + 1.0)).sqrt() * p - (j / (j + 1.0)).sqrt() * before, p);
            }
            slope = (2.0 * n as f64).sqrt() * before;
            let step = p / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        nodes.push((x * root, 2.0 / (slope * slope) / std::f64::consts::PI.sqrt()));
    }
    let mirrored: Vec<(f64, f64)> = nodes[..n / 2].iter().map(|&(x, w)| (-x, w)).collect();
    nodes.extend(mirrored);
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrates_the_moments_of_a_normal_exactly() {
        for n in [1, 2, 3, 4, 5, 20, 33] {
            let moment = |power: i32| -> f64 { nodes(n).iter().map(|(x, w)| w * x.powi(power)).sum() };
            let mut expected = 1.0;
            for power in (0..(2 * n as i32).min(20)).step_by(2) {
                assert!((moment(power) / expected - 1.0).abs() < 1e-10, "{n} nodes, power {power}");
                assert!(moment(power + 1).abs() < 1e-9 * expected.max(1.0));
                expected *= f64::from(power) + 1.0;
            }
        }
        assert!(Quadrature::new(0).is_err());
    }
}
