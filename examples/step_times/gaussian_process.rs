//! Training steps of deep Gaussian processes, and how their cost grows.

use ed::kernels::rng;
use ed::layers::gp::SparseGaussianProcess;
use ed::prelude::*;

use crate::Workload;
use crate::timing::{products_ms, report_steps};

/// The number of training examples that the divergence is divided by.
const NUM_EXAMPLES: usize = 50_000;

pub const WORKLOADS: &[(&str, Workload)] = &[
    ("W3_deep_gp", |name| deep(name, 256, 512, [256, 256, 10])),
    ("W3_growth", |name| {
        for rows in [64, 128, 256, 512, 1024] {
            deep(&format!("{name}/rows_{rows}"), rows, 512, [256, 256, 10])?;
        }
        for inducing in [64, 128, 256, 512, 1024] {
            deep(&format!("{name}/inducing_{inducing}"), 256, inducing, [256, 256, 10])?;
        }
        for units in [64, 128, 256, 512] {
            deep(&format!("{name}/units_{units}"), 256, 512, [units, units, 10])?;
        }
        Ok(())
    }),
];

fn normals(rows: usize, columns: usize) -> Result<Var<(usize, usize)>> {
    let mut numbers = vec![0f32; rows * columns];
    rng::fill_normal(Key::new(0), &mut numbers);
    Var::from_vec(numbers, (rows, columns))
}

/// Three layers on 64 features; the mean squared error of a draw, and the divergence.
fn deep(name: &str, rows: usize, inducing: usize, units: [usize; 3]) -> Result<()> {
    const FEATURES: usize = 64;
    let layer = |place: usize| SparseGaussianProcess::new(units[place], inducing);
    let net = sequential![layer(0), layer(1), layer(2)];
    let (x, y) = (normals(rows, FEATURES)?, normals(rows, units[2])?);
    // The covariances, the products with them, and their gradients: what no way of computing a step does without.
    let inputs = [FEATURES, units[0], units[1]];
    let products: Vec<_> = (0..3)
        .flat_map(|place| {
            let (d, u) = (inputs[place], units[place]);
            [([inducing, d, inducing], 2), ([rows, d, inducing], 3), ([rows, inducing, u], 6)]
        })
        .collect();
    let floor = products_ms(&products)?;
    let mut training = Train::new(NUM_EXAMPLES, |_| Ok((net.forward(&x)? - &y).square().mean()));
    report_steps(name, 20, None, Some(floor), |_| training.step(0).map(|_| ()))
}
