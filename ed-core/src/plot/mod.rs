//! Pictures of posteriors and predictions: slices in, PNG out, on the plotters crate.
//!
//! Every plot is a builder that ends in `save(path)`. It needs no fonts of the system, creates missing folders and
//! writes the file whole or not at all. Colours (Okabe & Ito, "Color universal design", 2008) stay apart for
//! colour-blind readers.
//!
//! | plot | shows |
//! |---|---|
//! | [`LinePlot`] | losses over steps, several series, optionally on a logarithmic axis |
//! | [`DensityPlot`], [`HistogramPlot`] | draws of one scalar by several methods over each other |
//! | [`IntervalPlot`] | intervals of many parameters, methods side by side (forest plot) |
//! | [`TracePlot`] | chains over draws |
//! | [`RankPlot`] | ranks of each chain among all draws |
//! | [`EnergyPlot`] | energies of a Hamiltonian sampler and their changes |
//! | [`PredictivePlot`] | data among data sets that the model draws |
//! | [`ReliabilityPlot`] | accuracy against confidence of classifiers |
//! | [`ImageGrid`] | small images with their predictive distributions |
//! | [`HeatMap`] | a field over the plane with its colour bar |
//!
//! Those of draws have a constructor `of`, which takes the [`Draws`](crate::inference::Draws) of any inference.
//!
//! ```
//! # use ed_core::plot::LinePlot;
//! # let folder = std::env::temp_dir().join(format!("ed-plot-doc-{}", std::process::id()));
//! let steps: Vec<f64> = (0..100).map(f64::from).collect();
//! let loss: Vec<f64> = steps.iter().map(|t| (-t / 20.0).exp() + 0.1).collect();
//! LinePlot::new("Training", "step", "loss").series("flipout", &steps, &loss).save(folder.join("loss.png"))?;
//! # std::fs::remove_dir_all(folder).unwrap();
//! # Ok::<(), ed_core::plot::PlotError>(())
//! ```

mod axes;
mod bandwidth;
mod bars;
mod calibration;
mod canvas;
mod density;
mod digits;
mod energy;
mod error;
mod heat;
mod histogram;
mod interval;
mod kernel_density;
mod line;
mod predictive;
mod rank;
mod stroke;
mod style;
mod trace;

pub use calibration::ReliabilityPlot;
pub use density::DensityPlot;
pub use digits::ImageGrid;
pub use energy::EnergyPlot;
pub use error::PlotError;
pub use heat::HeatMap;
pub use histogram::HistogramPlot;
pub use interval::{Interval, IntervalPlot};
pub use kernel_density::KernelDensity;
pub use line::LinePlot;
pub use predictive::PredictivePlot;
pub use rank::RankPlot;
pub use trace::TracePlot;

#[cfg(test)]
mod tests;
