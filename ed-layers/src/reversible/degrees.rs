//! Who sees whom in a masked autoregressive network, and the masks that follow.

use std::sync::Arc;

use ed_core::ops::Staircase;
use ed_core::{Error, Result};

/// The degrees of the hidden units of a layer, in increasing order, for so many positions: a unit of degree `m` sees
/// the first `m` positions of the order.
///
/// With fewer units than degrees, they are spread over all of them, so that every position but the last is seen.
///
/// # Source
/// Germain et al. 2015, MADE, section 3.
pub fn hidden_degrees(units: usize, positions: usize) -> Vec<usize> {
    let highest = positions.saturating_sub(1);
    if units >= highest {
        let mut degrees: Vec<usize> = (0..units).map(|unit| unit % highest.max(1) + highest.min(1)).collect();
        degrees.sort_unstable();
        return degrees;
    }
    (1..=units).map(|unit| (unit * highest).div_ceil(units + 1)).collect()
}

/// As [`hidden_degrees`], for a network with a context: there are units of degree 0, which see nothing but that, for the
/// first position, which sees nothing else. A single unit sees positions rather than these.
///
/// # Source
/// Paige and Wood 2016, Inference networks for sequential Monte Carlo, section 2.3.
pub(crate) fn degrees_given_context(units: usize, positions: usize) -> Vec<usize> {
    let highest = positions.saturating_sub(1);
    if units >= positions {
        let mut degrees: Vec<usize> = (0..units).map(|unit| unit % positions.max(1)).collect();
        degrees.sort_unstable();
        return degrees;
    }
    match units {
        1 => vec![highest],
        _ => (0..units).map(|unit| (unit * highest).div_ceil(units - 1)).collect(),
    }
}

/// Sizes of a masked autoregressive network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sizes {
    pub positions: usize,
    /// Numbers of a position.
    pub channels: usize,
    pub hidden: Vec<usize>,
    /// Whether there is a context beside the positions.
    pub given: bool,
    /// Blocks of outputs, and outputs of a position in each.
    pub segments: usize,
    pub per_position: usize,
}

/// The masks of a network's layers, first to last, with the positions in order and the units sorted by degree.
#[derive(Debug)]
pub(crate) struct Plan {
    pub sizes: Sizes,
    pub masks: Vec<Arc<Staircase>>,
    /// Degrees of each layer of hidden units.
    pub degrees: Vec<Vec<usize>>,
}

impl Plan {
    pub fn new(sizes: Sizes) -> Result<Plan> {
        let degrees_of = if sizes.given { degrees_given_context } else { hidden_degrees };
        let degrees: Vec<Vec<usize>> =
            sizes.hidden.iter().map(|&units| degrees_of(units, sizes.positions)).collect();
        // How many numbers of the layer before lie before a limit on the degree.
        let seen = |layer: usize, limit: usize| match layer.checked_sub(1) {
            None => limit.min(sizes.positions) * sizes.channels,
            Some(before) => degrees[before].partition_point(|&degree| degree <= limit),
        };
        let rows = |layer: usize| match layer.checked_sub(1) {
            None => sizes.positions * sizes.channels,
            Some(before) => sizes.hidden[before],
        };
        let mut masks = Vec::new();
        for (layer, degrees) in degrees.iter().enumerate() {
            let reach = degrees.iter().map(|&degree| seen(layer, degree)).collect();
            masks.push(stairs(rows(layer), reach, 1)?);
        }
        let last = degrees.len();
        let reach = (0..sizes.positions)
            .flat_map(|place| std::iter::repeat_n(seen(last, place), sizes.per_position))
            .collect();
        masks.push(stairs(rows(last), reach, sizes.segments)?);
        Ok(Plan { sizes, masks, degrees })
    }
}

fn stairs(rows: usize, reach: Vec<usize>, segments: usize) -> Result<Arc<Staircase>> {
    let made = Staircase::new(rows, reach, segments).map(Arc::new);
    made.ok_or_else(|| Error::Algorithm {
        of: "Made",
        why: "the degrees of its units do not increase".into(),
    })
}
