//! Draws: their moments, names and files, and what they refuse.

use super::Draws;
use crate::atomic_file::test_folder;
use crate::prelude::*;
use crate::tensor::Dims;

fn two_chains() -> Result<Draws> {
    let mut draws = Draws::new(2, 2)?;
    draws.insert("tau", "f64", Dims::SCALAR, vec![1.0, 2.0, 3.0, 6.0])?;
    draws.insert(SiteName::indexed("w", &[4]), "f32", Dims::vector(2), (0..8).map(f64::from).collect())?;
    Ok(draws)
}

#[test]
fn moments_are_over_all_draws_and_keep_the_precision() -> Result<()> {
    let draws = two_chains()?;
    assert_eq!(draws.mean("tau")?.item()?, 3.0);
    assert_eq!(draws.sd("tau")?.item()?, (14f64 / 3.0).sqrt());
    let w = draws.required("w[4]")?;
    assert_eq!((w.mean().to_vec()?, w.mean().precision()), (vec![3.0, 4.0], "f32"));
    assert_eq!(w.scalar_chains(1), [[1.0, 3.0], [5.0, 7.0]]);
    assert_eq!(w.quantile(0.5).to_vec()?, [3.0, 4.0]);
    assert_eq!(w.stacked()?.dims().to_string(), "[4, 2]");
    assert_eq!(draws.at(1, 0)?.required("w[4]")?.to_vec()?, [4.0, 5.0]);
    assert_eq!(draws.clone().flatten().required("w[4]")?.scalar_chains(1), [[1.0, 3.0, 5.0, 7.0]]);
    assert_eq!(draws.iter().count(), 4);
    Ok(())
}

#[test]
fn equal_draws_have_exactly_their_value_and_no_deviation() -> Result<()> {
    let mut draws = Draws::new(4, 250)?;
    draws.insert("x", "f64", Dims::SCALAR, vec![0.1; 1000])?;
    draws.insert("small", "f64", Dims::SCALAR, [1e-200, 3e-200].repeat(500))?;
    assert_eq!((draws.mean("x")?.item()?, draws.sd("x")?.item()?), (0.1, 0.0));
    let expected = 1e-200 * (1000.0f64 / 999.0).sqrt();
    assert!((draws.sd("small")?.item()? / expected - 1.0).abs() < 1e-12);
    Ok(())
}

#[test]
fn what_the_model_observes_is_data_and_has_no_draws() -> Result<()> {
    let error = two_chains()?.mean("y").unwrap_err().to_string();
    assert_eq!(
        error,
        "there are no draws of `y`, only of `tau` and `w[4]`; what a model observes is data and is not drawn \
         (`posterior_predictive` draws it anew)"
    );
    Ok(())
}

#[test]
fn independent_draws_are_summarised_without_convergence() -> Result<()> {
    let text = two_chains()?.independent().summary()?.to_string();
    assert!(!text.contains("r_hat") && !text.contains("NaN"), "{text}");
    Ok(())
}

#[test]
fn indices_of_loops_and_elements_make_one_index() -> Result<()> {
    let summary = two_chains()?.summary()?;
    let names: Vec<&str> = summary.rows().iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["tau", "w[4,0]", "w[4,1]"]);
    Ok(())
}

#[test]
fn writes_what_cmdstan_readers_expect() -> Result<()> {
    let folder = test_folder("draws");
    let mut draws = two_chains()?;
    draws.insert("net[1]/b", "f32", Dims::SCALAR, vec![0.5; 4])?;
    draws.insert_statistic("divergent__", vec![0.0, 1.0, 0.0, 0.0])?;
    let paths = draws.to_cmdstan_csv(folder.join("run"))?;
    let text = std::fs::read_to_string(&paths[1])
        .map_err(|error| Error::Io { path: paths[1].clone(), why: error.to_string() })?;
    assert!(text.contains("divergent__,tau,w.5.1,w.5.2,net_1_b\n0.0,3.0,4.0,5.0,0.5\n"), "{text}");
    assert_eq!((paths.len(), draws.num_divergences(), draws.summary()?.num_divergences()), (2, 1, 1));
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

#[test]
fn refuses_what_does_not_fit() -> Result<()> {
    assert!(Draws::new(0, 3).is_err());
    let mut draws = two_chains()?;
    let error = draws.insert("x", "f64", Dims::vector(2), vec![0.0; 4]).unwrap_err();
    assert!(error.to_string().contains("[2, 2] followed by [2], as the numbers of `x`"), "{error}");
    assert!(matches!(
        draws.insert("tau", "f64", Dims::SCALAR, vec![0.0; 4]),
        Err(Error::DuplicateSite { .. })
    ));
    assert!(draws.required("tua").unwrap_err().to_string().contains("`tau` and `w[4]`"));
    assert!(draws.at(2, 0).is_err() && draws.insert_statistic("lp__", vec![]).is_err());
    let uneven = [vec![values!["x" => Var::from([1.0f32])]], vec![]];
    assert!(Draws::from_chains(&uneven).unwrap_err().to_string().contains("1 draws of the first, got 0"));
    let reshaped = [vec![values!["x" => Var::from([1.0f32])], values!["x" => Var::from([1.0f32, 2.0])]]];
    assert!(Draws::from_chains(&reshaped).unwrap_err().to_string().contains("at the site `x`"));
    Ok(())
}
