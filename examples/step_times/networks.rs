//! Training steps of Bayesian networks, in the sizes of the peers' scripts.

use ed::kernels::rng;
use ed::layers::estimator::Estimator;
use ed::prelude::*;
use rand::Rng;

use crate::Workload;
use crate::timing::{products_ms, report_steps};

/// The number of training examples that the divergence is divided by.
const NUM_EXAMPLES: usize = 50_000;

pub const WORKLOADS: &[(&str, Workload)] = &[
    ("W1_bayesian_lstm/cell", |name| lstm(name, false)),
    ("W1_bayesian_lstm/fused", |name| lstm(name, true)),
    ("W2_bayesian_cnn/reparam", cnn::<Reparameterization>),
    ("W2_bayesian_cnn/flipout", cnn::<Flipout>),
    ("W6_dense_bnn/reparam", dense::<Reparameterization>),
    ("W6_dense_bnn/flipout", dense::<Flipout>),
];

fn normals<const N: usize>(dims: [usize; N]) -> Vec<f32> {
    let mut numbers = vec![0f32; dims.iter().product()];
    rng::fill_normal(Key::new(0), &mut numbers);
    numbers
}

fn labels(count: usize, classes: usize) -> Vec<f32> {
    let mut stream = Key::new(1).stream();
    (0..count).map(|_| stream.gen_range(0..classes) as f32).collect()
}

/// Times whole steps of training.
fn train(
    name: &str,
    num_steps: u64,
    products: &[([usize; 3], usize)],
    program: impl Fn(usize) -> Result<Var<()>>,
) -> Result<()> {
    let floor = products_ms(products)?;
    let mut training = Train::new(NUM_EXAMPLES, program);
    report_steps(name, num_steps, None, Some(floor), |_| training.step(0).map(|_| ()))
}

/// W1: 20 steps of a cell of 512 units and a softmax of 64 classes at each; one draw of the weights a sequence.
fn lstm(name: &str, fused: bool) -> Result<()> {
    const B: usize = 256;
    const T: usize = 20;
    const D: usize = 64;
    const H: usize = 512;
    const C: usize = 64;
    let output = Dense::new(C);
    let by_time = Var::from_vec(labels(B * T, C), (T, B))?;
    let products = [
        ([T * B, D, 4 * H], 1),
        ([B, H, 4 * H], T),
        ([T * B, H, C], 1),
        ([T * B, C, H], 1),
        ([H, T * B, C], 1),
        ([B, 4 * H, H], T),
        ([D, T * B, 4 * H], 1),
        ([H, T * B, 4 * H], 1),
    ];
    if fused {
        let features = Var::from_vec(normals([B, T, D]), (B, T, D))?;
        let labels: Var<(usize, usize)> = by_time.transpose();
        let lstm = Lstm::<Reparameterization>::new(H);
        return train(name, 15, &products, |_| {
            softmax_cross_entropy(output.forward(lstm.forward(&features)?)?, &labels)
        });
    }
    let features = Var::from_vec(normals([T, B, D]), (T, B, D))?;
    let lstm = LstmCellReparameterization::new(H);
    train(name, 15, &products, |_| {
        let mut state = lstm.zero_state(B);
        let mut nll = Var::scalar(0.0);
        for t in 0..T {
            let net;
            (net, state) = lstm.step(&features.at(t)?, state)?;
            nll = nll + softmax_cross_entropy(output.forward(net)?, &by_time.at(t)?)?;
        }
        Ok(nll / T as f64)
    })
}

/// W2: two convolutions of 32 channels with 5 × 5 kernels on images of 32 × 32 × 3, normalised and rectified.
fn cnn<W: Estimator>(name: &str) -> Result<()> {
    const B: usize = 64;
    let images = Var::from_vec(normals([B, 32, 32, 3]), (B, 32usize, 32usize, 3usize))?;
    let labels = Var::from(labels(B, 10));
    let net = sequential![
        Conv2d::<W>::new(32, 5).same(),
        BatchNorm::new(),
        Relu,
        Conv2d::<W>::new(32, 5).stride(2).same(),
        BatchNorm::new(),
        Relu,
        Flatten,
        Dense::<W>::new(10),
    ];
    let (first, second, third) = ([B * 1024, 75, 32], [B * 256, 800, 32], [B, 8192, 10]);
    let times = if W::NAME == "Flipout" { 2 } else { 1 };
    let products = [
        (first, times),
        (second, times),
        (third, times),
        ([first[1], first[0], first[2]], times),
        ([second[1], second[0], second[2]], times),
        ([second[0], second[2], second[1]], times),
        ([third[1], third[0], third[2]], times),
        ([third[0], third[2], third[1]], times),
    ];
    train(name, 24, &products, |_| softmax_cross_entropy(net.forward(&images)?, &labels))
}

/// W6: 784, 512, 512 and 10 units, a batch of 256.
fn dense<W: Estimator>(name: &str) -> Result<()> {
    const B: usize = 256;
    let x = Var::from_vec(normals([B, 784]), (B, 784usize))?;
    let labels = Var::from(labels(B, 10));
    let net = sequential![Dense::<W>::new(512), Relu, Dense::<W>::new(512), Relu, Dense::<W>::new(10)];
    let times = if W::NAME == "Flipout" { 2 } else { 1 };
    let products = [
        ([B, 784, 512], times),
        ([B, 512, 512], 2 * times),
        ([B, 512, 10], times),
        ([784, B, 512], times),
        ([512, B, 512], times),
        ([512, B, 10], times),
        ([B, 10, 512], times),
    ];
    train(name, 100, &products, |_| softmax_cross_entropy(net.forward(&x)?, &labels))
}
