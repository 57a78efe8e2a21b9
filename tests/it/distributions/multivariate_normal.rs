//! The laws of the multivariate normal distribution.

use ed::inference::LogDensity;
use ed::model::Space;
use ed::prelude::*;

use super::golden::{close, file, number, numbers, rows};

type Vector = Var<(usize,), f64>;
type Matrix = Var<(usize, usize), f64>;
type Normals = MultivariateNormal<(usize, usize), f64>;

const DRAWS: usize = 10_000;

fn matrix(data: &[f64], columns: usize) -> Matrix {
    Var::from_vec(data.to_vec(), (data.len() / columns, columns)).unwrap()
}

const LOC: [f64; 6] = [0.5, -1.0, 2.0, 0.0, 0.3, -0.7];
const FACTOR: [f64; 9] = [2.0, 0.0, 0.0, 0.3, 0.5, 0.0, -1.0, 0.4, 1.5];
const X: [f64; 6] = [1.0, 0.0, 0.5, -0.4, 2.0, 1.1];

/// Two rows with one factor.
fn pair() -> Result<Normals> {
    MultivariateNormal::from_scale_tril(matrix(&LOC, 3), matrix(&FACTOR, 3))
}

/// A neighbour of [`pair`].
fn neighbour() -> Result<Normals> {
    let loc = matrix(&LOC, 3) + 0.3;
    MultivariateNormal::from_scale_tril(loc, matrix(&[1.8, 0.0, 0.0, 0.1, 0.6, 0.0, -0.7, 0.2, 1.7], 3))
}

/// Whether the mean of numbers is `expected`, within five standard errors.
fn agrees(x: &[f64], expected: f64) -> bool {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean - expected).abs() <= 5.0 * (variance / n).sqrt()
}

#[test]
fn log_densities_moments_and_entropies_are_those_of_scipy() -> Result<()> {
    for case in file()["multivariate_normal"].as_array().unwrap() {
        let (loc, covariance) = (numbers(&case["loc"]), rows(&case["covariance"]));
        let k = loc.len();
        let (points, expected) = (rows(&case["x"]), numbers(&case["log_prob"]));
        let made =
            MultivariateNormal::from_covariance(Var::from(loc.clone()), matrix(&covariance.concat(), k))?;
        for (x, expected) in points.iter().zip(&expected) {
            let got = made.log_prob(&Var::from(x.clone()))?.item()?;
            assert!(close(got, *expected, 1e-12), "at {x:?}: {got}, SciPy says {expected}");
        }
        let entropy = made.entropy()?.item()?;
        assert!(close(entropy, number(&case["entropy"]), 1e-12), "{entropy}");
        // The same points as one batch, with a location that is repeated.
        let table = matrix(&points.concat(), k);
        let batch = made.expand((points.len(), k))?;
        let by_row = batch.log_prob(&table)?.to_vec()?;
        assert!(by_row.iter().zip(&expected).all(|(a, b)| close(*a, *b, 1e-12)), "{by_row:?}");
        assert!(close(batch.log_prob_sum(&table)?.item()?, expected.iter().sum(), 1e-12));
        assert_eq!(batch.mean()?.to_vec()?, loc.repeat(points.len()));
        let variances: Vec<f64> = (0..k).map(|i| covariance[i][i]).collect();
        let got = batch.variance()?.to_vec()?;
        assert!(got.iter().zip(variances.repeat(points.len())).all(|(a, b)| close(*a, b, 1e-14)), "{got:?}");
        let again = batch.covariance()?.to_vec()?;
        assert!(again.iter().zip(covariance.concat()).all(|(a, b)| close(*a, b, 1e-14)), "{again:?}");
        assert_eq!(batch.entropy()?.to_vec()?, vec![entropy; points.len()]);
    }
    Ok(())
}

#[test]
fn log_densities_are_those_of_edward2() -> Result<()> {
    let (loc, x) = (Var::from([0.5, -1.0]), Var::from([1.0, 0.0]));
    let by_factor = MultivariateNormal::from_scale_tril(&loc, matrix(&[2.0, 0.0, 0.3, 0.5], 2))?;
    let by_covariance = MultivariateNormal::from_covariance(&loc, matrix(&[2.0, 0.3, 0.3, 0.5], 2))?;
    for (made, expected) in [(by_factor, -3.580377), (by_covariance, -2.793469)] {
        let got = made.log_prob(&x)?.item()?;
        assert!((got - expected).abs() < 1e-6, "{got}, Edward2 says {expected}");
    }
    Ok(())
}

#[test]
fn a_batch_is_a_loop_over_its_rows() -> Result<()> {
    let (batch, x) = (pair()?, matrix(&X, 3));
    let by_row = batch.log_prob(&x)?.to_vec()?;
    let mut sum = 0.0;
    for (row, expected) in by_row.iter().enumerate() {
        let loc = Vector::from(LOC[3 * row..3 * row + 3].to_vec());
        let one = MultivariateNormal::from_scale_tril(loc, matrix(&FACTOR, 3))?;
        let point = Vector::from(X[3 * row..3 * row + 3].to_vec());
        let got = one.log_prob(&point)?.item()?;
        assert!(close(got, *expected, 1e-14), "row {row}: {got}, in the batch {expected}");
        assert!(close(one.log_prob_sum(&point)?.item()?, got, 1e-14));
        sum += got;
    }
    assert!(close(batch.log_prob_sum(&x)?.item()?, sum, 1e-14));
    // Two batch axes are two ways to say the same rows.
    let deep = MultivariateNormal::from_scale_tril(
        matrix(&LOC, 3).reshape((2usize, 1usize, 3usize))?,
        matrix(&FACTOR, 3),
    )?;
    assert_eq!(deep.batch_shape(), (2, 1));
    assert_eq!(deep.log_prob(&x.reshape((2, 1, 3))?)?.to_vec()?, by_row);
    assert_eq!(deep.sample(Key::new(1))?.to_vec()?, batch.sample(Key::new(1))?.to_vec()?);
    // No rows: nothing to sum.
    let none = MultivariateNormal::from_scale_tril(matrix(&[], 3), matrix(&FACTOR, 3))?;
    assert_eq!(none.log_prob_sum(&matrix(&[], 3))?.item()?.abs(), 0.0);
    assert!(none.log_prob(&none.sample(Key::new(1))?)?.to_vec()?.is_empty());
    Ok(())
}

#[test]
fn single_precision_agrees_with_double() -> Result<()> {
    let narrow = |x: &[f64], columns: usize| -> Result<Var<(usize, usize)>> {
        Var::from_vec(x.iter().map(|&x| x as f32).collect(), (x.len() / columns, columns))
    };
    let made = MultivariateNormal::from_scale_tril(narrow(&LOC, 3)?, narrow(&FACTOR, 3)?)?;
    let exact = pair()?;
    let pairs = [
        (made.log_prob(&narrow(&X, 3)?)?.to_vec()?, exact.log_prob(&matrix(&X, 3))?.to_vec()?),
        (made.entropy()?.to_vec()?, exact.entropy()?.to_vec()?),
        (made.variance()?.to_vec()?, exact.variance()?.to_vec()?),
        (vec![made.kl_divergence(&made.clone())?.item()?], vec![0.0]),
    ];
    for (got, exact) in pairs {
        assert!(
            got.iter().zip(&exact).all(|(&a, &b)| close(f64::from(a), b, 1e-5)),
            "{got:?}, not {exact:?}"
        );
    }
    Ok(())
}

/// Watched parts of one vector, in order: `loc`, the matrix, and the value.
type Program = fn(&Matrix, &Matrix, &Matrix) -> Result<Var<(), f64>>;

const PROGRAMS: &[(&str, Program)] = &[
    ("the log-density by factor", |loc, factor, x| {
        MultivariateNormal::from_scale_tril(loc, factor)?.log_prob_sum(x)
    }),
    ("weighted log-densities", |loc, factor, x| {
        let by_row = MultivariateNormal::from_scale_tril(loc, factor)?.log_prob(x)?;
        (by_row * Var::from([0.7, -1.3])).sum().check()
    }),
    ("the log-density by covariance", |loc, factor, x| {
        let covariance = factor.dot(&factor.transpose())?;
        MultivariateNormal::from_covariance(loc, covariance)?.log_prob_sum(x)
    }),
    ("a draw", |loc, factor, x| {
        let made = MultivariateNormal::from_scale_tril(loc, factor)?;
        (made.sample(Key::new(3))? * x).sum().check()
    }),
    ("the moments and the entropy", |loc, factor, x| {
        let made = MultivariateNormal::from_scale_tril(loc, factor)?;
        (((made.mean()? + made.variance()?) * x).sum() + made.entropy()?.sum()).check()
    }),
    ("the divergence to another", |loc, factor, x| {
        let other = MultivariateNormal::from_scale_tril(x, matrix(&FACTOR, 3) * 1.5)?;
        MultivariateNormal::from_scale_tril(loc, factor)?.kl_divergence(&other)
    }),
    ("the divergence from another", |loc, factor, x| {
        let other = MultivariateNormal::from_scale_tril(x, matrix(&FACTOR, 3) * 1.5)?;
        other.kl_divergence(&MultivariateNormal::from_scale_tril(loc, factor)?)
    }),
];

#[test]
fn gradients_are_central_differences() -> Result<()> {
    for (name, program) in PROGRAMS {
        let mut inputs = [matrix(&LOC, 3), matrix(&FACTOR, 3), matrix(&X, 3)];
        let tape = Tape::of();
        let watched: Vec<Matrix> = inputs.iter().map(|input| tape.watch(input)).collect();
        let gradients = program(&watched[0], &watched[1], &watched[2])?.backward()?;
        for (index, watched) in watched.iter().enumerate() {
            for (cell, slope) in gradients.get(watched)?.to_vec()?.into_iter().enumerate() {
                let above = index == 1 && cell % 3 > cell / 3;
                if above {
                    // Zero by definition, except for the covariance, where the program is not of a triangle.
                    assert!(
                        slope == 0.0 || *name == PROGRAMS[2].0,
                        "{name}: a slope {slope} above the diagonal"
                    );
                    continue;
                }
                let before = inputs[index].clone();
                let mut at = |step: f64| {
                    let mut data = before.to_vec()?;
                    data[cell] += step;
                    inputs[index] = matrix(&data, 3);
                    program(&inputs[0], &inputs[1], &inputs[2])?.item()
                };
                let expected = (at(1e-5)? - at(-1e-5)?) / 2e-5;
                inputs[index] = before;
                assert!(
                    close(slope, expected, 1e-7),
                    "{name}: the slope by cell {cell} of input {index} is {slope}, differences say {expected}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn draws_have_the_mean_and_the_covariance() -> Result<()> {
    let loc = Vector::from([0.5, -1.0, 2.0]);
    let made = MultivariateNormal::from_scale_tril(&loc, matrix(&FACTOR, 3))?.expand((DRAWS, 3usize))?;
    let draws = made.sample(Key::new(1))?;
    assert_eq!(draws.to_vec()?, made.sample(Key::new(1))?.to_vec()?);
    assert_ne!(draws.to_vec()?, made.sample(Key::new(2))?.to_vec()?);
    let (loc, covariance, data) = (loc.to_vec()?, made.covariance()?.to_vec()?, draws.to_vec()?);
    for i in 0..3 {
        let column: Vec<f64> = data.chunks(3).map(|row| row[i]).collect();
        assert!(agrees(&column, loc[i]), "the mean of column {i} is off");
        for j in 0..3 {
            let products: Vec<f64> =
                data.chunks(3).map(|row| (row[i] - loc[i]) * (row[j] - loc[j])).collect();
            assert!(agrees(&products, covariance[3 * i + j]), "the covariance of {i} and {j} is off");
        }
    }
    let surprise: Vec<f64> = made.log_prob(&draws)?.to_vec()?.iter().map(|x| -x).collect();
    assert!(agrees(&surprise, made.entropy()?.to_vec()?[0]), "the entropy is off");
    Ok(())
}

#[test]
fn the_divergence_is_an_average_and_zero_to_itself() -> Result<()> {
    let (q, p) = (pair()?, neighbour()?);
    assert!(q.kl_divergence(&q)?.item()?.abs() < 1e-14);
    let kl = q.kl_divergence(&p)?.item()?;
    let erased: &dyn ed::distributions::erased::AnyDistribution = &q;
    assert_eq!(erased.kl_to(&p).unwrap()?.item()?, kl);
    // One row at a time, so that a draw of the average is one number.
    let mut sum = 0.0;
    for row in 0..2 {
        let part = |made: &Normals| -> Result<Normals> {
            let loc = made.loc()?.at(row)?;
            MultivariateNormal::from_scale_tril(loc, made.scale_tril()?)?.expand((DRAWS, 3))
        };
        let (q, p) = (part(&q)?, part(&p)?);
        let draws = q.sample(Key::new(row as u64))?;
        let terms = (q.log_prob(&draws)? - p.log_prob(&draws)?).to_vec()?;
        let one = q.kl_divergence(&p)?.item()? / DRAWS as f64;
        assert!(agrees(&terms, one), "row {row}: KL = {one} is not the average");
        sum += one;
    }
    assert!(close(kl, sum, 1e-12), "{kl}, by row {sum}");
    // Independent normals are the diagonal case.
    let scales = [2.0, 0.5, 1.5];
    let diagonal = matrix(&[2.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 1.5], 3);
    let rows = MultivariateNormal::from_scale_tril(matrix(&LOC, 3), diagonal)?;
    let shifted = MultivariateNormal::from_scale_tril(matrix(&X, 3), rows.scale_tril()? * 1.5)?;
    let cells = Normal::new(matrix(&LOC, 3), Var::from(scales))?;
    let shifted_cells = Normal::new(matrix(&X, 3), Var::from(scales) * 1.5)?;
    let (kl, expected) =
        (rows.kl_divergence(&shifted)?.item()?, cells.kl_divergence(&shifted_cells)?.item()?);
    assert!(close(kl, expected, 1e-13), "{kl}, of normals {expected}");
    // Batches of different sizes are not repeated.
    let loc = Matrix::zeros((1, 3));
    let other = MultivariateNormal::from_scale_tril(loc, q.scale_tril()?)?;
    assert!(matches!(q.kl_divergence(&other).err(), Some(Error::Broadcast { .. })));
    Ok(())
}

#[test]
fn refuses_bad_parameters_by_name() {
    let loc = Vector::from([0.5, -1.0]);
    let factor = |data: [f64; 4]| MultivariateNormal::from_scale_tril(&loc, matrix(&data, 2)).err();
    let bad_factors = [
        ([2.0, 0.1, 0.3, 0.5], "0.1 in row 0, column 1"),
        ([2.0, f64::NAN, 0.3, 0.5], "NaN in row 0, column 1"),
        ([2.0, 0.0, 0.3, 0.0], "0 in row 1, column 1"),
        ([-2.0, 0.0, 0.3, 0.5], "-2 in row 0, column 0"),
        ([2.0, 0.0, 0.3, f64::INFINITY], "inf in row 1, column 1"),
        ([2.0, 0.0, f64::NAN, 0.5], "NaN in row 1, column 0"),
    ];
    for (data, place) in bad_factors {
        let message = factor(data).unwrap().to_string();
        assert!(
            message.starts_with("MultivariateNormal: `scale_tril` must be") && message.ends_with(place),
            "{message}"
        );
    }
    let covariance =
        |data: [f64; 4]| MultivariateNormal::from_covariance(&loc, matrix(&data, 2)).err().unwrap();
    for data in [[2.0, 0.3, 0.4, 0.5], [2.0, f64::NAN, f64::NAN, 0.5], [f64::INFINITY, 0.0, 0.0, 1.0]] {
        let error = covariance(data);
        assert!(matches!(error, Error::Parameter { name: "covariance", .. }), "{error}");
    }
    let error = covariance([1.0, 2.0, 2.0, 1.0]);
    assert!(matches!(error, Error::NotPositiveDefinite { minor: 2, .. }), "{error}");
    assert!(error.to_string().contains("MultivariateNormal: `covariance`"), "{error}");
    let identity = matrix(&[1.0, 0.0, 0.0, 1.0], 2);
    for bad in [f64::NAN, f64::INFINITY] {
        let error = MultivariateNormal::from_scale_tril(Vector::from([0.0, bad]), &identity).err();
        assert!(matches!(error, Some(Error::Parameter { name: "loc", .. })), "{error:?}");
    }
    // Sizes.
    let error = MultivariateNormal::from_scale_tril(Vector::from([0.0, 1.0, 2.0]), &identity).err().unwrap();
    assert!(error.to_string().contains("[3, 3] for `scale_tril`"), "{error}");
    let wide = matrix(&[1.0; 6], 3);
    assert!(matches!(MultivariateNormal::from_covariance(&loc, &wide).err(), Some(Error::Shape { .. })));
    let none = MultivariateNormal::from_scale_tril(Vector::from(vec![]), Matrix::zeros((0, 0)));
    assert!(matches!(none.err(), Some(Error::Shape { .. })));
    let number = MultivariateNormal::from_scale_tril(Var::<(), f64>::scalar(1.0), Matrix::ones((1, 1)));
    assert!(matches!(number.err(), Some(Error::Shape { .. })));
    let made = MultivariateNormal::from_scale_tril(&loc, &identity).unwrap();
    assert!(matches!(made.log_prob(&Vector::from([1.0])).err(), Some(Error::Shape { .. })));
    assert!(matches!(made.expand((2usize, 3usize)).err(), Some(Error::Broadcast { .. })));
}

/// A factor, a location and a covariance that depend on latent values.
#[model]
fn hierarchy() -> Result<RandomVariable<Normals>> {
    let cell = |row: usize, column: usize| {
        let mut data = [0.0; 4];
        data[2 * row + column] = 1.0;
        matrix(&data, 2)
    };
    let scale = sample(Gamma::new(Var::from([2.0, 3.0]), 1.0)?);
    let slope = sample(Normal::new(0.0, 1.0)?);
    let factor = scale.at(0)? * cell(0, 0) + &slope * cell(1, 0) + scale.at(1)? * cell(1, 1);
    let loc = sample(MultivariateNormal::from_scale_tril(Vector::from([0.0, 1.0]), &factor)?);
    let noise = factor.dot(&factor.transpose())? + cell(0, 0) + cell(1, 1);
    let y = sample(MultivariateNormal::from_covariance(&loc, noise)?.expand((3usize, 2usize))?);
    Ok(y)
}

#[test]
fn a_replayed_model_has_the_right_gradients() -> Result<()> {
    let y = matrix(&[0.5, 1.0, -0.3, 2.0, 1.2, 0.1], 2);
    let observed = condition(hierarchy, values![hierarchy::y = y]);
    let space = Space::of(&observed)?;
    assert_eq!(space.dim(), 5);
    let mut replayed = space.log_density(&observed);
    let mut rerun = space.log_density(&observed).always_rerun();
    let (mut gradient, mut other) = ([0.0; 5], [0.0; 5]);
    for position in [[0.1, -0.2, 0.3, 0.0, 0.5], [-1.0, 0.7, -2.0, 1.5, -0.5], [0.0; 5]] {
        let value = replayed.log_density_and_gradient(&position, &mut gradient)?;
        assert_eq!(value, rerun.log_density_and_gradient(&position, &mut other)?);
        assert_eq!(gradient, other);
        for index in 0..5 {
            let mut at = |step: f64| {
                let mut moved = position;
                moved[index] += step;
                replayed.log_density_and_gradient(&moved, &mut other)
            };
            let expected = (at(1e-5)? - at(-1e-5)?) / 2e-5;
            assert!(close(gradient[index], expected, 1e-7), "{index}: {}, not {expected}", gradient[index]);
        }
    }
    assert!(replayed.is_replayed());
    Ok(())
}

#[test]
fn a_factor_that_turns_bad_in_a_replay_is_no_point_of_the_posterior() -> Result<()> {
    let model = || {
        let scale = sample_as("scale", Normal::<(), f64>::new(1.0, 1.0)?)?;
        let factor = &scale * matrix(&[1.0, 0.0, 0.5, 1.0], 2);
        observe_as(
            "y",
            MultivariateNormal::from_scale_tril(Vector::from([0.0, 0.0]), factor)?,
            &Var::from([1.0, 2.0]),
        )
    };
    let space = Space::of(&model)?;
    let mut density = space.log_density(&model);
    let mut gradient = [0.0];
    for good in [1.0, 2.0] {
        assert!(density.log_density_and_gradient(&[good], &mut gradient)?.is_finite());
    }
    assert!(density.is_replayed());
    for bad in [-1.0, 0.0] {
        let value = density.log_density_and_gradient(&[bad], &mut gradient);
        assert!(!value.is_ok_and(f64::is_finite), "a scale of {bad} is possible");
    }
    Ok(())
}

#[test]
fn chains_find_a_correlated_normal() -> Result<()> {
    let factor = matrix(&[1.0, 0.0, 1.6, 1.2], 2);
    let model = || sample_as("x", MultivariateNormal::from_scale_tril(Vector::from([3.0, -1.0]), &factor)?);
    let draws = Nuts::new(&model).warmup(300).draws(1000).chains(2).run(1)?;
    let (mean, sd) = (draws.mean("x")?.to_vec()?, draws.sd("x")?.to_vec()?);
    // Standard deviations 1 and 2; an effective sample of at least 400 makes five standard errors of 0.25 sd.
    for (index, (loc, scale)) in [(3.0, 1.0), (-1.0, 2.0)].into_iter().enumerate() {
        assert!((mean[index] - loc).abs() < 0.25 * scale, "mean {mean:?}");
        assert!((sd[index] - scale).abs() < 0.25 * scale, "standard deviations {sd:?}");
    }
    assert_eq!(draws.num_divergences(), 0);
    Ok(())
}
