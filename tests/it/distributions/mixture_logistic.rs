//! PixelCNN++'s likelihood.

use ed::prelude::*;
use serde_json::Value as Json;

use super::golden::{close, number, numbers};

type Matrix = Var<(usize, usize), f64>;
type Pixels = MixtureLogistic<(usize, usize), f64>;

fn cases() -> Vec<Json> {
    let file: Json = serde_json::from_str(include_str!("../../golden/mixtures.json")).unwrap();
    file["pixels"].as_array().unwrap().clone()
}

fn table(rows: &[Vec<f64>]) -> Result<Matrix> {
    Var::from_vec(rows.concat(), (rows.len(), rows[0].len()))
}

fn grid() -> Result<Grid> {
    Grid::between(-1.0, 1.0, 256)
}

/// Three components on three channels, as many pixels as asked for: parameters, levels, log-probabilities.
fn pixels(count: usize) -> Result<(Matrix, Matrix, Vec<f64>)> {
    let cases = cases();
    let cases: Vec<&Json> = cases.iter().cycle().take(count).collect();
    let column = |key: &str| cases.iter().map(|case| numbers(&case[key])).collect::<Vec<_>>();
    let expected = cases.iter().map(|case| number(&case["log_levels"])).collect();
    Ok((table(&column("params"))?, table(&column("levels"))?, expected))
}

#[test]
fn channels_move_those_after_them_as_in_mpmath() -> Result<()> {
    // Lengths around the block of pixels and the part of one core.
    for count in [1, 15, 16, 17, 24, 600] {
        let (params, levels, expected) = pixels(count)?;
        let made = Pixels::from_params(&params, 3, 3)?;
        let likelihood = Discretized::on(made.clone(), grid()?);
        assert_eq!((likelihood.shape(), likelihood.batch_shape()), ((count, 3), (count,)));
        let got = likelihood.log_prob(&levels)?.to_vec()?;
        for (pixel, (got, expected)) in got.iter().zip(&expected).enumerate() {
            assert!(close(*got, *expected, 1e-11), "{count} pixels, {pixel}: {got}, not {expected}");
        }
        let density = made.log_prob(&(&levels / 127.5 - 1.0))?.to_vec()?;
        for (case, got) in cases().iter().zip(density) {
            let expected = number(&case["log_density"]);
            assert!(close(got, expected, 1e-11), "density: {got}, not {expected}");
        }
        let narrow =
            |x: &Matrix| Var::from_vec(x.to_vec()?.into_iter().map(|x| x as f32).collect(), *x.shape());
        let single = Discretized::on(MixtureLogistic::from_params(narrow(&params)?, 3, 3)?, grid()?);
        for (got, expected) in single.log_prob(&narrow(&levels)?)?.to_vec()?.into_iter().zip(&expected) {
            assert!(close(f64::from(got), *expected, 1e-4), "in f32: {got}, not {expected}");
        }
    }
    Ok(())
}

#[test]
fn one_channel_is_a_mixture_on_a_grid() -> Result<()> {
    let params = table(&[vec![0.3, -1.0, 0.2, -0.5, -3.0, -1.0], vec![0.0, 0.7, 0.9, -0.9, -5.0, 0.5]])?;
    let column = |from: usize| -> Result<Matrix> {
        let rows: Vec<Vec<f64>> =
            params.to_vec()?.chunks(6).map(|row| row[from..from + 2].to_vec()).collect();
        table(&rows)
    };
    let mixture = Mixture::new(column(0)?, Logistic::new(column(2)?, column(4)?.exp())?)?;
    let plain = Discretized::on(mixture.clone(), grid()?);
    let fused = Discretized::on(Pixels::from_params(&params, 1, 2)?, grid()?);
    for levels in [[0.0, 255.0], [128.0, 3.0], [255.0, 0.0]] {
        let levels = Var::from(levels);
        let got = fused.log_prob(&levels.reshape((2usize, 1usize))?)?.to_vec()?;
        let expected = plain.log_prob(&levels)?.to_vec()?;
        assert!(got.iter().zip(&expected).all(|(a, b)| close(*a, *b, 1e-12)), "{got:?}, not {expected:?}");
    }
    let (ours, theirs) = (fused.continuous().mean()?.to_vec()?, mixture.mean()?.to_vec()?);
    assert!(ours.iter().zip(&theirs).all(|(a, b)| close(*a, *b, 1e-13)), "{ours:?}, not {theirs:?}");
    let (ours, theirs) = (fused.continuous().variance()?.to_vec()?, mixture.variance()?.to_vec()?);
    assert!(ours.iter().zip(&theirs).all(|(a, b)| close(*a, *b, 1e-12)), "{ours:?}, not {theirs:?}");
    Ok(())
}

#[test]
fn probabilities_of_all_pixels_sum_to_one() -> Result<()> {
    // Two channels of nine levels: 81 pixels.
    let row = [0.4, -0.3, 0.2, -0.7, -0.2, 0.8, -2.0, -1.0, -0.5, -4.0, 0.9, -1.5];
    let params = table(&vec![row.to_vec(); 81])?;
    let all: Vec<Vec<f64>> = (0..81).map(|i| vec![f64::from(i / 9), f64::from(i % 9)]).collect();
    let made = Discretized::on(Pixels::from_params(&params, 2, 2)?, Grid::between(-1.0, 1.0, 9)?);
    let log_prob = made.log_prob(&table(&all)?)?.to_vec()?;
    let total: f64 = log_prob.iter().map(|x| x.exp()).sum();
    assert!((total - 1.0).abs() < 1e-12, "{total}");
    // Draws follow them.
    const COPIES: usize = 300;
    let many = table(&vec![row.to_vec(); 81 * COPIES])?;
    let many = Discretized::on(Pixels::from_params(&many, 2, 2)?, *made.grid());
    let mut counts = vec![0.0; 81];
    for pixel in many.sample(Key::new(5))?.to_vec()?.chunks(2) {
        counts[(pixel[0] * 9.0 + pixel[1]) as usize] += 1.0;
    }
    let draws = (81 * COPIES) as f64;
    for (pixel, (count, log_prob)) in counts.iter().zip(&log_prob).enumerate() {
        let expected = draws * log_prob.exp();
        let bound = 5.0 * expected.sqrt() + 3.0;
        assert!((count - expected).abs() < bound, "pixel {pixel}: {count} draws, not {expected}");
    }
    Ok(())
}

#[test]
fn gradients_are_central_differences() -> Result<()> {
    let (params, levels, _) = pixels(5)?;
    let x = (&levels / 127.5 - 1.0).check()?;
    let weights = Var::from([1.0, -0.5, 2.0, 0.3, 1.7]);
    for discrete in [true, false] {
        let loss = |params: &Matrix, x: &Matrix| -> Result<Var<(), f64>> {
            let made = Pixels::from_params(params, 3, 3)?;
            let log_prob =
                if discrete { Discretized::on(made, grid()?).log_prob(&levels)? } else { made.log_prob(x)? };
            (log_prob * &weights).sum().check()
        };
        let tape = Tape::of();
        let watched = [tape.watch(&params), tape.watch(&x)];
        let gradients = loss(&watched[0], &watched[1])?.backward()?;
        for (which, input) in [&params, &x].into_iter().enumerate() {
            let slopes = gradients.get(&watched[which])?.to_vec()?;
            for (at, slope) in slopes.iter().enumerate() {
                let moved = |by: f64| -> Result<f64> {
                    let mut data = input.to_vec()?;
                    data[at] += by;
                    let moved = Var::from_vec(data, *input.shape())?;
                    if which == 0 { loss(&moved, &x)?.item() } else { loss(&params, &moved)?.item() }
                };
                let expected = (moved(1e-6)? - moved(-1e-6)?) / 2e-6;
                let near = (slope - expected).abs() < 2e-5 * (1.0 + expected.abs());
                assert!(near, "levels: {discrete}, input {which}, {at}: {slope}, not {expected}");
            }
        }
    }
    Ok(())
}

#[test]
fn extreme_parameters_have_finite_likelihoods_and_gradients() -> Result<()> {
    let row = |loc: f32, log_scale: f32| [0.0f32, -80.0, loc, 0.0, log_scale, 0.0].to_vec();
    let rows = [row(0.0, -1e3), row(1e4, -20.0), row(0.0, 1e3), row(-1e4, 25.0), row(1.0, -7.0)];
    let tape = Tape::new();
    let params = tape.watch(&Var::from_vec(rows.concat(), (5usize, 6usize))?);
    let made = Discretized::on(MixtureLogistic::from_params(&params, 1, 2)?, grid()?);
    for level in [0.0, 127.0, 255.0] {
        let got = made.log_prob(&Var::full(level, (5usize, 1usize)))?.to_vec()?;
        assert!(got.iter().all(|x| x.is_finite()), "level {level}: {got:?}");
    }
    let loss = made.log_prob_sum(&Var::full(254.0, (5usize, 1usize)))?;
    let slopes = loss.backward()?.get(&params)?.to_vec()?;
    assert!(slopes.iter().all(|x| x.is_finite()), "{slopes:?}");
    let outside = made.continuous().clone();
    let outside = Discretized::on(outside, grid()?).log_prob(&Var::full(0.5, (5usize, 1usize)));
    assert!(outside.is_err() || outside?.to_vec()?.iter().all(|x| *x == f32::NEG_INFINITY));
    Ok(())
}

#[test]
fn separate_parameters_are_those_of_a_row() -> Result<()> {
    let (params, levels, _) = pixels(24)?;
    let data = params.to_vec()?;
    let part = |from: usize, count: usize| -> Vec<f64> {
        data.chunks(30).flat_map(|row| row[from..from + count].to_vec()).collect()
    };
    let cube = |from: usize| Var::from_vec(part(from, 9), (24usize, 3usize, 3usize));
    let tape = Tape::of();
    let loc = tape.watch(&cube(3)?);
    let logits = Var::from_vec(part(0, 3), (24usize, 3usize))?;
    let made = MixtureLogistic::new(logits, &loc, cube(12)?)?.with_coeffs(cube(21)?)?;
    let whole = Pixels::from_params(&params, 3, 3)?;
    assert_eq!(made.params()?.to_vec()?, data);
    let log_prob = Discretized::on(made.clone(), grid()?).log_prob_sum(&levels)?;
    assert!(close(log_prob.item()?, Discretized::on(whole, grid()?).log_prob_sum(&levels)?.item()?, 1e-14));
    assert!(log_prob.backward()?.get(&loc)?.to_vec()?.iter().any(|slope| *slope != 0.0));
    Ok(())
}

#[test]
fn moments_are_those_of_draws() -> Result<()> {
    const DRAWS: usize = 20_000;
    let row = [0.4, -0.3, 0.2, -0.7, -0.2, 0.8, -2.0, -1.0, -0.5, -2.5, 0.9, -1.5];
    let made = Pixels::from_params(table(&vec![row.to_vec(); DRAWS])?, 2, 2)?;
    let draws = made.sample(Key::new(2))?.to_vec()?;
    let (means, variances) = (made.mean()?.to_vec()?, made.variance()?.to_vec()?);
    for channel in 0..2 {
        let x: Vec<f64> = draws.chunks(2).map(|pixel| pixel[channel]).collect();
        let mean = x.iter().sum::<f64>() / DRAWS as f64;
        let squares: Vec<f64> = x.iter().map(|x| (x - means[channel]).powi(2)).collect();
        let variance = squares.iter().sum::<f64>() / DRAWS as f64;
        let fourth = squares.iter().map(|x| x * x).sum::<f64>() / DRAWS as f64;
        let errors = [(variances[channel] / DRAWS as f64).sqrt(), (fourth / DRAWS as f64).sqrt()];
        assert!((mean - means[channel]).abs() < 5.0 * errors[0], "{channel}: {mean}, not {}", means[channel]);
        let off = (variance - variances[channel]).abs();
        assert!(off < 5.0 * errors[1], "{channel}: {variance}, not {}", variances[channel]);
    }
    Ok(())
}

#[test]
fn a_random_variable_goes_from_the_continuous_to_the_levels() -> Result<()> {
    let (params, ..) = pixels(3)?;
    let pixels = seed(1, || sample(Pixels::from_params(&params, 3, 3)?))?;
    let levels = Discretized::of_variable(&pixels, grid()?)?;
    for (level, x) in levels.to_vec()?.into_iter().zip(pixels.to_vec()?) {
        assert_eq!(level, ((x + 1.0) * 127.5).round().clamp(0.0, 255.0));
    }
    assert!(levels.distribution().log_prob(levels.var())?.to_vec()?.iter().all(|x| x.is_finite()));
    Ok(())
}

#[test]
fn refuses_parameters_that_do_not_fit() -> Result<()> {
    let row = Matrix::zeros((2, 6));
    assert!(matches!(Pixels::from_params(&row, 1, 3).err(), Some(Error::Shape { .. })));
    assert!(matches!(Pixels::from_params(&row, 0, 6).err(), Some(Error::Parameter { name: "channels", .. })));
    assert!(matches!(Pixels::from_params(&row, 1, 0).err(), Some(Error::Parameter { .. })));
    let lost = (&row + f64::NAN).check()?;
    assert!(matches!(Pixels::from_params(&lost, 1, 2).err(), Some(Error::Parameter { name: "params", .. })));
    let cube = Var::<(usize, usize, usize), f64>::zeros((2, 2, 3));
    let misfit = MixtureLogistic::new(Matrix::zeros((2, 3)), &cube, &cube);
    assert!(matches!(misfit.err(), Some(Error::Broadcast { .. })));
    let made = MixtureLogistic::new(Matrix::zeros((2, 2)), &cube, &cube)?;
    assert!(matches!(made.clone().with_coeffs(Matrix::zeros((2, 6))).err(), Some(Error::Broadcast { .. })));
    assert!(matches!(made.log_prob(&Matrix::zeros((2, 2))).err(), Some(Error::Shape { .. })));
    Ok(())
}
