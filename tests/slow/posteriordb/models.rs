//! Eight posteriors of posteriordb as models; the names of sites and data are Stan's.

use ed::prelude::*;

use super::compare::assert_agrees;
use super::reference::Posterior;

type Vector = Var<(usize,), f64>;
type Matrix = Var<(usize, usize), f64>;
type Normals = RandomVariable<Normal<(usize,), f64>>;

/// Rows of columns side by side.
fn columns(columns: &[Vec<f64>]) -> Result<Matrix> {
    let rows = columns[0].len();
    let data = (0..rows).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
    Var::from_vec(data, (rows, columns.len()))
}

/// An autoregression: `lags[t]` are the `K` numbers before `y[t]`, the latest first.
#[model]
fn ark(lags: &Matrix) -> Result<Normals> {
    let alpha = sample(Normal::new(0.0, 10.0)?);
    let beta = sample(Normal::new(0.0, 10.0)?.expand((lags.shape().1,))?);
    let sigma = sample(HalfCauchy::new(2.5)?);
    let y = sample(Normal::new(lags.dot(&beta)? + &alpha, &sigma)?);
    Ok(y)
}

#[test]
#[ignore = "reads ED_POSTERIORDB: cargo test --release --test slow -- --ignored"]
fn ark_agrees() -> Result<()> {
    let Some(posterior) = Posterior::read("arK-arK") else { return Ok(()) };
    let (y, order) = (posterior.vector("y"), posterior.number("K") as usize);
    let lag = |k: usize| y[order - k..y.len() - k].to_vec();
    let lags = columns(&(1..=order).map(lag).collect::<Vec<_>>())?;
    let model = condition(|| ark(&lags), values![ark::y = Var::from(&y[order..])]);
    assert_agrees(&posterior, &Nuts::new(&model).run(1)?);
    Ok(())
}

/// Eight schools, the effects as noise that is scaled and shifted.
#[model]
fn eight_schools(standard_errors: &Vector) -> Result<Normals> {
    let mu = sample(Normal::new(0.0, 5.0)?);
    let tau = sample(HalfCauchy::new(5.0)?);
    let theta_trans = sample(Normal::standard((standard_errors.len(),))?);
    let theta = deterministic(&theta_trans * &tau + &mu);
    let y = sample(Normal::new(&theta, standard_errors)?);
    Ok(y)
}

#[test]
#[ignore = "reads ED_POSTERIORDB: cargo test --release --test slow -- --ignored"]
fn eight_schools_agree() -> Result<()> {
    let Some(posterior) = Posterior::read("eight_schools-eight_schools_noncentered") else { return Ok(()) };
    let standard_errors = Var::from(posterior.vector("sigma"));
    let y = Var::from(posterior.vector("y"));
    let model = condition(|| eight_schools(&standard_errors), values![eight_schools::y = y]);
    assert_agrees(&posterior, &Nuts::new(&model).target_accept(0.95).run(1)?);
    Ok(())
}

/// A Gaussian process with an exponentiated quadratic kernel; `sigma` itself is added to the diagonal.
#[model]
fn gp_regression(x: &[f64], y: &Vector) -> Result<()> {
    let rho = sample(Gamma::new(25.0, 4.0)?);
    let alpha = sample(HalfNormal::new(2.0)?);
    let sigma = sample(HalfNormal::new(1.0)?);
    let size = x.len();
    let table = |f: &dyn Fn(usize, usize) -> f64| {
        let entries = (0..size * size).map(|at| f(at / size, at % size)).collect();
        Matrix::from_vec(entries, (size, size))
    };
    let distances = table(&|i, j| -0.5 * (x[i] - x[j]).powi(2))?;
    let identity = table(&|i, j| f64::from(u8::from(i == j)))?;
    let kernel = (distances / rho.square()).exp() * alpha.square() + identity * &sigma;
    let scale_tril = kernel.cholesky()?;
    let noise = scale_tril.solve_triangular(y)?;
    let log_det = scale_tril.diagonal()?.ln().sum();
    let likelihood = factor(-0.5 * noise.square().sum() - log_det);
    Ok(likelihood)
}

#[test]
#[ignore = "reads ED_POSTERIORDB: cargo test --release --test slow -- --ignored"]
fn gp_regression_agrees() -> Result<()> {
    let Some(posterior) = Posterior::read("gp_pois_regr-gp_regr") else { return Ok(()) };
    let x = posterior.vector("x");
    let y = Var::from(posterior.vector("y"));
    assert_agrees(&posterior, &Nuts::new(&|| gp_regression(&x, &y)).run(1)?);
    Ok(())
}

/// A line through children's test scores.
#[model]
fn kidscore(mom_iq: &Vector) -> Result<Normals> {
    let beta = sample(Flat::on(Constraint::Real, (2usize,))?);
    let sigma = sample(HalfCauchy::new(2.5)?);
    let kid_score = sample(Normal::new(mom_iq * beta.at(1)? + beta.at(0)?, &sigma)?);
    Ok(kid_score)
}

#[test]
#[ignore = "reads ED_POSTERIORDB: cargo test --release --test slow -- --ignored"]
fn kidscore_agrees() -> Result<()> {
    let Some(posterior) = Posterior::read("kidiq-kidscore_momiq") else { return Ok(()) };
    let mom_iq = Var::from(posterior.vector("mom_iq"));
    let kid_score = Var::from(posterior.vector("kid_score"));
    let model = condition(|| kidscore(&mom_iq), values![kidscore::kid_score = kid_score]);
    assert_agrees(&posterior, &Nuts::new(&model).run(1)?);
    Ok(())
}

/// Locations and scales of the normal priors of a line.
struct LinePrior {
    alpha: (f64, f64),
    beta: (f64, f64),
}

/// A line through summer temperatures, over years counted from 0.
#[model]
fn kilpisjarvi(x: &Vector, prior: &LinePrior) -> Result<Normals> {
    let alpha = sample(Normal::new(prior.alpha.0, prior.alpha.1)?);
    let beta = sample(Normal::new(prior.beta.0, prior.beta.1)?);
    let sigma = sample(Flat::on(Constraint::Positive, ())?);
    let y = sample(Normal::new(x * &beta + &alpha, &sigma)?);
    Ok(y)
}

#[test]
#[ignore = "reads ED_POSTERIORDB: cargo test --release --test slow -- --ignored"]
fn kilpisjarvi_agrees() -> Result<()> {
    let Some(posterior) = Posterior::read("kilpisjarvi_mod-kilpisjarvi") else { return Ok(()) };
    let number = |name| posterior.number(name);
    let prior = LinePrior {
        alpha: (number("pmualpha"), number("psalpha")),
        beta: (number("pmubeta"), number("psbeta")),
    };
    let (x, y) = (Var::from(posterior.vector("x")), Var::from(posterior.vector("y")));
    let model = condition(|| kilpisjarvi(&x, &prior), values![kilpisjarvi::y = y]);
    // The years are far from 0, so that intercept and slope are all but collinear.
    assert_agrees(&posterior, &Nuts::new(&model).warmup(2_000).draws(2_000).run(1)?);
    Ok(())
}

/// A mixture of two normals, the lower one first; `theta` is the weight of the lower one.
#[model]
fn gauss_mix(y: &Vector) -> Result<()> {
    let mu = sample(Flat::on(Constraint::Ordered, (2usize,))?);
    let prior = factor(Normal::new(0.0, 2.0)?.expand((2usize,))?.log_prob_sum(&mu)?);
    let sigma = sample(HalfNormal::new(2.0)?.expand((2usize,))?);
    let theta = sample(Beta::new(5.0, 5.0)?);
    let component = |k: usize| Normal::new(mu.at(k)?, sigma.at(k)?)?.expand((y.len(),))?.log_prob(y);
    let lower = component(0)? + theta.ln();
    let upper = component(1)? + (1.0 - &theta).ln();
    let likelihood = factor(Var::stack(&[lower, upper])?.transpose().logsumexp().sum());
    Ok(())
}

#[test]
#[ignore = "reads ED_POSTERIORDB: cargo test --release --test slow -- --ignored"]
fn gauss_mix_agrees() -> Result<()> {
    let Some(posterior) = Posterior::read("low_dim_gauss_mix-low_dim_gauss_mix") else { return Ok(()) };
    let y = Var::from(posterior.vector("y"));
    assert_agrees(&posterior, &Nuts::new(&|| gauss_mix(&y)).run(1)?);
    Ok(())
}

/// The weight of mesquite bushes from their measures, on the log scale.
#[model]
fn log_mesquite(features: &Matrix) -> Result<Normals> {
    let beta = sample(Flat::on(Constraint::Real, (features.shape().1,))?);
    let sigma = sample(Flat::on(Constraint::Positive, ())?);
    let log_weight = sample(Normal::new(features.dot(&beta)?, &sigma)?);
    Ok(log_weight)
}

#[test]
#[ignore = "reads ED_POSTERIORDB: cargo test --release --test slow -- --ignored"]
fn log_mesquite_agrees() -> Result<()> {
    let Some(posterior) = Posterior::read("mesquite-logmesquite") else { return Ok(()) };
    let ln = |name| posterior.vector(name).into_iter().map(f64::ln).collect::<Vec<_>>();
    let log_weight = ln("weight");
    let features = columns(&[
        vec![1.0; log_weight.len()],
        ln("diam1"),
        ln("diam2"),
        ln("canopy_height"),
        ln("total_height"),
        ln("density"),
        posterior.vector("group"),
    ])?;
    let observed = values![log_mesquite::log_weight = Var::from(log_weight)];
    let model = condition(|| log_mesquite(&features), observed);
    assert_agrees(&posterior, &Nuts::new(&model).run(1)?);
    Ok(())
}

/// A linear regression.
#[model]
fn blr(features: &Matrix) -> Result<Normals> {
    let beta = sample(Normal::new(0.0, 10.0)?.expand((features.shape().1,))?);
    let sigma = sample(HalfNormal::new(10.0)?);
    let y = sample(Normal::new(features.dot(&beta)?, &sigma)?);
    Ok(y)
}

#[test]
#[ignore = "reads ED_POSTERIORDB: cargo test --release --test slow -- --ignored"]
fn blr_agrees() -> Result<()> {
    let Some(posterior) = Posterior::read("sblri-blr") else { return Ok(()) };
    let y = posterior.vector("y");
    let features = posterior.matrix("X");
    let columns = features.len() / y.len();
    let features = Var::from_vec(features, (y.len(), columns))?;
    let model = condition(|| blr(&features), values![blr::y = Var::from(y)]);
    assert_agrees(&posterior, &Nuts::new(&model).run(1)?);
    Ok(())
}
