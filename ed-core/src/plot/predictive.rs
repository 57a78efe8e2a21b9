//! Data among data sets that the model would draw.

use super::axes::{Axis, Chart, chart, draw_line, range};
use super::bars::{Counts, draw_bars};
use super::canvas::{frame, save};
use super::density::density_line;
use super::error::{PlotError, not_empty};
use super::kernel_density::KernelDensity;
use super::style::{AXIS, INK, LINE, colour, px};
use crate::diagnostics::quantile;
use plotters::element::Circle;
use plotters::style::Color as _;
use std::path::Path;

/// Replicated data sets that are drawn: more cover each other.
const MOST: usize = 50;

/// Posterior predictive check: the distribution of the data over those of data sets that the model draws.
///
/// Data of a model that fits look like one more of them. Of counts, bars are the shares in the data, and each dot with its
/// line is the median share and the central 90 % of the replications.
///
/// Gabry, Simpson, Vehtari, Betancourt & Gelman, "Visualization in Bayesian workflow" (2019), section 5.
///
/// ```
/// # use ed_core::plot::PredictivePlot;
/// # let folder = std::env::temp_dir().join(format!("ed-predictive-doc-{}", std::process::id()));
/// let wave = |start: f64| (0..80).map(|i| (start + 0.7 * f64::from(i)).sin()).collect::<Vec<f64>>();
/// let replications: Vec<Vec<f64>> = (0..20).map(|i| wave(f64::from(i))).collect();
/// PredictivePlot::new("Check", "y", &wave(0.0), &replications).save(folder.join("check.png"))?;
/// # assert!(folder.join("check.png").exists());
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), ed_core::plot::PlotError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PredictivePlot {
    title: String,
    x_label: String,
    observed: Vec<f64>,
    replications: Vec<Vec<f64>>,
}

impl PredictivePlot {
    /// A plot of data beside replicated data sets, of which 50, evenly chosen, are drawn.
    pub fn new<R: AsRef<[f64]>>(
        title: impl Into<String>,
        x_label: impl Into<String>,
        observed: &[f64],
        replications: &[R],
    ) -> Self {
        let step = replications.len().div_ceil(MOST).max(1);
        let replications = replications.iter().step_by(step).map(|data| data.as_ref().to_vec()).collect();
        Self { title: title.into(), x_label: x_label.into(), observed: observed.to_vec(), replications }
    }

    /// Draws and writes the PNG.
    ///
    /// # Errors
    /// [`PlotError`] if the data or a replication have no finite number, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        not_empty("replications", &self.replications)?;
        let counts = Counts::of(&self.observed);
        let replicated: Option<Vec<Counts>> = self.replications.iter().map(|data| Counts::of(data)).collect();
        match counts.zip(replicated) {
            Some((observed, replicated)) => self.save_counts(path.as_ref(), &observed, &replicated),
            None => self.save_densities(path.as_ref()),
        }
    }

    fn save_densities(&self, path: &Path) -> Result<(), PlotError> {
        let line = |what: &str, data: &[f64]| {
            let density = KernelDensity::new(data);
            let nothing = || PlotError::Empty { what: format!("finite numbers in {what}") };
            density.as_ref().map(density_line).ok_or_else(nothing)
        };
        let observed = line("the data", &self.observed)?;
        let replicated: Result<Vec<_>, _> =
            self.replications.iter().map(|data| line("a replication", data)).collect();
        let replicated = replicated?;
        let points = || replicated.iter().flatten().chain(&observed);
        self.picture(path, "density", points().copied(), |chart| {
            for line in &replicated {
                draw_line(chart, line, colour(5).mix(0.5), 0.6)?;
            }
            draw_line(chart, &observed, INK, LINE)
        })
    }

    fn save_counts(&self, path: &Path, observed: &Counts, replicated: &[Counts]) -> Result<(), PlotError> {
        let points = || observed.outline().into_iter().chain(replicated.iter().flat_map(Counts::outline));
        let (low, high) = points()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (x, _)| (low.min(x), high.max(x)));
        self.picture(path, "probability", points(), |chart| {
            draw_bars(chart, observed, (0, 1), AXIS)?;
            for number in 0..(high - low) as usize {
                let number = low + 0.5 + number as f64;
                let shares: Vec<f64> = replicated.iter().map(|counts| counts.share(number)).collect();
                let [from, middle, to] = [0.05, 0.5, 0.95].map(|p| quantile(&shares, p));
                draw_line(chart, &[(number, from), (number, to)], colour(5), LINE)?;
                chart.draw_series([Circle::new((number, middle), px(2.5), colour(5).filled())])?;
            }
            Ok(())
        })
    }

    fn picture(
        &self,
        path: &Path,
        y_label: &str,
        points: impl Iterator<Item = (f64, f64)>,
        draw: impl FnOnce(&mut Chart) -> Result<(), PlotError>,
    ) -> Result<(), PlotError> {
        let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
        let x_range =
            range(x, 0.01).ok_or_else(|| PlotError::Empty { what: "a range that is finite".into() })?;
        let top = 1.08 * y.into_iter().filter(|y| y.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
        let ink = if y_label == "density" { INK } else { AXIS };
        save(path, (600, 340), |root| {
            let area = frame(root, &self.title, &[("data", ink), ("replications", colour(5))])?;
            draw(&mut chart(&area, &Axis::new(&self.x_label, x_range), &Axis::new(y_label, 0.0..top))?)
        })
    }
}
