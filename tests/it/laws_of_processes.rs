//! Laws of use: processes over a table of covariance functions, means and precisions give what dense algebra gives, however
//! they are used: twice, for one row, for another batch, read from a file, at the mean.

use ed::layers::gp::kernels::{
    ExponentiatedQuadratic, Kernel, Linear, Matern12, Matern32, Matern52, Periodic, RationalQuadratic, White,
};
use ed::layers::gp::{
    ConstantMean, GaussianProcess, InducingCovariance, LinearMean, Mean, Positive, ProjectionMean,
    SparseGaussianProcess, ZeroMean,
};
use ed::params::with_params;
use ed::prelude::*;

type Rows = Vec<Vec<f64>>;
type Points<E> = Var<(usize, usize), E>;

fn fixed(number: f64) -> Positive {
    Positive::Fixed(number)
}

fn points<E: ed::tensor::Float>(rows: &Rows) -> Points<E> {
    let numbers = rows.iter().flatten().map(|&x| E::from_f64(x)).collect();
    Var::from_vec(numbers, (rows.len(), rows[0].len())).unwrap()
}

fn wave(rows: usize, columns: usize, phase: f64) -> Rows {
    // Halves of thirty-seconds: the same in both precisions.
    let number = |i: usize| (48.0 * (1.37 * i as f64 + phase).sin()).round() / 32.0;
    (0..rows).map(|i| (0..columns).map(|k| number(i * columns + k)).collect()).collect()
}

/// The lower Cholesky factor, by its definition.
fn cholesky(k: &Rows) -> Rows {
    let mut l = vec![vec![0.0; k.len()]; k.len()];
    for i in 0..k.len() {
        for j in 0..=i {
            let rest = k[i][j] - (0..j).map(|m| l[i][m] * l[j][m]).sum::<f64>();
            l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
        }
    }
    l
}

/// `L⁻¹ b`.
fn forward(l: &Rows, b: &[f64]) -> Vec<f64> {
    let mut x: Vec<f64> = Vec::new();
    for i in 0..b.len() {
        x.push((b[i] - (0..i).map(|j| l[i][j] * x[j]).sum::<f64>()) / l[i][i]);
    }
    x
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn square(x: &[f64], z: &[f64]) -> f64 {
    x.iter().zip(z).map(|(x, z)| (x - z).powi(2)).sum()
}

fn near<E: ed::tensor::Float>(found: &[E], expected: &[f64], what: &str) {
    // In single precision the covariances are rounded, and a system of them multiplies that.
    let tolerance = if E::EPSILON.to_f64() > 1e-10 { 2e-4 } else { 1e-10 };
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (x, y)) in found.iter().zip(expected).enumerate() {
        let x = x.to_f64();
        assert!(
            (x - y).abs() <= tolerance * (1.0 + y.abs()),
            "{what} in {}, place {place}: {x} is not {y}",
            E::NAME
        );
    }
}

/// A covariance function beside its formula; the last argument says whether both points are one.
struct Covariance<'a, K> {
    name: &'static str,
    kernel: K,
    formula: &'a dyn Fn(&[f64], &[f64], bool) -> f64,
}

impl<K: Kernel> Covariance<'_, K> {
    fn gram(&self, x: &Rows, diagonal: f64) -> Rows {
        let entry =
            |i: usize, j: usize| (self.formula)(&x[i], &x[j], i == j) + if i == j { diagonal } else { 0.0 };
        (0..x.len()).map(|i| (0..x.len()).map(|j| entry(i, j)).collect()).collect()
    }

    fn cross(&self, x: &[f64], z: &Rows) -> Vec<f64> {
        z.iter().map(|z| (self.formula)(x, z, false)).collect()
    }
}

/// A mean function beside its formula for one unit.
struct MeanRow<'a, M> {
    mean: M,
    formula: &'a dyn Fn(&[f64]) -> f64,
}

const NOISE: f64 = 0.25;

/// The standard deviation that a belief makes of its parameter.
fn scale(raw: f64) -> f64 {
    raw.exp().ln_1p() + 1e-7
}

/// Parameters of the means and, for the sparse process, of the inducing points; fixed numbers of the kernel.
fn params<E: ed::tensor::Float>(z: &Rows, loc: &[f64], raw: &[f64]) -> Result<Params> {
    let mut params = Params::new();
    let columns = |numbers: &[f64]| points::<E>(&numbers.iter().map(|&x| vec![x]).collect());
    for layer in ["gaussian_process", "sparse_gaussian_process"] {
        params.insert(format!("{layer}/mean/constant"), Var::from(vec![E::from_f64(0.5)]))?;
        params.insert(format!("{layer}/mean/weights"), columns(&[0.25, -0.75]))?;
    }
    params.insert("sparse_gaussian_process/inducing_inputs", points::<E>(z))?;
    params.insert("sparse_gaussian_process/inducing_outputs/loc", columns(loc))?;
    params.insert("sparse_gaussian_process/inducing_outputs/raw_scale", columns(raw))?;
    let m = z.len();
    let mut factors = vec![E::ZERO; m * m];
    (0..m).for_each(|i| factors[i * (m + 1)] = E::from_f64(scale(raw[i]).ln()));
    let factors = Var::from_vec(factors, (1usize, m, m))?;
    params.insert("sparse_gaussian_process/inducing_outputs/raw_factors", factors)?;
    Ok(params)
}

/// What was stored, read from a file.
fn through_a_file(params: &Params, name: &str) -> Result<Params> {
    let path = std::env::temp_dir().join(format!("ed-laws-{}-{name}.safetensors", std::process::id()));
    params.save(&path)?;
    let read = Params::load(&path);
    std::fs::remove_file(&path).ok();
    read
}

fn laws<E: ed::tensor::Float, K: Kernel, M: Mean>(
    k: &Covariance<'_, K>,
    mean: &MeanRow<'_, M>,
) -> Result<()> {
    let (x, at, z) = (wave(7, 2, 0.3), wave(4, 2, 1.9), wave(3, 2, 4.0));
    let y: Vec<f64> = x.iter().map(|row| row[0].sin() + 0.5 * row[1]).collect();
    let (loc, raw) = ([0.5, -0.25, 1.0], [-1.0, 0.5, 0.0]);
    let scales: Vec<f64> = raw.iter().map(|&raw| scale(raw)).collect();
    let what = |of: &str| format!("{of} of {} under {:?}", k.name, mean.mean);

    // The formulas, by dense algebra.
    let l = cholesky(&k.gram(&x, NOISE));
    let rests: Vec<f64> = x.iter().zip(&y).map(|(row, y)| y - (mean.formula)(row)).collect();
    let white = forward(&l, &rests);
    let evidence = -0.5 * dot(&white, &white)
        - (0..7).map(|i| l[i][i].ln()).sum::<f64>()
        - 3.5 * std::f64::consts::TAU.ln();
    let exact: Vec<(f64, f64)> = at
        .iter()
        .map(|row| {
            let cross = forward(&l, &k.cross(row, &x));
            let own = (k.formula)(row, row, true);
            ((mean.formula)(row) + dot(&cross, &white), own - dot(&cross, &cross))
        })
        .collect();
    let l = cholesky(&k.gram(&z, 0.0));
    let sparse: Vec<(f64, f64)> = at
        .iter()
        .map(|row| {
            let a = forward(&l, &k.cross(row, &z));
            let believed: f64 = a.iter().zip(&scales).map(|(a, s)| (a * s).powi(2)).sum();
            let own = (k.formula)(row, row, true);
            ((mean.formula)(row) + dot(&a, &loc), own - dot(&a, &a) + believed)
        })
        .collect();
    let (exact_means, exact_variances): (Vec<f64>, Vec<f64>) = exact.into_iter().unzip();
    let (sparse_means, sparse_variances): (Vec<f64>, Vec<f64>) = sparse.into_iter().unzip();

    let stored = params::<E>(&z, &loc, &raw)?;
    for params in [through_a_file(&stored, &format!("{}-{:?}", k.name.replace(' ', "-"), mean.mean))?, stored]
    {
        with_params(&params, || {
            let gp =
                GaussianProcess::new(1).kernel(k.kernel.clone()).mean(mean.mean.clone()).noise(fixed(NOISE));
            let (x, y, new) =
                (points::<E>(&x), points::<E>(&y.iter().map(|&y| vec![y]).collect()), points::<E>(&at));
            near(&[gp.log_marginal_likelihood(&x, &y)?.item()?], &[evidence], &what("evidence"));
            let posterior = gp.posterior(&x, &y);
            for _ in 0..2 {
                let f = posterior.at(&new)?;
                // A plane has no more than three weights, and four of its values a covariance without a factor.
                assert!(f.jitter() < 1e3 * E::EPSILON.to_f64(), "{}: {}", what("jitter"), f.jitter());
                near(&f.mean()?.to_vec()?, &exact_means, &what("mean"));
                near(&f.variance()?.to_vec()?, &exact_variances, &what("variance"));
            }
            for (i, row) in at.iter().enumerate() {
                let f = posterior.at(&points::<E>(&vec![row.clone()]))?;
                near(&f.mean()?.to_vec()?, &exact_means[i..=i], &what("mean of one row"));
                near(&f.variance()?.to_vec()?, &exact_variances[i..=i], &what("variance of one row"));
            }
            Ok(())
        })?;
        for covariance in [InducingCovariance::Diagonal, InducingCovariance::Full] {
            let layer = SparseGaussianProcess::new(1, 3)
                .kernel(k.kernel.clone())
                .mean(mean.mean.clone())
                .covariance(covariance);
            let run = |x: &Points<E>| with_params(&params, || seed(0, || layer.forward(x)));
            let new = points::<E>(&at);
            let program = || layer.forward(&new);
            let at_mean = with_params(&params, || seed(0, || ed::handlers::mean(program).run()))?;
            for f in [run(&new)?, run(&new)?, at_mean] {
                near(&f.distribution().mean()?.to_vec()?, &sparse_means, &what("sparse mean"));
                near(&f.distribution().variance()?.to_vec()?, &sparse_variances, &what("sparse variance"));
            }
            for (i, row) in at.iter().enumerate() {
                let f = run(&points(&vec![row.clone()]))?;
                near(&f.distribution().mean()?.to_vec()?, &sparse_means[i..=i], &what("sparse mean"));
            }
        }
    }
    Ok(())
}

fn under_every_mean<K: Kernel>(k: &Covariance<'_, K>) -> Result<()> {
    fn both<K: Kernel, M: Mean>(
        k: &Covariance<'_, K>,
        mean: M,
        formula: &dyn Fn(&[f64]) -> f64,
    ) -> Result<()> {
        let mean = MeanRow { mean, formula };
        laws::<f64, K, M>(k, &mean)?;
        laws::<f32, K, M>(k, &mean)
    }
    both(k, ZeroMean, &|_| 0.0)?;
    both(k, ConstantMean, &|_| 0.5)?;
    both(k, LinearMean, &|x| 0.5 + 0.25 * x[0] - 0.75 * x[1])
}

#[test]
fn processes_are_what_dense_algebra_says_under_every_kernel_mean_precision_and_use() -> Result<()> {
    macro_rules! row {
        ($name:literal, $kernel:expr, $formula:expr) => {
            under_every_mean(&Covariance { name: $name, kernel: $kernel, formula: &$formula })?
        };
    }
    let (ell, v) = (1.25f64, 1.5f64);
    let s = move |x: &[f64], z: &[f64]| square(x, z) / (ell * ell);
    let eq = move |x: &[f64], z: &[f64], _: bool| v * (-0.5 * s(x, z)).exp();
    macro_rules! stationary {
        ($kernel:ident) => {
            $kernel::new().lengthscale(fixed(ell)).variance(fixed(v))
        };
    }
    row!("exponentiated quadratic", stationary!(ExponentiatedQuadratic), eq);
    row!("matern12", stationary!(Matern12), move |x, z, _| v * (-s(x, z).sqrt()).exp());
    row!("matern32", stationary!(Matern32), move |x, z, _| {
        let r = (3.0 * s(x, z)).sqrt();
        v * (1.0 + r) * (-r).exp()
    });
    row!("matern52", stationary!(Matern52), move |x, z, _| {
        let r = (5.0 * s(x, z)).sqrt();
        v * (1.0 + r + r * r / 3.0) * (-r).exp()
    });
    let rational = stationary!(RationalQuadratic).alpha(fixed(0.75));
    row!("rational quadratic", rational, move |x, z, _| v * (1.0 + s(x, z) / 1.5).powf(-0.75));
    let periodic = Periodic::new().period(fixed(4.0)).lengthscale(fixed(ell)).variance(fixed(v));
    row!("periodic", periodic, move |x, z, _| {
        let sines = x.iter().zip(z).map(|(x, z)| (std::f64::consts::PI * (x - z) / 4.0).sin().powi(2));
        v * (-2.0 * sines.sum::<f64>() / (ell * ell)).exp()
    });
    // Of three weights, so that three inducing points have a covariance with a factor.
    let linear = || Linear::new().variance(fixed(0.5)).bias(fixed(0.25));
    row!("linear", linear(), |x, z, _| 0.5 * dot(x, z) + 0.25);
    row!(
        "sum with noise",
        stationary!(ExponentiatedQuadratic) + White::new().variance(fixed(0.5)),
        move |x, z, one| { eq(x, z, one) + if one { 0.5 } else { 0.0 } }
    );
    row!("product", stationary!(ExponentiatedQuadratic) * linear(), move |x, z, one| {
        eq(x, z, one) * (0.5 * dot(x, z) + 0.25)
    });
    row!(
        "scaled on a feature",
        stationary!(ExponentiatedQuadratic).on(&[1]).scaled(fixed(2.0)),
        move |x, z, one| { 2.0 * eq(&x[1..], &z[1..], one) }
    );
    Ok(())
}

#[test]
fn the_inputs_are_the_mean_of_an_inner_layer_of_as_many_units() -> Result<()> {
    let x = points::<f64>(&wave(5, 2, 0.3));
    let layer = SparseGaussianProcess::new(2, 4).mean(ProjectionMean).scale(1e-3);
    let f = seed(0, || layer.forward(&x))?;
    assert_eq!(f.distribution().mean()?.to_vec()?, x.to_vec()?);
    Ok(())
}
