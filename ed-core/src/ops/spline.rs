//! Monotone rational-quadratic splines: a bijection of every number, by parameters that a network gives for it.
//!
//! Between `-bound` and `bound` the map runs through knots and is a ratio of quadratics in every bin; outside it is the
//! identity. Widths and heights of the bins are softmaxes, slopes at the inner knots softpluses of raw numbers, all kept
//! above a floor; raw numbers of zero give the identity.
//!
//! A number depends on the six numbers of its bin alone, so the calculus is that of a function of seven variables
//! (forward derivatives, [`Dual`]), and of the softmaxes behind them.

use std::ops::{Add, Div, Mul, Sub};

use super::shift_scale::Direction;
use crate::error::{Error, Result};
use crate::kernels::dispatch::Portable;
use crate::kernels::math;
use crate::kernels::parallel::{Rows, for_each};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// The least share of the interval that a bin has in width and height, times the number of bins at most ½, and the
/// least slope.
const FLOOR: f64 = 1e-3;
/// Numbers that one core takes at a time.
const CHUNK: usize = 256;
/// The variables: the point, the bin's left and lower ends, width and height, and the slopes at both ends.
const VARIABLES: usize = 7;

/// A number with its derivatives by the variables.
#[derive(Clone, Copy)]
struct Dual {
    value: f64,
    by: [f64; VARIABLES],
}

impl Dual {
    fn variable(value: f64, index: usize) -> Dual {
        let mut by = [0.0; VARIABLES];
        by[index] = 1.0;
        Dual { value, by }
    }

    fn of(value: f64) -> Dual {
        Dual { value, by: [0.0; VARIABLES] }
    }

    fn chain(self, value: f64, slope: f64) -> Dual {
        Dual { value, by: self.by.map(|by| by * slope) }
    }

    fn both(self, other: Dual, value: f64, slopes: (f64, f64)) -> Dual {
        let mut by = [0.0; VARIABLES];
        for (by, (a, b)) in by.iter_mut().zip(self.by.iter().zip(&other.by)) {
            *by = slopes.0 * a + slopes.1 * b;
        }
        Dual { value, by }
    }

    fn ln(self) -> Dual {
        self.chain(self.value.ln(), 1.0 / self.value)
    }
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, other: Dual) -> Dual {
        self.both(other, self.value + other.value, (1.0, 1.0))
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, other: Dual) -> Dual {
        self.both(other, self.value - other.value, (1.0, -1.0))
    }
}

impl Mul for Dual {
    type Output = Dual;
    fn mul(self, other: Dual) -> Dual {
        self.both(other, self.value * other.value, (other.value, self.value))
    }
}

impl Div for Dual {
    type Output = Dual;
    fn div(self, other: Dual) -> Dual {
        let value = self.value / other.value;
        self.both(other, value, (1.0 / other.value, -value / other.value))
    }
}

/// The knots of one number's spline.
struct Knots {
    widths: Vec<f64>,
    heights: Vec<f64>,
    /// Raw numbers of the slopes at the inner knots.
    raw_slopes: Vec<f64>,
    x: Vec<f64>,
    y: Vec<f64>,
}

/// The bin of a point: its place and its variables but the point.
struct Bin {
    index: usize,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    slopes: (f64, f64),
}

impl Knots {
    fn new(bins: usize) -> Knots {
        let zeros = |n| vec![0.0; n];
        Knots {
            widths: zeros(bins),
            heights: zeros(bins),
            raw_slopes: zeros(bins),
            x: zeros(bins + 1),
            y: zeros(bins + 1),
        }
    }

    /// From the raw numbers, `raw(p)` for parameter `p`.
    fn fill(&mut self, bound: f64, raw: impl Fn(usize) -> f64) {
        let bins = self.widths.len();
        for (first, shares, ends) in
            [(0, &mut self.widths, &mut self.x), (bins, &mut self.heights, &mut self.y)]
        {
            let largest = (0..bins).map(|bin| raw(first + bin)).fold(f64::NEG_INFINITY, f64::max);
            let mut sum = 0.0;
            shares.iter_mut().enumerate().for_each(|(bin, share)| *share = raw(first + bin) - largest);
            for share in shares.iter_mut() {
                *share = math::exp::<Portable, f64>(*share);
                sum += *share;
            }
            let floor = floor_of(bins);
            ends[0] = -bound;
            for (bin, share) in shares.iter_mut().enumerate() {
                *share = 2.0 * bound * (floor + (1.0 - floor * bins as f64) * *share / sum);
                ends[bin + 1] = ends[bin] + *share;
            }
            ends[bins] = bound;
        }
        for knot in 1..bins {
            self.raw_slopes[knot] = raw(2 * bins + knot - 1);
        }
    }

    /// The slope at a knot; a point needs those at the ends of its bin alone.
    fn slope(&self, knot: usize) -> f64 {
        match (1..self.widths.len()).contains(&knot) {
            true => FLOOR + softplus(self.raw_slopes[knot] + UNIT_SLOPE),
            false => 1.0,
        }
    }

    fn bin(&self, point: f64, ends: &[f64]) -> Bin {
        let index = ends[1..ends.len() - 1].partition_point(|&end| end <= point);
        Bin {
            index,
            x: self.x[index],
            y: self.y[index],
            width: self.widths[index],
            height: self.heights[index],
            slopes: (self.slope(index), self.slope(index + 1)),
        }
    }
}

fn floor_of(bins: usize) -> f64 {
    FLOOR.min(0.5 / bins as f64)
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// What is added to a raw slope so that 0 means a slope of 1: `ln(e^(1 - FLOOR) - 1)`.
const UNIT_SLOPE: f64 = 0.539_742_417_236_952;

impl Bin {
    /// `y` and `ln dy/dx` at `x`: Durkan et al. 2019, eqs. 4 and 5.
    fn forward(&self, x: f64) -> (f64, f64) {
        let (y, log_slope) = self.dual(x);
        (y.value, log_slope.value)
    }

    fn dual(&self, x: f64) -> (Dual, Dual) {
        let [x, left, low, width, height, d0, d1] =
            [x, self.x, self.y, self.width, self.height, self.slopes.0, self.slopes.1];
        let mut index = 0;
        let mut variable = |value| {
            index += 1;
            Dual::variable(value, index - 1)
        };
        let (x, left, low) = (variable(x), variable(left), variable(low));
        let (width, height) = (variable(width), variable(height));
        let (d0, d1) = (variable(d0), variable(d1));
        let (one, two) = (Dual::of(1.0), Dual::of(2.0));
        let t = (x - left) / width;
        let s = height / width;
        let mixed = t * (one - t);
        let below = s + (d0 + d1 - two * s) * mixed;
        let y = low + height * (s * t * t + d0 * mixed) / below;
        let above = d1 * t * t + two * s * mixed + d0 * (one - t) * (one - t);
        let log_slope = two * s.ln() + above.ln() - two * below.ln();
        (y, log_slope)
    }

    /// `x` at `y`: eqs. 6 to 8.
    fn inverse(&self, y: f64) -> f64 {
        let (d0, d1) = self.slopes;
        let s = self.height / self.width;
        let rise = y - self.y;
        let bend = d0 + d1 - 2.0 * s;
        let a = self.height * (s - d0) + rise * bend;
        let b = self.height * d0 - rise * bend;
        let c = -s * rise;
        let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
        let t = 2.0 * c / (-b - root);
        self.x + t.clamp(0.0, 1.0) * self.width
    }
}

#[derive(Clone, Debug)]
struct Spline {
    width: usize,
    bins: usize,
    bound: f64,
    direction: Direction,
}

impl Spline {
    fn num_params(&self) -> usize {
        3 * self.bins - 1
    }

    fn inside(&self, point: f64) -> bool {
        point > -self.bound && point < self.bound
    }

    /// The image of a point and `ln |slope|` of the map in this direction.
    fn at(&self, knots: &Knots, point: f64) -> (f64, f64) {
        match self.direction {
            Direction::Forward => knots.bin(point, &knots.x).forward(point),
            Direction::Inverse => {
                let bin = knots.bin(point, &knots.y);
                let x = bin.inverse(point);
                (x, -bin.forward(x).1)
            }
        }
    }
}

impl<E: Float> Op<E> for Spline {
    fn name(&self) -> &'static str {
        "rational_quadratic_spline"
    }

    /// All images, then all logarithms of slopes.
    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let (x, params, width) = (inputs[0], inputs[1], self.width);
        if x.is_empty() {
            return;
        }
        let (images, slopes) = out.split_at_mut(x.len());
        let rows = |values| Rows::new(values, width);
        let parts = (
            Rows::new(images, width),
            Rows::new(slopes, width),
            rows(x),
            Rows::new(params, width * self.num_params()),
        );
        for_each(parts, (CHUNK / width).max(1), |_, (images, slopes, x, params)| {
            let mut knots = Knots::new(self.bins);
            let rows = images.into_inner().chunks_mut(width).zip(slopes.into_inner().chunks_mut(width));
            let given =
                x.into_inner().chunks(width).zip(params.into_inner().chunks(width * self.num_params()));
            for ((images, slopes), (x, params)) in rows.zip(given) {
                for (place, ((image, slope), point)) in images.iter_mut().zip(slopes).zip(x).enumerate() {
                    let point = point.to_f64();
                    let (to, log_slope) = if self.inside(point) {
                        knots.fill(self.bound, |p| params[p * width + place].to_f64());
                        self.at(&knots, point)
                    } else {
                        (point, 0.0)
                    };
                    (*image, *slope) = (E::from_f64(to), E::from_f64(log_slope));
                }
            }
        });
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, params, out, g) = (pass.inputs[0], pass.inputs[1], pass.out, pass.grad_out);
        if x.is_empty() {
            return;
        }
        let (width, count) = (self.width, self.num_params());
        let mut slots = pass.grads();
        let mut next = || slots.next().flatten().map(|slot| slot.add());
        let (by_x, by_params) = (next(), next());
        let (images, g_images, g_slopes) = (&out[..x.len()], &g[..x.len()], &g[x.len()..]);
        let parts = (
            (Rows::new(x, width), Rows::new(images, width)),
            (Rows::new(g_images, width), Rows::new(g_slopes, width)),
            Rows::new(params, width * count),
            by_x.map(|by| Rows::new(by, width)),
            by_params.map(|by| Rows::new(by, width * count)),
        );
        for_each(
            parts,
            (CHUNK / width).max(1),
            |_, ((x, images), (g, g_slopes), params, by_x, by_params)| {
                let mut knots = Knots::new(self.bins);
                let (x, images, g, g_slopes) =
                    (x.into_inner(), images.into_inner(), g.into_inner(), g_slopes.into_inner());
                let (params, mut by_x, mut by_params) =
                    (params.into_inner(), by_x.map(Rows::into_inner), by_params.map(Rows::into_inner));
                for place in 0..x.len() {
                    let (row, column) = (place / width, place % width);
                    let (point, image) = (x[place].to_f64(), images[place].to_f64());
                    let (g, g_slope) = (g[place].to_f64(), g_slopes[place].to_f64());
                    if !self.inside(point) {
                        if let Some(by_x) = &mut by_x {
                            by_x[place] += E::from_f64(g);
                        }
                        continue;
                    }
                    let raw = |p: usize| params[row * width * count + p * width + column].to_f64();
                    knots.fill(self.bound, raw);
                    let (bin, by) = self.slopes_at(&knots, point, image, g, g_slope);
                    if let Some(by_x) = &mut by_x {
                        by_x[place] += E::from_f64(by[0]);
                    }
                    if let Some(by_params) = &mut by_params {
                        self.to_raw(&knots, bin, &by, raw, |p, slope| {
                            by_params[row * width * count + p * width + column] += E::from_f64(slope);
                        });
                    }
                }
            },
        );
    }
}

impl Spline {
    /// The bin, and the derivatives of `g · image + g_slope · log_slope` by the point and the bin's variables.
    fn slopes_at(
        &self,
        knots: &Knots,
        point: f64,
        image: f64,
        g: f64,
        g_slope: f64,
    ) -> (usize, [f64; VARIABLES]) {
        let mut by = [0.0; VARIABLES];
        match self.direction {
            Direction::Forward => {
                let bin = knots.bin(point, &knots.x);
                let (y, log_slope) = bin.dual(point);
                for (by, (y, l)) in by.iter_mut().zip(y.by.iter().zip(&log_slope.by)) {
                    *by = g * y + g_slope * l;
                }
                (bin.index, by)
            }
            Direction::Inverse => {
                // x(y, θ) with f(x, θ) = y: dx = (dy - f_θ dθ) / f_x; the log-slope is -l(x, θ).
                let bin = knots.bin(point, &knots.y);
                let (y, log_slope) = bin.dual(image);
                let by_image = g - g_slope * log_slope.by[0];
                let scaled = by_image / y.by[0];
                by[0] = scaled;
                for place in 1..VARIABLES {
                    by[place] = -scaled * y.by[place] - g_slope * log_slope.by[place];
                }
                (bin.index, by)
            }
        }
    }

    /// From the derivatives by a bin's variables to those by the raw numbers.
    fn to_raw(
        &self,
        knots: &Knots,
        bin: usize,
        by: &[f64; VARIABLES],
        raw: impl Fn(usize) -> f64,
        mut add: impl FnMut(usize, f64),
    ) {
        let bins = self.bins;
        let floor = floor_of(bins);
        let interval = 2.0 * self.bound;
        for (first, sizes, by_end, by_size) in
            [(0, &knots.widths, by[1], by[3]), (bins, &knots.heights, by[2], by[4])]
        {
            // The end is a sum of the sizes before it; sizes are softmaxes p above a floor.
            let of = |other: usize| match other.cmp(&bin) {
                std::cmp::Ordering::Less => by_end,
                std::cmp::Ordering::Equal => by_size,
                std::cmp::Ordering::Greater => 0.0,
            };
            let free = 1.0 - floor * bins as f64;
            let p = |other: usize| (sizes[other] / interval - floor) / free;
            let mean: f64 = (0..bins).map(|other| p(other) * of(other)).sum();
            for other in 0..bins {
                add(first + other, interval * free * p(other) * (of(other) - mean));
            }
        }
        for (knot, by) in [(bin, by[5]), (bin + 1, by[6])] {
            if (1..bins).contains(&knot) {
                let p = 2 * bins + knot - 1;
                add(p, by * sigmoid(raw(p) + UNIT_SLOPE));
            }
        }
    }
}

/// Monotone rational-quadratic splines on `(-bound, bound)`, the identity outside, and `ln |det|` of the direction.
///
/// # Shapes
/// `x`: `[…, M]`; `params`: `[…, (3 bins - 1) · M]`, the raw widths, heights and inner slopes, each for all numbers one
/// after the other. Gives `[…, M]` and `[…]`. Raw numbers of zero are the identity.
///
/// # Errors
/// [`Error::Shape`] if the parameters do not fit; [`Error::Parameter`] without bins, or unless the bound is finite and
/// positive; or the error that an input carries.
///
/// # Examples
/// ```
/// use ed::ops::{Direction, rational_quadratic_spline};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (x, raw) = (Var::from([0.5f64, 7.0]), Var::from([0.3f64; 10]));
/// let (y, log_det) = rational_quadratic_spline(x.value(), raw.value(), 2, 5.0, Direction::Forward)?;
/// // Outside of the bound, nothing changes.
/// assert_eq!(y.as_slice()?[1], 7.0);
/// let back = rational_quadratic_spline(&y, raw.value(), 2, 5.0, Direction::Inverse)?;
/// assert!((back.0.as_slice()?[0] - 0.5).abs() < 1e-12);
/// assert!((back.1.as_slice()?[0] + log_det.as_slice()?[0]).abs() < 1e-12);
/// # Ok(()) }
/// ```
///
/// # Source
/// Durkan et al. 2019, Neural Spline Flows, section 3.1.
pub fn rational_quadratic_spline<E: Float>(
    x: &Value<E>,
    params: &Value<E>,
    bins: usize,
    bound: f64,
    direction: Direction,
) -> Result<(Value<E>, Value<E>)> {
    const OF: &str = "rational_quadratic_spline";
    let setting = |name, must_be, got| Err(Error::Parameter { of: OF, name, must_be, got });
    if bins == 0 {
        return setting("bins", "at least 1", "0".into());
    }
    if !(bound > 0.0 && bound.is_finite()) {
        return setting("bound", "finite and positive", bound.to_string());
    }
    let (dims, got) = (*x.check()?.dims(), *params.check()?.dims());
    let fits = dims.split_last().map(|(&width, front)| {
        let front: Dims = front.iter().copied().collect();
        (width, front, front.with_last((3 * bins - 1) * width))
    });
    let Some((width, front, _)) = fits.filter(|(.., expected)| *expected == got) else {
        let expected = format!("{dims} with the last size times {}", 3 * bins - 1);
        return Err(Error::Shape { op: OF, expected, got });
    };
    let rows: Dims = [2, front.num_elements(), width].into_iter().collect();
    let both = apply(Spline { width, bins, bound, direction }, &[x, params], rows);
    let y = super::layout::at(&both, 0)?.with_dims(dims);
    let log_det = super::reduce::sum_last(&super::layout::at(&both, 1)?);
    Ok((y, log_det.with_dims(front)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::elementwise as ew;
    use crate::ops::test_gradients::{assert_slopes, wave, weighted_sum};

    #[test]
    fn gradients_are_the_slopes_in_both_directions() {
        for (bins, direction) in [(1, Direction::Forward), (4, Direction::Forward), (4, Direction::Inverse)] {
            let inputs = [wave(&[3, 4], 0.1, -3.4, 3.3), wave(&[3, 4 * (3 * bins - 1)], 0.2, -2.0, 2.0)];
            let program = |x: &[Value<f64>]| {
                let (y, log_det) = rational_quadratic_spline(&x[0], &x[1], bins, 3.0, direction)?;
                Ok(ew::add(&weighted_sum(&y), &weighted_sum(&log_det)))
            };
            assert_slopes(program, &inputs, 1e-5);
        }
    }

    #[test]
    fn raw_numbers_of_zero_are_the_identity_and_extreme_ones_stay_invertible() -> Result<()> {
        let x = wave::<f64>(&[6, 5], 0.3, -4.0, 4.0);
        let zeros = Value::full(0.0, [6, 5 * 23].into_iter().collect());
        let (y, log_det) = rational_quadratic_spline(&x, &zeros, 8, 3.0, Direction::Forward)?;
        assert!(y.peek()?.iter().zip(x.peek()?).all(|(y, x)| (y - x).abs() < 1e-12));
        assert!(log_det.peek()?.iter().all(|x| x.abs() < 1e-12));
        let wild = wave::<f64>(&[6, 5 * 23], 0.7, -30.0, 30.0);
        let (y, log_det) = rational_quadratic_spline(&x, &wild, 8, 3.0, Direction::Forward)?;
        let (back, opposite) = rational_quadratic_spline(&y, &wild, 8, 3.0, Direction::Inverse)?;
        assert!(back.peek()?.iter().zip(x.peek()?).all(|(a, b)| (a - b).abs() < 1e-6));
        assert!(log_det.peek()?.iter().zip(opposite.peek()?).all(|(a, b)| (a + b).abs() < 1e-3));
        Ok(())
    }

    #[test]
    fn refuses_settings_and_shapes_that_make_no_sense() {
        let x = wave::<f64>(&[2, 3], 0.0, 0.0, 1.0);
        let spline = |bins, bound, width| {
            rational_quadratic_spline(&x, &wave(&[2, width], 0.0, 0.0, 1.0), bins, bound, Direction::Forward)
        };
        assert!(spline(0, 3.0, 3).is_err());
        assert!(spline(2, -1.0, 15).is_err());
        assert!(spline(2, 3.0, 14).is_err());
        assert!(spline(2, 3.0, 15).is_ok());
    }
}
