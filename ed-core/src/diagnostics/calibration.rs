//! Are predicted class probabilities right? Accuracy, proper scores, calibration errors.

use super::chains::mean;
use super::error::DiagnosticsError;
use super::probabilities::checked;

/// Number of confidence bins in Guo et al. (2017) and most papers after it.
pub const NUM_BINS: usize = 15;
/// Most bins of a reliability diagram: more than any picture shows.
const MAX_BINS: usize = 10_000;

/// A classifier's probabilities beside the true labels, checked once and scored in several ways.
///
/// # Shapes
/// `probs`: `N × K`, row after row, each row a distribution; `labels`: `N`, each below `K`.
///
/// ```
/// # use ed_core::diagnostics::calibration::Predictions;
/// let predictions = Predictions::new(&[0.9, 0.1, 0.4, 0.6], &[0_u8, 0])?;
/// assert_eq!(predictions.accuracy(), 0.5);
/// assert!((predictions.brier() - (0.02 + 0.72) / 2.0).abs() < 1e-15);
/// # Ok::<(), ed_core::diagnostics::DiagnosticsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Predictions {
    probs: Vec<f64>,
    labels: Vec<usize>,
    num_classes: usize,
}

/// Predictions of like confidence, taken together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReliabilityBin {
    /// Lowest confidence of the bin (exclusive, as in Guo et al.).
    pub lower: f64,
    /// Highest confidence of the bin (inclusive).
    pub upper: f64,
    /// Number of predictions in the bin.
    pub count: usize,
    /// Their mean confidence; NaN in an empty bin.
    pub confidence: f64,
    /// The fraction of them that is right; NaN in an empty bin.
    pub accuracy: f64,
}

impl Predictions {
    /// Checks rows and labels; `K` is `probs.len() / labels.len()`.
    ///
    /// # Errors
    /// [`DiagnosticsError`] if either is empty, the lengths do not fit, a row is not a distribution, or a
    /// label is not below `K`.
    pub fn new<T: Copy + Into<f64>, L: Copy + Into<usize>>(
        probs: &[T],
        labels: &[L],
    ) -> Result<Self, DiagnosticsError> {
        if labels.is_empty() {
            return Err(DiagnosticsError::Empty { what: "labels" });
        }
        let num_classes = probs.len() / labels.len();
        if num_classes * labels.len() != probs.len() {
            let expected = format!("labels × classes = {} × …", labels.len());
            return Err(DiagnosticsError::Length { what: "probabilities", expected, got: probs.len() });
        }
        let probs = checked(probs, num_classes)?;
        let labels: Vec<usize> = labels.iter().map(|&label| label.into()).collect();
        if let Some(at) = labels.iter().position(|&label| label >= num_classes) {
            let must_be = "below the number of classes";
            let got = format!("{} with {num_classes} classes", labels[at]);
            return Err(DiagnosticsError::Value { what: "label", at, must_be, got });
        }
        Ok(Self { probs, labels, num_classes })
    }

    fn rows(&self) -> impl Iterator<Item = (&[f64], usize)> {
        self.probs.chunks_exact(self.num_classes).zip(self.labels.iter().copied())
    }

    /// Fraction of rows whose most probable class (the first of equals) is the label.
    pub fn accuracy(&self) -> f64 {
        mean(self.outcomes().map(|(_, right)| f64::from(right)))
    }

    /// Negative log likelihood of the labels, nats per example; infinite if a label had probability zero.
    pub fn nll(&self) -> f64 {
        mean(self.rows().map(|(row, label)| -row[label].ln()))
    }

    /// Multi-class Brier score per example, `Σₖ (pₖ - 1[k = label])²`, in `[0, 2]`.
    ///
    /// Brier, "Verification of forecasts expressed in terms of probability" (1950), equation 2.
    pub fn brier(&self) -> f64 {
        mean(self.rows().map(|(row, label)| {
            row.iter().enumerate().map(|(k, p)| (p - f64::from(k == label)).powi(2)).sum::<f64>()
        }))
    }

    /// Expected calibration error over [`NUM_BINS`] confidence bins of equal width.
    ///
    /// `Σ |accuracy - confidence| · count / N`; Guo, Pleiss, Sun & Weinberger, "On calibration of modern
    /// neural networks" (2017), equation 3.
    pub fn ece(&self) -> f64 {
        self.gap(&self.reliability(NUM_BINS))
    }

    /// Expected calibration error over [`NUM_BINS`] bins of equal count, which no empty bin and no crowded
    /// last bin can distort. Rows of one confidence share a bin, that of the first of them, so that the order of the
    /// rows does not matter.
    ///
    /// Nixon, Dusenberry, Zhang, Jerfel & Tran, "Measuring calibration in deep learning" (2019), section 3.2,
    /// for the most probable class.
    pub fn adaptive_ece(&self) -> f64 {
        let mut outcomes: Vec<(f64, bool)> = self.outcomes().collect();
        outcomes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (short, longer) = (outcomes.len() / NUM_BINS, outcomes.len() % NUM_BINS);
        let mut bins = Vec::with_capacity(NUM_BINS);
        let (mut start, mut end) = (0, 0);
        for index in 0..NUM_BINS {
            end += short + usize::from(index < longer);
            // The bins before may have taken rows of this one.
            if start >= end {
                continue;
            }
            let last = outcomes[end - 1].0;
            let stop = outcomes.partition_point(|outcome| outcome.0 <= last);
            bins.push(summarise(&outcomes[start..stop], outcomes[start].0, last));
            start = stop;
        }
        self.gap(&bins)
    }

    /// Bins of equal width over the confidence (the probability of the most probable class), for a reliability
    /// diagram: at least one bin and at most 10,000.
    pub fn reliability(&self, num_bins: usize) -> Vec<ReliabilityBin> {
        let num_bins = num_bins.clamp(1, MAX_BINS);
        let mut bins = vec![Vec::new(); num_bins];
        let edge = |index: usize| index as f64 / num_bins as f64;
        for (confidence, right) in self.outcomes() {
            // The product is rounded: a confidence on an edge belongs below it.
            let near = ((confidence * num_bins as f64).ceil() as usize).clamp(1, num_bins);
            let above = if near > 1 && confidence <= edge(near - 1) { near - 1 } else { near };
            let above = if above < num_bins && confidence > edge(above) { above + 1 } else { above };
            bins[above - 1].push((confidence, right));
        }
        bins.iter().enumerate().map(|(i, bin)| summarise(bin, edge(i), edge(i + 1))).collect()
    }

    /// Confidence of each row and whether its most probable class is right.
    fn outcomes(&self) -> impl Iterator<Item = (f64, bool)> {
        self.rows().map(|(row, label)| {
            let best = (1..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best });
            (row[best], best == label)
        })
    }

    fn gap(&self, bins: &[ReliabilityBin]) -> f64 {
        let filled = bins.iter().filter(|bin| bin.count > 0);
        filled.map(|bin| (bin.accuracy - bin.confidence).abs() * bin.count as f64).sum::<f64>()
            / self.labels.len() as f64
    }
}

fn summarise(outcomes: &[(f64, bool)], lower: f64, upper: f64) -> ReliabilityBin {
    ReliabilityBin {
        lower,
        upper,
        count: outcomes.len(),
        confidence: mean(outcomes.iter().map(|o| o.0)),
        accuracy: mean(outcomes.iter().map(|o| f64::from(o.1))),
    }
}
