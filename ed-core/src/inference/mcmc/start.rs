//! Where a chain starts.

use crate::error::{Error, Result};
use crate::inference::LogDensity;
use crate::kernels::rng::{self, Key};
use crate::model::{FlatModel, Model, Space, probe};
use crate::trace::Values;

/// Points near the origin of the unconstrained numbers, uniform on (-radius, radius): a number of tries for each radius.
const NEAR: [(f64, u64); 3] = [(2.0, 50), (0.2, 10), (0.0, 1)];
/// Draws from the prior.
const PRIOR_DRAWS: u64 = 50;
/// Points further out.
const FAR: [(f64, u64); 3] = [(8.0, 10), (32.0, 10), (128.0, 10)];
/// Steps along an optimiser's path, at most.
const PATH: usize = 500;
/// A log-density whose rounding is larger than this many nats is climbed before a chain starts.
const ROUNDING: f64 = 0.1;

/// The search for a point at which log-density and gradient are finite: the given values, and for the other random
/// variables points near the origin, then draws from the prior, then points further out, then the path of an optimiser.
pub(super) struct Search<'a, M> {
    pub space: &'a Space,
    pub model: &'a M,
    pub given: &'a Values,
    pub key: Key,
}

/// What was tried: how many points of which kind, and one of them.
type Tried = Vec<(u64, &'static str, Vec<f64>)>;

impl<M: Model> Search<'_, M> {
    /// A starting point.
    ///
    /// # Errors
    /// The model's; that of a given value outside of its support; [`Error::Algorithm`] with what was tried and which
    /// random variables were not finite.
    pub fn run(&self, mut density: FlatModel<'_, M>) -> Result<Vec<f64>> {
        let mut tried = Tried::new();
        let all_given = self.space.sites().iter().all(|site| self.given.get(site.name.as_str()).is_some());
        if all_given {
            let position = self.space.place(self.model, self.given, vec![0.0; self.space.dim()]);
            let position = position.map_err(refused)?;
            if usable(&mut density, &position)? {
                return Ok(position);
            }
            return Err(self.failure("the given starting values have", vec![(1, "", position)]));
        }
        let found = self.points(&mut density, &mut tried)?;
        let position = match found {
            Some(position) => position,
            None => self.path(&mut density, &mut tried)?.ok_or_else(|| {
                let kinds: Vec<String> =
                    tried.iter().map(|(count, kind, _)| format!("{count} {kind}")).collect();
                let which = format!("no starting point was found; of {}, each has", kinds.join(", "));
                self.failure(&which, tried)
            })?,
        };
        self.settled(&mut density, position)
    }

    /// The first usable one of the points that are tried without looking at the density.
    fn points(&self, density: &mut FlatModel<'_, M>, tried: &mut Tried) -> Result<Option<Vec<f64>>> {
        let mut attempt = 0;
        let mut around = |radius: f64| {
            let mut position = vec![0.0; self.space.dim()];
            rng::fill_uniform(self.key.fold_in(attempt), &mut position);
            position.iter_mut().for_each(|x| *x = 2.0 * radius * *x - radius);
            attempt += 1;
            position
        };
        let uniform = |radii: &[(f64, u64)], around: &mut dyn FnMut(f64) -> Vec<f64>| -> Vec<Vec<f64>> {
            radii.iter().flat_map(|&(radius, count)| (0..count).map(move |_| radius)).map(around).collect()
        };
        let near = uniform(&NEAR, &mut around);
        if let Some(position) =
            self.first("points near the origin", near.into_iter().map(Some), density, tried)?
        {
            return Ok(Some(position));
        }
        let prior = (0..PRIOR_DRAWS).map(|draw| self.prior_draw(draw));
        if let Some(position) = self.first("draws from the prior", prior, density, tried)? {
            return Ok(Some(position));
        }
        let far = uniform(&FAR, &mut around);
        self.first("points further out", far.into_iter().map(Some), density, tried)
    }

    fn first(
        &self,
        kind: &'static str,
        points: impl Iterator<Item = Option<Vec<f64>>>,
        density: &mut FlatModel<'_, M>,
        tried: &mut Tried,
    ) -> Result<Option<Vec<f64>>> {
        let (mut count, mut last) = (0, None);
        for point in points.flatten() {
            let Some(position) = self.with_given(point)? else { continue };
            if usable(density, &position)? {
                return Ok(Some(position));
            }
            (count, last) = (count + 1, Some(position));
        }
        tried.extend(last.map(|last| (count, kind, last)));
        Ok(None)
    }

    /// The point with the given values in it; `None` where one lies outside of a support that the point decides.
    fn with_given(&self, position: Vec<f64>) -> Result<Option<Vec<f64>>> {
        if self.given.is_empty() {
            return Ok(Some(position));
        }
        match self.space.place(self.model, self.given, position) {
            Ok(position) => Ok(Some(position)),
            Err(error) if is_given(&error, self.given) => Err(refused(error)),
            Err(error) if error.is_recoverable() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn prior_draw(&self, draw: u64) -> Option<Vec<f64>> {
        let trace = probe(self.model, self.key.fold_in_str("prior").fold_in(draw)).ok()?;
        self.space.position(self.model, &trace.latent_values()).ok()
    }

    /// Climbs the finite part of the log-density until all of it is finite.
    fn path(&self, density: &mut FlatModel<'_, M>, tried: &mut Tried) -> Result<Option<Vec<f64>>> {
        let Some(start) = self.with_given(vec![0.0; self.space.dim()])? else { return Ok(None) };
        let (mut climb, mut gradient) = (Climb::new(start, self.free()), vec![0.0; self.space.dim()]);
        let mut steps = 0;
        while steps < PATH {
            steps += 1;
            let part = density.finite_part(&climb.position, &mut gradient).ok();
            if part.is_some_and(|(_, whole)| whole) && usable(density, &climb.position)? {
                return Ok(Some(climb.position));
            }
            if !climb.advance(part.map(|_| gradient.as_slice())) {
                break;
            }
        }
        tried.push((steps as u64, "steps of an optimiser", climb.position));
        Ok(None)
    }

    /// Where rounding hides differences of the log-density, as in `f32` far from the data, a point of higher density.
    fn settled(&self, density: &mut FlatModel<'_, M>, position: Vec<f64>) -> Result<Vec<f64>> {
        let mut gradient = vec![0.0; position.len()];
        let value = density.log_density_and_gradient(&position, &mut gradient)?;
        if value.abs() * self.space.epsilon() < ROUNDING {
            return Ok(position);
        }
        let mut best = (value, position.clone());
        let mut climb = Climb::new(position, self.free());
        for _ in 0..PATH {
            let value = density.log_density_and_gradient(&climb.position, &mut gradient).ok();
            let value =
                value.filter(|value| value.is_finite() && gradient.iter().all(|slope| slope.is_finite()));
            if let Some(value) = value.filter(|value| *value > best.0) {
                best = (value, climb.position.clone());
            }
            if !climb.advance(value.map(|_| gradient.as_slice())) {
                break;
            }
        }
        Ok(best.1)
    }

    /// Which numbers are not given.
    fn free(&self) -> Vec<bool> {
        let mut free = vec![true; self.space.dim()];
        for site in self.space.sites().iter().filter(|site| self.given.get(site.name.as_str()).is_some()) {
            free[site.range()].fill(false);
        }
        free
    }

    fn failure(&self, which: &str, tried: Tried) -> Error {
        let mut at_fault: Vec<String> = Vec::new();
        for (_, _, position) in &tried {
            let found = match self.space.log_density(self.model).suspects(position) {
                Err(error) => vec![error.to_string()],
                Ok(sites) if sites.is_empty() => vec!["its gradient, which overflows".into()],
                Ok(sites) => sites,
            };
            found.into_iter().for_each(|site| {
                if !at_fault.contains(&site) {
                    at_fault.push(site)
                }
            });
        }
        let why = format!(
            "{which} a log-density or gradient that is not finite (not finite at: {}); check that the data lie in the \
             support of their distribution, or give starting values with `.init(values![…])`",
            at_fault.join(", ")
        );
        Error::Algorithm { of: "NUTS", why }
    }
}

/// Whether log-density and gradient are finite.
fn usable(density: &mut impl LogDensity, position: &[f64]) -> Result<bool> {
    let mut gradient = vec![0.0; position.len()];
    match density.log_density_and_gradient(position, &mut gradient) {
        Ok(value) => Ok(value.is_finite() && gradient.iter().all(|slope| slope.is_finite())),
        Err(error) if error.is_recoverable() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an error is about a value that was given.
fn is_given(error: &Error, given: &Values) -> bool {
    matches!(error, Error::Site { name, .. } if given.get(name).is_some())
}

/// The error of a starting value.
fn refused(error: Error) -> Error {
    Error::Algorithm { of: "NUTS", why: format!("a starting value does not fit: {error}") }
}

/// An ascent that looks at the signs of a gradient only (Igel & Hüsken 2000, iRprop⁻), whatever the scales.
struct Climb {
    /// The point whose gradient is wanted next.
    position: Vec<f64>,
    free: Vec<bool>,
    sizes: Vec<f64>,
    signs: Vec<f64>,
    /// The last point that had a gradient.
    last: Option<Vec<f64>>,
}

impl Climb {
    fn new(position: Vec<f64>, free: Vec<bool>) -> Climb {
        let dim = position.len();
        Climb { position, free, sizes: vec![0.1; dim], signs: vec![0.0; dim], last: None }
    }

    /// Goes on along the gradient at `position`, or half of the way back if there is none; whether that is another point.
    fn advance(&mut self, gradient: Option<&[f64]>) -> bool {
        let Some(gradient) = gradient else {
            let Some(last) = &self.last else { return false };
            self.position.iter_mut().zip(last).for_each(|(x, from)| *x = 0.5 * (*x + from));
            self.sizes.iter_mut().for_each(|size| *size *= 0.5);
            return self.position != *last;
        };
        let last = self.position.clone();
        for (index, slope) in gradient.iter().enumerate() {
            let moves = self.free[index] && slope.is_finite() && *slope != 0.0;
            let sign = if moves { slope.signum() } else { 0.0 };
            let turn = sign * self.signs[index];
            self.sizes[index] *= if turn > 0.0 {
                1.2
            } else if turn < 0.0 {
                0.5
            } else {
                1.0
            };
            self.signs[index] = if turn < 0.0 { 0.0 } else { sign };
            self.position[index] += self.signs[index] * self.sizes[index];
        }
        // A number that turns waits for one step.
        let waits = gradient.iter().zip(&self.sizes).any(|(slope, size)| *slope != 0.0 && *size > 1e-9);
        let moved = self.position != last;
        self.last = Some(last);
        moved || waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_climb_finds_a_mode_on_any_scale() {
        let mut climb = Climb::new(vec![0.0, 0.0], vec![true, true]);
        for _ in 0..PATH {
            let gradient = [(1e6 - climb.position[0]) * 1e9, (-3.0 - climb.position[1]) * 1e-9];
            climb.advance(Some(&gradient));
        }
        assert!((climb.position[0] - 1e6).abs() < 1.0 && (climb.position[1] + 3.0).abs() < 1e-3);
    }

    #[test]
    fn a_climb_leaves_given_numbers_alone_and_turns_back_from_where_nothing_is_defined() {
        let mut climb = Climb::new(vec![0.0, 5.0], vec![true, false]);
        let mut highest = 0.0f64;
        for _ in 0..PATH {
            let inside = climb.position[0] < 1.0;
            highest = if inside { highest.max(climb.position[0]) } else { highest };
            climb.advance(inside.then_some([1.0, 1.0].as_slice()));
        }
        assert!(highest > 0.9 && climb.position[1] == 5.0);
    }
}
