//! Do the energies that the sampler reaches follow those that there are?

use super::density::DensityPlot;
use super::error::{PlotError, not_empty};
use crate::diagnostics::bfmi;
use std::path::Path;

/// Energies of a Hamiltonian sampler, less their mean, beside their changes from draw to draw.
///
/// If the changes are much narrower, resampling the momentum reaches only a part of the energies at a time, and the tails
/// are poorly explored; the legend has each chain's [`bfmi`](crate::diagnostics::bfmi()).
///
/// Betancourt, "Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo" (2016), section 3.
#[derive(Clone, Debug)]
pub struct EnergyPlot {
    title: String,
    chains: Vec<Vec<f64>>,
}

impl EnergyPlot {
    /// A plot of the energies of all chains.
    pub fn new<C: AsRef<[f64]>>(title: impl Into<String>, chains: &[C]) -> Self {
        Self { title: title.into(), chains: chains.iter().map(|chain| chain.as_ref().to_vec()).collect() }
    }

    /// Draws and writes the PNG.
    ///
    /// # Errors
    /// [`PlotError`] if there are no chains, a chain has fewer than two finite energies, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        not_empty("chains", &self.chains)?;
        let (mut energies, mut changes) = (Vec::new(), Vec::new());
        for (i, chain) in self.chains.iter().enumerate() {
            if chain.len() < 2 || chain.iter().any(|x| !x.is_finite()) {
                return Err(PlotError::Empty { what: format!("two finite energies in chain {}", i + 1) });
            }
            let mean = chain.iter().sum::<f64>() / chain.len() as f64;
            energies.extend(chain.iter().map(|x| x - mean));
            changes.extend(chain.windows(2).map(|pair| pair[1] - pair[0]));
        }
        let fractions: Vec<String> = self.chains.iter().map(|chain| format!("{:.2}", bfmi(chain))).collect();
        DensityPlot::new(&self.title, "energy")
            .draws("energy less its mean", &energies)
            .draws(format!("change from draw to draw (BFMI {})", fractions.join(", ")), &changes)
            .save(path)
    }
}
