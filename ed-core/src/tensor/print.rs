//! How tensors print: precision and shape, the numbers nested as the axes are, long axes folded in the middle.

use std::fmt::{self, Write};

use super::any::{AnyVar, with_value};
use super::dims::product;
use super::float::Float;
use super::value::Value;
use super::var::Var;
use dfdx::shapes::Shape;

/// Tensors of more numbers than this are folded.
const FOLDED_FROM: usize = 1_000;
/// Numbers of a folded axis that are shown at either end.
const SHOWN: usize = 3;
/// Digits behind the point, unless the formatter says otherwise.
const DIGITS: usize = 8;

/// Whether a tensor of so many numbers is folded: none may lie in any number of rows.
fn is_folded(numbers: usize) -> bool {
    numbers > FOLDED_FROM || numbers == 0
}

/// Where an axis of this size is folded: the place behind the shown ones at its start, and the first at its end.
fn fold(len: usize, folded: bool) -> Option<(usize, usize)> {
    (folded && len > 2 * SHOWN).then(|| (SHOWN, len - SHOWN))
}

/// One number with at most [`DIGITS`] digits behind the point and no zeros at the end; the whole number for a scalar.
fn number<E: Float>(x: E, f: &fmt::Formatter<'_>, rank: usize) -> String {
    if let Some(digits) = f.precision() {
        return format!("{x:.digits$}");
    }
    let size = x.to_f64().abs();
    if rank == 0 || size == 0.0 || !size.is_finite() {
        return x.to_string();
    }
    if !(1e-4..1e8).contains(&size) {
        let (shortest, rounded) = (format!("{x:e}"), format!("{x:.DIGITS$e}"));
        return if shortest.len() < rounded.len() { shortest } else { rounded };
    }
    let (shortest, rounded) = (x.to_string(), format!("{x:.DIGITS$}"));
    if shortest.len() <= rounded.len() {
        return shortest;
    }
    rounded.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// The numbers of a tensor that are shown, as text in row-major order.
fn shown<E: Float>(data: &[E], dims: &[usize], f: &fmt::Formatter<'_>) -> Vec<String> {
    let folded = is_folded(data.len());
    let mut texts = Vec::new();
    collect(data, dims, folded, &mut |x| texts.push(number(x, f, dims.len())));
    texts
}

fn collect<E: Float>(data: &[E], dims: &[usize], folded: bool, each: &mut impl FnMut(E)) {
    let Some((&len, rest)) = dims.split_first() else { return data.iter().for_each(|&x| each(x)) };
    let stride = product(rest);
    for index in shown_places(len, folded) {
        collect(&data[index * stride..(index + 1) * stride], rest, folded, each);
    }
}

fn shown_places(len: usize, folded: bool) -> impl Iterator<Item = usize> {
    let (head, tail) = fold(len, folded).unwrap_or((len, len));
    (0..head).chain(tail..len)
}

/// Writes the texts of the shown numbers in brackets, one row of the last axis a line if `lines`.
struct Nested<'a, 'f, I> {
    f: &'a mut fmt::Formatter<'f>,
    texts: I,
    width: usize,
    folded: bool,
    lines: bool,
}

impl<I: Iterator<Item = String>> Nested<'_, '_, I> {
    fn write(&mut self, dims: &[usize], depth: usize) -> fmt::Result {
        let Some((&len, rest)) = dims.split_first() else {
            let text = self.texts.next().unwrap_or_default();
            let width = self.width;
            return write!(self.f, "{text:>width$}");
        };
        self.f.write_char('[')?;
        let gap = fold(len, self.folded);
        for (place, index) in shown_places(len, self.folded).enumerate() {
            if place > 0 {
                self.separate(rest.len(), depth)?;
            }
            if gap.is_some_and(|(_, tail)| tail == index) {
                self.f.write_char('…')?;
                self.separate(rest.len(), depth)?;
            }
            self.write(rest, depth + 1)?;
        }
        self.f.write_char(']')
    }

    fn separate(&mut self, axes_inside: usize, depth: usize) -> fmt::Result {
        if !self.lines || axes_inside == 0 {
            return self.f.write_str(", ");
        }
        self.f.write_char(',')?;
        (0..axes_inside).try_for_each(|_| self.f.write_char('\n'))?;
        (0..=depth).try_for_each(|_| self.f.write_char(' '))
    }
}

impl<E: Float> Value<E> {
    /// The numbers in brackets: in aligned rows, or on one line.
    fn fmt_numbers(&self, f: &mut fmt::Formatter<'_>, lines: bool) -> fmt::Result {
        let data = match self.peek() {
            Ok(data) => data,
            Err(error) => return write!(f, "<{error}>"),
        };
        let dims = *self.dims();
        let texts = shown(data, &dims, f);
        let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        let width = if lines && dims.rank() > 1 { longest } else { 0 };
        let folded = is_folded(data.len());
        Nested { f, texts: texts.into_iter(), width, folded, lines }.write(&dims, 0)
    }
}

/// The numbers as NumPy prints them: one row of the last axis a line, columns aligned, at most eight digits behind the
/// point (or as many as the formatter says), the middle of long axes left out. A value that carries an error prints it.
impl<E: Float> fmt::Display for Value<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_numbers(f, true)
    }
}

/// Precision, shape and numbers on one line: `f64 [2, 2] [[1, 0], [0, 1]]`.
impl<E: Float> fmt::Debug for Value<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", E::NAME)?;
        if self.dims().rank() > 0 {
            write!(f, "{} ", self.dims())?;
        }
        self.fmt_numbers(f, false)
    }
}

impl<S: Shape, E: Float> fmt::Display for Var<S, E> {
    /// As NumPy prints an array: one row of the last axis a line, the middle of long axes left out.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// let x = Var::from([[1.0f64, -0.5], [10.0, 1.0 / 3.0]]);
    /// assert_eq!(x.to_string(), "[[         1,       -0.5],\n [        10, 0.33333333]]");
    /// assert_eq!(format!("{x:.1}"), "[[ 1.0, -0.5],\n [10.0,  0.3]]");
    /// assert_eq!(format!("{x:?}"), "f64 [2, 2] [[1, -0.5], [10, 0.33333333]]");
    /// assert_eq!(Var::<_, f32>::zeros((2_000usize,)).to_string(), "[0, 0, 0, …, 0, 0, 0]");
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.value(), f)
    }
}

impl<S: Shape, E: Float> fmt::Debug for Var<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.value(), f)
    }
}

impl fmt::Display for AnyVar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_value!(self, value => fmt::Display::fmt(value, f))
    }
}

impl fmt::Debug for AnyVar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_value!(self, value => fmt::Debug::fmt(value, f))
    }
}

/// Tensors by name, one a line: what [`Values`](crate::trace::Values) and [`Params`](crate::params::Params) print.
pub(crate) fn fmt_named<'a, N: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    entries: impl Iterator<Item = (N, &'a AnyVar)>,
) -> fmt::Result {
    for (place, (name, value)) in entries.enumerate() {
        if place > 0 {
            f.write_char('\n')?;
        }
        write!(f, "{name}: {value:?}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::tensor::Value;

    #[test]
    fn an_empty_axis_and_a_scalar_print() {
        assert_eq!(Var::<_, f32>::zeros((0usize,)).to_string(), "[]");
        assert_eq!(Var::<_, f32>::zeros((0usize, 3usize)).to_string(), "[]");
        assert_eq!(Var::<_, f32>::zeros((2usize, 0usize)).to_string(), "[[],\n []]");
        assert_eq!(Var::<(), f64>::scalar(0.1 + 0.2).to_string(), "0.30000000000000004");
        assert_eq!(format!("{:?}", Var::<(), f32>::scalar(-0.0)), "f32 -0");
    }

    #[test]
    fn numbers_that_are_none_print_as_such() {
        let x = Var::from([f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-30, 1e30]);
        assert_eq!(x.to_string(), "[NaN, inf, -inf, 1e-30, 1e30]");
    }

    #[test]
    fn a_value_that_carries_an_error_prints_it() {
        let sum = Var::from([1.0f32]) + Var::from([1.0f32, 2.0]);
        assert!(sum.to_string().starts_with("<add: the shapes"), "{sum}");
        assert!(format!("{sum:?}").contains("<add: the shapes"), "{sum:?}");
    }

    #[test]
    fn three_axes_are_set_apart_as_in_numpy() {
        let x = Var::from_vec((0..8).map(f64::from).collect(), (2usize, 2usize, 2usize));
        let text = x.map(|x| x.to_string()).unwrap_or_default();
        assert_eq!(text, "[[[0, 1],\n  [2, 3]],\n\n [[4, 5],\n  [6, 7]]]");
    }

    #[test]
    fn a_large_matrix_is_folded_in_both_axes() {
        let text = Var::<_, f64>::ones((100usize, 100usize)).to_string();
        assert_eq!(text.lines().count(), 7, "{text}");
        assert!(text.starts_with("[[1, 1, 1, …, 1, 1, 1],"), "{text}");
        let all = Value::full(1.0f32, crate::tensor::Dims::vector(1_000)).to_string();
        assert_eq!(all.matches('1').count(), 1_000, "a thousand numbers are shown whole");
    }
}
