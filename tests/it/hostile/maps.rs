//! Bijectors: every number forwards and backwards.

use super::Form;
use super::grid::{Grid, numbers};
use ed::bijectors::{
    Bijector, CholeskyFactor, CorrelationCholesky, Exp, Identity, Ordered, Power, Sigmoid, Softplus,
    StickBreaking, Tanh,
};
use ed::prelude::*;
use ed::tensor::{Dims, Value};

fn both_ways<E: Float>(grid: &mut Grid, name: &'static str, map: &dyn Bijector<E>, x: &[f64], dims: Dims) {
    let Ok(x) = Value::from_vec(x.iter().map(|&x| E::from_f64(x)).collect(), dims) else { return };
    let args = [x.as_slice().map_or(f64::NAN, |x| x.first().map_or(0.0, |x| x.to_f64()))];
    let forward = grid.call(name, "forward", &args, || {
        let (y, log_det) = map.forward_and_log_det(&x)?;
        y.as_slice()?;
        log_det.as_slice()?;
        Ok(y)
    });
    for start in forward.iter().chain([&x]) {
        grid.call(name, "inverse", &args, || {
            let (x, log_det) = map.inverse_and_log_det(start)?;
            x.as_slice()?;
            log_det.as_slice().map(<[E]>::len)
        });
    }
    grid.call(name, "dims", &args, || Ok((map.forward_dims(dims), map.inverse_dims(dims))));
}

fn all<E: Float>(grid: &mut Grid, form: Form) {
    let power = Power::new(3.0).expect("an exponent that is not 0");
    let maps: [(&'static str, &dyn Bijector<E>); 11] = [
        ("Identity", &Identity),
        ("Exp", &Exp),
        ("Softplus", &Softplus),
        ("Sigmoid", &Sigmoid),
        ("Tanh", &Tanh),
        ("Power", &power),
        ("Ordered", &Ordered),
        ("StickBreaking", &StickBreaking),
        ("CholeskyFactor", &CholeskyFactor),
        ("CorrelationCholesky", &CorrelationCholesky),
        ("Reshape", &ed::bijectors::Reshape::new([3], [1, 3]).expect("three numbers")),
    ];
    let numbers = numbers(form);
    let shapes: [&[usize]; 9] =
        [&[], &[0], &[1], &[3], &[1, 1], &[3, 3], &[0, 0], &[1, 1, 1, 1, 1, 3], &[1 << 63, 0]];
    for (name, map) in maps {
        for &number in &numbers {
            for shape in shapes {
                let dims: Dims = shape.iter().copied().collect();
                both_ways(grid, name, map, &vec![number; dims.num_elements()], dims);
            }
        }
    }
}

/// All bijectors in both precisions.
pub fn run(grid: &mut Grid, form: Form) {
    all::<f64>(grid, form);
    all::<f32>(grid, form);
}
