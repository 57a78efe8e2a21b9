//! Reversible layers: a training step and draws of masked autoregressive flows, and the memory of deep stacks.

use ed::kernels::rng;
use ed::params::value_and_gradients;
use ed::prelude::*;

use crate::Workload;
use crate::timing::{products_ms, report_steps};

pub const WORKLOADS: &[(&str, Workload)] = &[
    ("W5_realnvp_made", realnvp),
    ("maf_64_draws/units_once", |name| draws(name, true)),
    ("maf_64_draws/pass_for_each_dimension", |name| draws(name, false)),
    ("stack_memory/plain_2", |name| memory(name, 2, false)),
    ("stack_memory/plain_8", |name| memory(name, 8, false)),
    ("stack_memory/plain_32", |name| memory(name, 32, false)),
    ("stack_memory/constant_2", |name| memory(name, 2, true)),
    ("stack_memory/constant_8", |name| memory(name, 8, true)),
    ("stack_memory/constant_32", |name| memory(name, 32, true)),
];

fn normals(rows: usize, columns: usize) -> Result<Var<(usize, usize)>> {
    let mut numbers = vec![0f32; rows * columns];
    rng::fill_normal(Key::new(0), &mut numbers);
    Var::from_vec(numbers, (rows, columns))
}

/// W5: three masked autoregressive layers of hidden sizes [512, 512] on 3,072 numbers, a batch of 256.
fn realnvp(name: &str) -> Result<()> {
    const B: usize = 256;
    const D: usize = 3072;
    const H: usize = 512;
    let features = normals(B, D)?;
    let made = || Made::new([H, H]);
    let model =
        sequential![RealNvp::new(made()), RealNvp::new(made().order(RightToLeft)), RealNvp::new(made()),];
    let mut train = Train::new(B, |_| {
        let density = model.distribution(Normal::standard((B, D))?)?;
        Ok(-density.log_prob(&features)?.mean())
    })
    .learning_rate(1e-4);
    // The masks let half of every product through; the gradient by the features is not asked for.
    let forward = [([B, D / 2, H], 3), ([B, H / 2, H], 3), ([B, H / 2, 2 * D], 3)];
    let by_weights = [([D / 2, B, H], 3), ([H / 2, B, H], 3), ([H / 2, B, 2 * D], 3)];
    let by_inputs = [([B, H, D / 2], 2), ([B, H, H / 2], 3), ([B, 2 * D, H / 2], 3)];
    let floor = products_ms(&[forward, by_weights, by_inputs].concat())?;
    report_steps(name, 12, None, Some(floor), |_| train.step(0).map(|_| ()))
}

/// A thousand draws from a 64-dimensional masked autoregressive flow of hidden sizes [512, 512].
fn draws(name: &str, units_once: bool) -> Result<()> {
    const N: usize = 1_000;
    const D: usize = 64;
    let base = normals(N, D)?;
    let flow = RealNvp::new(Made::new([512, 512]));
    let bijector = seed(0, || flow.bind(&ed::layers::reversible::Binding::of(base.dims())))?;
    report_steps(name, 8, Some(N), None, |_| {
        if units_once {
            return bijector.forward(base.value()).map(|_| ());
        }
        let mut x = base.clone();
        for _ in 0..D {
            x = Var::from_value(bijector.inverse(x.value())?)?;
        }
        x.check().map(|_| ())
    })
}

/// A gradient of a stack of couplings with 64 features and networks of 256 units on 4,096 rows; look at its memory.
fn memory(name: &str, num_layers: usize, constant: bool) -> Result<()> {
    const N: usize = 4_096;
    const D: usize = 64;
    let features = normals(N, D)?;
    let coupling = |kept| RealNvp::new(Coupling::new(Dense::new(256).relu()).kept(kept));
    let layers: Vec<_> = (0..num_layers)
        .map(|layer| coupling(if layer % 2 == 0 { Kept::FirstHalf } else { Kept::SecondHalf }))
        .collect();
    let flow = Sequential::of(layers);
    let base = || Normal::standard((N, D));
    let mut params = Params::new();
    if constant {
        let flow = flow.constant_memory();
        let loss = || Ok(-flow.distribution(base()?)?.log_prob(&features)?.mean());
        report_steps(name, 3, None, None, |_| seed(0, || value_and_gradients(&mut params, loss)).map(|_| ()))
    } else {
        let loss = || Ok(-flow.distribution(base()?)?.log_prob(&features)?.mean());
        report_steps(name, 3, None, None, |_| seed(0, || value_and_gradients(&mut params, loss)).map(|_| ()))
    }
}
