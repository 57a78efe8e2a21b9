//! Learning rates that change from step to step.

use std::f64::consts::PI;

use super::require;
use crate::error::{Error, Result};

/// A learning rate for every step, counted from 0.
///
/// # Examples
/// ```
/// use ed::params::optimizer::Schedule;
/// # fn main() -> ed::Result<()> {
/// let schedule = Schedule::cosine(0.1, 100).warm_up(10);
/// assert_eq!(schedule.at(4)?, 0.05);
/// assert_eq!(schedule.at(9)?, 0.1);
/// assert!((schedule.at(60)? - 0.05).abs() < 1e-15);
/// assert_eq!(Schedule::from(0.01).at(7)?, 0.01);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    shape: Shape,
    warm_up: u64,
}

#[derive(Clone, Debug)]
enum Shape {
    Constant(f64),
    Exponential { initial: f64, factor: f64, steps: u64 },
    Cosine { initial: f64, steps: u64 },
    Piecewise { initial: f64, changes: Vec<(u64, f64)> },
    OneCycle { peak: f64, steps: u64 },
}

impl From<f64> for Schedule {
    fn from(learning_rate: f64) -> Schedule {
        Schedule::constant(learning_rate)
    }
}

impl Schedule {
    fn of(shape: Shape) -> Schedule {
        Schedule { shape, warm_up: 0 }
    }

    /// The same rate at every step.
    pub fn constant(learning_rate: f64) -> Schedule {
        Schedule::of(Shape::Constant(learning_rate))
    }

    /// `initial · factor^(step / steps)`: the rate falls by `factor` every `steps` steps, smoothly. `factor` is positive,
    /// and `steps` at least 1.
    pub fn exponential(initial: f64, factor: f64, steps: u64) -> Schedule {
        Schedule::of(Shape::Exponential { initial, factor, steps })
    }

    /// Half a cosine from `initial` to 0 over `steps` steps, at least 1, and 0 afterwards (Loshchilov & Hutter 2017, equation 5).
    pub fn cosine(initial: f64, steps: u64) -> Schedule {
        Schedule::of(Shape::Cosine { initial, steps })
    }

    /// `initial` until the first change; `changes` are pairs of a step and the rate from that step on, one for each step
    /// at most, in any order.
    pub fn piecewise(initial: f64, changes: impl IntoIterator<Item = (u64, f64)>) -> Schedule {
        let mut changes: Vec<(u64, f64)> = changes.into_iter().collect();
        changes.sort_by_key(|&(from, _)| from);
        Schedule::of(Shape::Piecewise { initial, changes })
    }

    /// One cycle (Smith & Topin 2018): up from `peak / 25` in the first 30 % of `steps`, then down to `peak / 250 000`,
    /// along half cosines, where it stays; `steps` is at least 1.
    pub fn one_cycle(peak: f64, steps: u64) -> Schedule {
        Schedule::of(Shape::OneCycle { peak, steps })
    }

    /// Goes up from 0 to the first rate in `steps` equal steps; the schedule itself begins afterwards.
    pub fn warm_up(mut self, steps: u64) -> Schedule {
        self.warm_up = steps;
        self
    }

    /// The learning rate of a step.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) if it is negative or not finite, or if the schedule has a length of 0,
    /// a factor that is not positive or two rates from one step on.
    pub fn at(&self, step: u64) -> Result<f64> {
        self.shape.check()?;
        let rate = match step.checked_sub(self.warm_up) {
            Some(step) => self.shape.at(step),
            None => self.shape.at(0) * (step + 1) as f64 / self.warm_up as f64,
        };
        require(
            "an optimiser",
            "learning_rate",
            "finite and at least 0",
            rate,
            rate >= 0.0 && rate.is_finite(),
        )?;
        Ok(rate)
    }
}

impl Shape {
    fn check(&self) -> Result<()> {
        match self {
            Shape::Constant(_) => Ok(()),
            Shape::Cosine { steps, .. } | Shape::OneCycle { steps, .. } => length(*steps),
            Shape::Exponential { factor, steps, .. } => {
                length(*steps)?;
                let holds = *factor > 0.0 && factor.is_finite();
                require("Schedule", "factor", "finite and positive", *factor, holds)
            }
            Shape::Piecewise { changes, .. } => {
                match changes.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                    Some(twice) => {
                        let (name, must_be) = ("changes", "one rate at most from each step on");
                        let got = format!("{} and {} from step {} on", twice[0].1, twice[1].1, twice[0].0);
                        Err(Error::Parameter { of: "Schedule", name, must_be, got })
                    }
                    None => Ok(()),
                }
            }
        }
    }

    fn at(&self, step: u64) -> f64 {
        let at = step as f64;
        match self {
            Shape::Constant(rate) => *rate,
            Shape::Exponential { initial, factor, steps } => initial * factor.powf(at / *steps as f64),
            Shape::Cosine { initial, steps } => between(*initial, 0.0, at / *steps as f64),
            Shape::Piecewise { initial, changes } => {
                changes.iter().rev().find(|(from, _)| *from <= step).map_or(*initial, |(_, rate)| *rate)
            }
            Shape::OneCycle { peak, steps } => {
                let (top, end) = (0.3 * *steps as f64 - 1.0, *steps as f64 - 1.0);
                if at < top {
                    between(peak / 25.0, *peak, at / top)
                } else {
                    between(*peak, peak / 250_000.0, (at - top) / (end - top))
                }
            }
        }
    }
}

fn length(steps: u64) -> Result<()> {
    require("Schedule", "steps", "at least 1", steps as f64, steps > 0)
}

/// Half a cosine from one number at 0 to another at 1 and after.
fn between(from: f64, to: f64, at: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * at.min(1.0)).cos())
}
