//! Attention layers against PyTorch, against themselves position by position, and against their own masks.

use ed::layers::Lengths;
use ed::layers::attention::{Attention, Extent};
use ed::layers::estimator::Estimator;
use ed::params::{Params, value_and_gradients, with_params};
use ed::prelude::*;
use serde_json::Value as Json;

type Sequences = Var<(usize, usize, usize), f64>;

fn file() -> Json {
    serde_json::from_str(include_str!("../golden/attention.json")).unwrap()
}

fn numbers(x: &Json) -> Vec<f64> {
    x.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn wave(batch: usize, length: usize, features: usize) -> Result<Sequences> {
    let numbers = (0..batch * length * features).map(|i| (i as f64 * 1.37).sin()).collect();
    Var::from_vec(numbers, (batch, length, features))
}

fn assert_near(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (place, (x, y)) in got.iter().zip(expected).enumerate() {
        assert!((x - y).abs() <= tolerance * (1.0 + y.abs()), "{what}, {place}: {x} is not {y}");
    }
}

#[test]
fn outputs_and_gradients_are_those_of_pytorch_with_a_dense_mask() -> Result<()> {
    fn check<X: Extent>(layer: &Attention<X>, case: &Json) -> Result<()> {
        let shape = (2usize, 11usize, 6usize);
        let mut params = Params::new();
        params.insert("x", Var::from_vec(numbers(&case["x"]), shape)?)?;
        params.insert("attention/qkv/kernel", Var::from_vec(numbers(&case["qkv"]), (6usize, 18usize))?)?;
        params
            .insert("attention/output/kernel", Var::from_vec(numbers(&case["output"]), (6usize, 6usize))?)?;
        let weights = Var::from_vec(numbers(&case["g"]), shape)?;
        let mut output = Vec::new();
        let (_, gradients) = value_and_gradients(&mut params, || {
            let y = layer.forward(ed::params::param_as("x", || Var::zeros(shape))?)?;
            output = y.detach().to_vec()?;
            Ok((y * &weights).sum())
        })?;
        let what = format!("{} {}", case["kind"], case["block"]);
        assert_near(&what, &output, &numbers(&case["y"]), 1e-12);
        for (name, key) in
            [("x", "by_x"), ("attention/qkv/kernel", "by_qkv"), ("attention/output/kernel", "by_output")]
        {
            let got: Vec<f64> = gradients.required(name)?.to_vec()?;
            assert_near(&format!("{what} {key}"), &got, &numbers(&case[key]), 1e-11);
        }
        Ok(())
    }
    for case in file()["cases"].as_array().unwrap() {
        let block = case["block"].as_u64().unwrap() as usize;
        match (case["kind"].as_str().unwrap(), block) {
            ("full", 0) => check(&MultiHeadAttention::new(2), case)?,
            ("causal", 0) => check(&MultiHeadAttention::new(2).causal(), case)?,
            ("full", block) => check(&LocalAttention1d::new(2, block), case)?,
            (_, block) => check(&LocalAttention1d::new(2, block).mask(LocalMask::Right), case)?,
        }
    }
    Ok(())
}

#[test]
fn sines_of_positions_are_those_of_the_formula() -> Result<()> {
    let positions = PositionalEmbedding::sinusoidal(7);
    let whole = positions.forward(Sequences::zeros((1, 7, 6)))?.to_vec()?;
    assert_near("positions", &whole, &numbers(&file()["positions"]), 1e-12);
    let fifth = positions.step(Var::zeros((1usize, 6usize)), 5)?.to_vec()?;
    assert_near("position 5", &fifth, &whole[30..36], 1e-15);
    Ok(())
}

/// A small causal transformer, whole and position by position.
#[derive(Clone, Debug, Layer)]
struct Transformer<X: Extent, W: Estimator> {
    positions: PositionalEmbedding,
    blocks: Vec<Block<X, W>>,
}

#[derive(Clone, Debug, Layer)]
struct Block<X: Extent, W: Estimator> {
    norm: LayerNorm,
    attention: Attention<X, W>,
    hidden: Dense,
}

impl<X: Extent, W: Estimator> Apply<Sequences> for Transformer<X, W> {
    type Output = Sequences;
    fn apply(&self, x: Sequences) -> Result<Sequences> {
        let mut x = self.positions.forward(ShiftRight.forward(x)?)?;
        for block in &self.blocks {
            x = block.forward(x)?;
        }
        Ok(x)
    }
}

impl<X: Extent, W: Estimator> Apply<Sequences> for Block<X, W> {
    type Output = Sequences;
    fn apply(&self, x: Sequences) -> Result<Sequences> {
        let x = &x + self.attention.forward(self.norm.forward(&x)?)?;
        self.hidden.forward(x)
    }
}

fn transformer<X: Extent, W: Estimator>(attention: impl Fn() -> Attention<X, W>) -> Transformer<X, W> {
    let block = |_| Block { norm: LayerNorm::new(), attention: attention(), hidden: Dense::new(8).relu() };
    Transformer { positions: PositionalEmbedding::new(13), blocks: (0..2).map(block).collect() }
}

impl<X: Extent, W: Estimator> Transformer<X, W> {
    fn by_position(&self, x: &Sequences) -> Result<Vec<f64>> {
        let (batch, length, features) = *x.shape();
        let by_time: Sequences = x.permute(&[1, 0, 2])?;
        ed::layers::scope::enter(self, || {
            let mut states: Vec<_> = self.blocks.iter().map(|block| block.attention.start(batch)).collect();
            let mut before = Var::zeros((batch, features));
            let mut out = vec![Vec::new(); batch];
            for t in 0..length {
                let mut h = self.positions.step(&before, t)?;
                for (block, state) in self.blocks.iter().zip(&mut states) {
                    h = ed::layers::scope::enter(block, || {
                        let (change, next) = block.attention.step(block.norm.forward(&h)?, state.clone())?;
                        *state = next;
                        block.hidden.forward(&h + change)
                    })?;
                }
                for (out, row) in out.iter_mut().zip(h.to_vec()?.chunks(features)) {
                    out.extend_from_slice(row);
                }
                before = by_time.at(t)?;
            }
            assert_eq!(states[0].len(), length);
            Ok(out.concat())
        })
    }
}

#[test]
fn position_by_position_a_network_gives_what_it_does_at_once() -> Result<()> {
    fn check<X: Extent, W: Estimator>(attention: impl Fn() -> Attention<X, W>) -> Result<()> {
        let net = transformer(attention);
        let x = wave(3, 13, 8)?;
        let mut params = Params::new();
        seed(0, || net.init(&mut params, &x))?;
        // The key decides the kernels, for the whole and for the steps.
        let whole = with_params(&params, || seed(7, || net.forward(&x)))?.to_vec()?;
        let steps = with_params(&params, || seed(7, || net.by_position(&x)))?;
        assert_near(X::KIND, &steps, &whole, 1e-12);
        Ok(())
    }
    check(|| MultiHeadAttention::new(2).causal())?;
    check(|| LocalAttention1d::new(2, 4).mask(LocalMask::Right))?;
    check(|| LocalAttention1d::<Reparameterization>::new(4, 1).mask(LocalMask::Right))
}

#[test]
fn no_output_of_a_shifted_causal_network_moves_with_its_own_or_later_inputs() -> Result<()> {
    let net = transformer(|| LocalAttention1d::new(2, 4).mask(LocalMask::Right));
    let x = wave(1, 13, 8)?;
    let mut params = Params::new();
    seed(0, || net.init(&mut params, &x))?;
    for position in 0..13 {
        let tape = Tape::of();
        let watched = tape.watch(&x);
        let mut only = vec![0.0; 13 * 8];
        only[position * 8..][..8].fill(1.0);
        let only = Var::from_vec(only, (1, 13, 8))?;
        let loss = with_params(&params, || Ok((net.forward(&watched)? * &only).square().sum()))?;
        let slopes = loss.backward()?.get(&watched)?.to_vec()?;
        assert!(slopes[position * 8..].iter().all(|&slope| slope == 0.0), "position {position}");
        if position > 0 {
            let last = &slopes[(position - 1) * 8..][..8];
            assert!(last.iter().any(|&slope| slope != 0.0), "position {position} is blind");
        }
    }
    Ok(())
}

#[test]
fn kernels_are_sites_under_the_names_of_their_layers() -> Result<()> {
    let net = transformer(|| LocalAttention1d::<Flipout>::new(2, 4).mask(LocalMask::Right));
    let x = wave(2, 13, 8)?;
    let mut params = Params::new();
    seed(0, || net.init(&mut params, &x))?;
    let (_, trace) = seed(1, || tape(&|| with_params(&params, || net.forward(&x))))?;
    let sites: Vec<&str> = trace.names().map(SiteName::as_str).collect();
    let expected: Vec<String> = (0..2)
        .flat_map(|block| ["qkv", "output"].map(|part| format!("blocks/{block}/attention/{part}/kernel")))
        .collect();
    assert_eq!(sites, expected);
    let table = ed::layers::summary(&net, &params).to_string();
    assert!(
        table.contains("LocalAttention1d(2 heads, blocks of 4, right masked, Flipout)")
            && table.contains("qkv/kernel/loc [8, 24]")
            && table.contains("PositionalEmbedding(13)"),
        "{table}"
    );
    // The signs differ from position to position: equal inputs, other outputs.
    let layer = MultiHeadAttention::<Flipout>::new(2);
    let y = seed(0, || layer.forward(Sequences::ones((1, 2, 8))))?.to_vec()?;
    assert_ne!(y[..8], y[8..]);
    Ok(())
}

#[test]
fn refuses_what_does_not_fit_with_a_sentence() -> Result<()> {
    let x = wave(1, 4, 6)?;
    let says = |result: Result<Sequences>, part: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    says(seed(0, || MultiHeadAttention::new(4).forward(&x)), "divide by 4 heads");
    says(seed(0, || MultiHeadAttention::new(0).forward(&x)), "divide by 0 heads");
    says(seed(0, || LocalAttention1d::new(2, 0).forward(&x)), "block");
    says(seed(0, || PositionalEmbedding::new(3).forward(&x)), "at most 3 positions, for 4");
    let layer = MultiHeadAttention::new(2);
    let step = seed(0, || layer.step(Var::<_, f64>::ones((1usize, 6usize)), layer.start(1)));
    assert!(step.map(|_| ()).unwrap_err().to_string().contains("causal"));
    let layer = layer.causal();
    let step = seed(0, || layer.step(Var::<_, f64>::ones((2usize, 6usize)), layer.start(1)));
    assert!(step.map(|_| ()).unwrap_err().to_string().contains("1 sequences"));
    Ok(())
}

/// Values and gradients of a padded batch are those of its sequences alone, whatever the padding holds.
#[test]
fn a_padded_sequence_attends_as_it_does_alone() -> Result<()> {
    const LENGTHS: [usize; 4] = [7, 1, 0, 5];
    const FEATURES: usize = 6;
    fn check<X: Extent, W: Estimator>(layer: &Attention<X, W>) -> Result<()> {
        let what = format!("{layer:?}");
        let sequences = wave(4, 7, FEATURES)?;
        let own = |x: &Sequences, n: usize| -> Result<Sequences> {
            let numbers = x.to_vec()?[n * 7 * FEATURES..][..LENGTHS[n] * FEATURES].to_vec();
            Var::from_vec(numbers, (1, LENGTHS[n], FEATURES))
        };
        let weights = (wave(4, 7, FEATURES)? * 2.0 + 0.3).check()?;
        let mut params = Params::new();
        seed(0, || layer.init(&mut params, &sequences))?;
        let mut outputs = Vec::new();
        for fill in [f64::NAN, 3.0] {
            let mut numbers = sequences.to_vec()?;
            for (n, length) in LENGTHS.into_iter().enumerate() {
                numbers[(n * 7 + length) * FEATURES..(n + 1) * 7 * FEATURES].fill(fill);
            }
            let mut made = params.clone();
            made.insert("x", Var::from_vec(numbers, (4usize, 7usize, FEATURES))?)?;
            let (_, gradients) = seed(1, || {
                value_and_gradients(&mut made, || {
                    let x: Sequences = ed::params::param_as("x", || Var::zeros((4usize, 7usize, FEATURES)))?;
                    let y = layer.forward((x, Lengths::new(LENGTHS)))?;
                    outputs.push(y.detach().to_vec()?);
                    Ok((y * &weights).sum())
                })
            })?;
            let mut by_x = Vec::new();
            let mut made = params.clone();
            let (_, expected) = seed(1, || {
                value_and_gradients(&mut made, || {
                    let mut sum: Var<(), f64> = Var::scalar(0.0);
                    for (n, length) in LENGTHS.into_iter().enumerate() {
                        let x: Sequences = ed::params::param_as(format!("x{n}"), || {
                            own(&sequences, n).unwrap_or_else(|_| Var::zeros((1usize, length, FEATURES)))
                        })?;
                        let y = layer.forward(&x)?;
                        let (there, behind) =
                            outputs[0][n * 7 * FEATURES..][..7 * FEATURES].split_at(length * FEATURES);
                        assert_near(&what, &y.detach().to_vec()?, there, 1e-12);
                        assert!(behind.iter().all(|y| *y == 0.0), "{what}");
                        sum = sum + (y * own(&weights, n)?).sum();
                    }
                    Ok(sum)
                })
            })?;
            for (n, length) in LENGTHS.into_iter().enumerate() {
                by_x.extend(expected.get(&format!("x{n}")).map_or(Ok(vec![]), |g| g.to_vec())?);
                by_x.extend(vec![0.0; (7 - length) * FEATURES]);
            }
            assert_near(&what, &gradients.required("x")?.to_vec()?, &by_x, 1e-11);
            for name in params.names() {
                let got = gradients.required(name.as_str())?.to_vec()?;
                assert_near(&what, &got, &expected.required(name.as_str())?.to_vec()?, 1e-11);
            }
        }
        assert_eq!(outputs[0], outputs[1], "{what}: padding does not count");
        Ok(())
    }
    check(&MultiHeadAttention::new(2))?;
    check(&MultiHeadAttention::new(3).causal().bias(Bias::default()))?;
    check(&LocalAttention1d::new(2, 3))?;
    check(&LocalAttention1d::new(1, 2).mask(LocalMask::Right))?;
    check(&MultiHeadAttention::<Reparameterization>::new(2))
}

#[test]
fn attention_refuses_lengths_that_do_not_fit() -> Result<()> {
    let run = |lengths: Vec<usize>| {
        let x = wave(2, 3, 4)?;
        seed(0, || MultiHeadAttention::new(2).forward((&x, Lengths::new(lengths))))
    };
    assert!(crate::support::message(run(vec![3, 4])).contains("4 for sequence 1 of 3 steps"));
    assert!(crate::support::message(run(vec![3])).contains("lengths of 1 sequences"));
    Ok(())
}

#[test]
fn a_position_beyond_all_numbers_is_refused() {
    let step = PositionalEmbedding::new(3).step(Var::<_, f64>::zeros((1usize, 4usize)), usize::MAX);
    assert!(crate::support::message(step).contains("at most 3 positions"));
}
