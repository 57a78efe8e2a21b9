//! Plots of draws: what [`Draws`] know goes to the plots, which know only slices.

use super::Draws;
use crate::error::{Error, Result};
use crate::plot::{
    DensityPlot, EnergyPlot, HistogramPlot, Interval, IntervalPlot, PlotError, PredictivePlot, RankPlot,
    TracePlot,
};
use crate::trace::SiteName;

/// Names listed in an error.
const MAX_NAMES: usize = 12;

impl Draws {
    /// The chains of one scalar by its name in a [`summary`](Draws::summary): `tau`, `theta[3]`.
    ///
    /// # Errors
    /// [`PlotError::NotDrawn`] if there is none of this name, with the names that there are.
    pub fn scalar(&self, name: &str) -> Result<Vec<Vec<f64>>> {
        if let Some((_, chains)) = self.scalars().find(|(known, _)| known == name) {
            return Ok(chains);
        }
        // A tensor's name stands for no scalar; its elements are nearest.
        let elements = |known: &String| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('['));
        let all: Vec<String> = self.scalars().map(|(known, _)| known).collect();
        let near: Vec<&String> = all.iter().filter(|known| elements(known)).collect();
        let near = if near.is_empty() { all.iter().collect() } else { near };
        let mut known: Vec<&str> = near.iter().take(MAX_NAMES).map(|name| name.as_str()).collect();
        if near.len() > MAX_NAMES {
            known.push("…");
        }
        Err(PlotError::NotDrawn { name: name.into(), known: known.join(", ") }.into())
    }

    /// The draws of some random variables alone, in the order of the names, with what the sampler tells.
    ///
    /// # Errors
    /// As [`Draws::required`]; [`Error::DuplicateSite`] if a name comes twice.
    pub fn only<N: Into<SiteName>>(&self, names: impl IntoIterator<Item = N>) -> Result<Draws> {
        let mut draws = self.without_sites();
        for name in names {
            let site = self.required(name)?;
            draws.insert(site.name(), site.precision(), *site.dims(), site.numbers().to_vec())?;
        }
        Ok(draws)
    }
}

impl TracePlot {
    /// All scalars of the draws; choose some random variables with [`Draws::only`].
    ///
    /// ```
    /// use ed::plot::TracePlot;
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// # let folder = std::env::temp_dir().join(format!("ed-trace-of-{}", std::process::id()));
    /// let model = || sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?).map(|_| ());
    /// let draws = Nuts::new(&model).chains(2).warmup(50).draws(50).quiet().run(0)?;
    /// TracePlot::of(&draws.only(["x"])?).save(folder.join("trace.png"))?;
    /// # assert!(folder.join("trace.png").exists());
    /// # std::fs::remove_dir_all(folder).ok();
    /// # Ok(()) }
    /// ```
    pub fn of(draws: &Draws) -> TracePlot {
        draws.scalars().fold(TracePlot::new("Draws"), |plot, (name, chains)| plot.scalar(name, &chains))
    }
}

impl RankPlot {
    /// The ranks of one scalar, such as `tau` or `theta[3]`.
    ///
    /// # Errors
    /// As [`Draws::scalar`].
    pub fn of(draws: &Draws, scalar: &str) -> Result<RankPlot> {
        Ok(RankPlot::new(format!("Ranks of {scalar}"), &draws.scalar(scalar)?))
    }
}

impl DensityPlot {
    /// The density of one scalar, such as `tau` or `theta[3]`, a line for each chain.
    ///
    /// # Errors
    /// As [`Draws::scalar`].
    pub fn of(draws: &Draws, scalar: &str) -> Result<DensityPlot> {
        let chains = draws.scalar(scalar)?;
        let plot = DensityPlot::new(format!("Density of {scalar}"), scalar);
        Ok(match &chains[..] {
            [chain] => plot.draws("draws", chain),
            chains => chains
                .iter()
                .enumerate()
                .fold(plot, |plot, (c, chain)| plot.draws(format!("chain {}", c + 1), chain)),
        })
    }
}

impl HistogramPlot {
    /// The draws of one scalar, such as `tau` or `theta[3]`, of all chains.
    ///
    /// # Errors
    /// As [`Draws::scalar`].
    pub fn of(draws: &Draws, scalar: &str) -> Result<HistogramPlot> {
        let all = draws.scalar(scalar)?.concat();
        Ok(HistogramPlot::new(format!("Draws of {scalar}"), scalar).draws("draws", &all))
    }
}

impl IntervalPlot {
    /// The median and the central 90 % of every scalar; choose some random variables with [`Draws::only`].
    pub fn of(draws: &Draws) -> IntervalPlot {
        let (names, intervals): (Vec<String>, Vec<Interval>) =
            draws.scalars().map(|(name, chains)| (name, Interval::of(&chains.concat()))).unzip();
        IntervalPlot::new("Posterior", "median and 90 %", names).method("draws", &intervals)
    }
}

impl EnergyPlot {
    /// The energies of a Hamiltonian sampler's draws.
    ///
    /// # Errors
    /// [`Error::Algorithm`] if the draws have none: they are another inference's.
    pub fn of(draws: &Draws) -> Result<EnergyPlot> {
        let energies = draws.statistic_chains("energy__").ok_or_else(|| Error::Algorithm {
            of: "EnergyPlot",
            why: "the draws have no `energy__`: only a Hamiltonian sampler such as `Nuts` has energies"
                .into(),
        })?;
        Ok(EnergyPlot::new("Energies", &energies))
    }
}

impl PredictivePlot {
    /// Data beside the draws of the random variable that they are the value of, from
    /// [`posterior_predictive`](crate::inference::posterior_predictive).
    ///
    /// # Errors
    /// As [`Draws::required`], and [`Error::Shape`] if the data have another number of entries.
    pub fn of(predictive: &Draws, name: impl Into<SiteName>, observed: &[f64]) -> Result<PredictivePlot> {
        let site = predictive.required(name)?;
        let size = site.dims().num_elements();
        if observed.len() != size {
            let expected = format!("{}, as `{}`", site.dims(), site.name());
            let got = crate::tensor::Dims::vector(observed.len());
            return Err(Error::Shape { op: "PredictivePlot::of", expected, got });
        }
        let replications: Vec<&[f64]> = site.numbers().chunks(size.max(1)).collect();
        Ok(PredictivePlot::new("Data among predictions", site.name().as_str(), observed, &replications))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic_file::test_folder;
    use crate::prelude::*;

    fn draws() -> Result<McmcDraws> {
        let model = || {
            let mu = sample_as("mu", Normal::<(), f64>::new(0.0, 1.0)?)?;
            sample_as("theta", Normal::new(&mu, 1.0)?.expand((3,))?)?;
            Ok(())
        };
        Nuts::new(&model).chains(2).warmup(60).draws(60).quiet().run(0)
    }

    #[test]
    fn every_plot_takes_draws() -> Result<()> {
        let (folder, draws) = (test_folder("pictures_of_draws"), draws()?);
        TracePlot::of(&draws).save(folder.join("trace.png"))?;
        RankPlot::of(&draws, "theta[2]")?.save(folder.join("rank.png"))?;
        DensityPlot::of(&draws, "mu")?.save(folder.join("density.png"))?;
        HistogramPlot::of(&draws, "mu")?.save(folder.join("histogram.png"))?;
        IntervalPlot::of(&draws.only(["theta"])?).save(folder.join("interval.png"))?;
        EnergyPlot::of(&draws)?.save(folder.join("energy.png"))?;
        PredictivePlot::of(&draws, "theta", &[0.1, 0.2, 0.4])?.save(folder.join("predictive.png"))?;
        let pictures = std::fs::read_dir(&folder).map_or(0, Iterator::count);
        let _ = std::fs::remove_dir_all(folder);
        assert_eq!(pictures, 7);
        Ok(())
    }

    #[test]
    fn a_scalar_that_is_not_there_is_refused_with_those_that_are() -> Result<()> {
        let draws = draws()?;
        let refused = |name: &str| RankPlot::of(&draws, name).unwrap_err().to_string();
        assert!(
            refused("theta").ends_with("the draws have: theta[0], theta[1], theta[2]"),
            "{}",
            refused("theta")
        );
        assert!(refused("tau").ends_with("mu, theta[0], theta[1], theta[2]"), "{}", refused("tau"));
        assert!(draws.only(["tau"]).is_err() && PredictivePlot::of(&draws, "theta", &[1.0]).is_err());
        let alone = draws.only(["mu"])?;
        assert_eq!(alone.names().count(), 1);
        assert_eq!(alone.statistic("lp__"), draws.statistic("lp__"));
        let unknown = EnergyPlot::of(&Draws::new(1, 1)?).unwrap_err().to_string();
        assert!(unknown.contains("only a Hamiltonian sampler"), "{unknown}");
        Ok(())
    }
}
