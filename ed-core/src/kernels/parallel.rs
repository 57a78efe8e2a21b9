//! Loops over several cores whose results do not depend on the number of threads.
//!
//! The input is halved, always at the same multiples of the chunk size, until a part is at most one
//! chunk; the halves run as rayon tasks and a reduction combines them in the order of that tree. Who
//! executes a part has no influence on any bit of the result. An input of one chunk runs on the
//! calling thread: waking another one costs about 10 µs, so [`CHUNK`] is worth more than that.

use std::ops::Range;

use super::dispatch;

/// Elements in a chunk of a cheap loop (a few operations an element, bound by memory).
pub const CHUNK: usize = 1 << 15;

/// Elements in a chunk of a costly loop (an elementary function or a random number an element).
pub const COSTLY_CHUNK: usize = 1 << 13;

/// Elements in a chunk of a loop that only writes.
const FILL_CHUNK: usize = 1 << 18;

/// Something that a parallel loop can halve: slices, ranges of indices, and tuples of these.
pub trait Split: Sized + Send {
    /// How many elements there are.
    fn len(&self) -> usize;

    /// Whether there is no element.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements before `mid`, and those from `mid` on.
    fn split_at(self, mid: usize) -> (Self, Self);
}

impl<T: Sync> Split for &[T] {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }
    fn split_at(self, mid: usize) -> (Self, Self) {
        <[T]>::split_at(self, mid)
    }
}

impl<T: Send> Split for &mut [T] {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }
    fn split_at(self, mid: usize) -> (Self, Self) {
        self.split_at_mut(mid)
    }
}

impl Split for Range<usize> {
    fn len(&self) -> usize {
        self.end - self.start
    }
    fn split_at(self, mid: usize) -> (Self, Self) {
        let middle = self.start + mid;
        (self.start..middle, middle..self.end)
    }
}

/// An absent slice stays absent.
impl<S: Split> Split for Option<S> {
    fn len(&self) -> usize {
        self.as_ref().map_or(0, S::len)
    }
    fn split_at(self, mid: usize) -> (Self, Self) {
        match self.map(|part| part.split_at(mid)) {
            Some((left, right)) => (Some(left), Some(right)),
            None => (None, None),
        }
    }
}

/// The first part of a tuple gives the length.
macro_rules! split_tuple {
    ($first:ident $(, $name:ident)*) => {
        #[allow(non_snake_case)]
        impl<$first: Split $(, $name: Split)*> Split for ($first, $($name,)*) {
            fn len(&self) -> usize {
                self.0.len()
            }
            fn split_at(self, mid: usize) -> (Self, Self) {
                let ($first, $($name,)*) = self;
                let $first = $first.split_at(mid);
                $(let $name = $name.split_at(mid);)*
                (($first.0, $($name.0,)*), ($first.1, $($name.1,)*))
            }
        }
    };
}

split_tuple!(A, B);
split_tuple!(A, B, C);
split_tuple!(A, B, C, D);
split_tuple!(A, B, C, D, E);

/// Rows of a row-major matrix, for loops that must not cut a row: one element is one row.
#[derive(Debug)]
pub struct Rows<S> {
    values: S,
    columns: usize,
}

impl<S: Split> Rows<S> {
    /// The complete rows of `values`, each of `columns` elements.
    pub fn new(values: S, columns: usize) -> Self {
        Self { values, columns }
    }

    /// The elements of the rows.
    pub fn into_inner(self) -> S {
        self.values
    }
}

impl<S: Split> Split for Rows<S> {
    fn len(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }
    fn split_at(self, mid: usize) -> (Self, Self) {
        let (left, right) = self.values.split_at(mid * self.columns);
        (Self::new(left, self.columns), Self::new(right, self.columns))
    }
}

/// Calls `f(start, part)` for every part of at most `chunk` elements, where `start` is the index of
/// its first element.
///
/// ```
/// use ed_core::kernels::parallel::for_each;
/// let mut squares = vec![0; 100_000];
/// for_each(squares.as_mut_slice(), 1000, |start, part| {
///     part.iter_mut().enumerate().for_each(|(i, x)| *x = (start + i).pow(2));
/// });
/// assert_eq!(squares[70_001], 70_001 * 70_001);
/// ```
pub fn for_each<S: Split>(parts: S, chunk: usize, f: impl Fn(usize, S) + Sync) {
    map_reduce(parts, chunk, f, |(), ()| ());
}

/// Sets every element, on all cores where there are many.
///
/// ```
/// use ed_core::kernels::parallel::fill;
/// let mut numbers = vec![1.0; 3];
/// fill(&mut numbers, 2.0);
/// assert_eq!(numbers, [2.0; 3]);
/// ```
pub fn fill<T: Copy + Send + Sync>(x: &mut [T], value: T) {
    for_each(x, FILL_CHUNK, |_, part| part.fill(value));
}

/// Calls `f(start, part)` for every part of at most `chunk` elements and combines the results, left
/// with right, in an order that depends on the length and `chunk` only. Empty input is one empty part.
///
/// ```
/// use ed_core::kernels::parallel::map_reduce;
/// let total = map_reduce(0..1000, 100, |_, part| part.sum::<usize>(), |a, b| a + b);
/// assert_eq!(total, 499_500);
/// ```
pub fn map_reduce<S: Split, R: Send>(
    parts: S,
    chunk: usize,
    f: impl Fn(usize, S) -> R + Sync,
    combine: impl Fn(R, R) -> R + Sync,
) -> R {
    let chunk = chunk.max(1);
    if parts.len() <= chunk {
        return f(0, parts);
    }
    let level = dispatch::level();
    let f = |start, part| dispatch::with_level(level, || f(start, part));
    halve(parts, 0, chunk, rayon::current_num_threads() > 1, &f, &combine)
}

/// Runs both, on two cores if `several`.
pub fn join<A: Send, B: Send>(
    several: bool,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if !several {
        return (a(), b());
    }
    let level = dispatch::level();
    rayon::join(|| dispatch::with_level(level, a), || dispatch::with_level(level, b))
}

/// Runs `f` on a thread of the pool: where many parallel loops follow each other, each of them starts sooner there.
pub fn in_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    let level = dispatch::level();
    rayon::scope(|_| dispatch::with_level(level, f))
}

fn halve<S: Split, R: Send>(
    parts: S,
    start: usize,
    chunk: usize,
    threads: bool,
    f: &(impl Fn(usize, S) -> R + Sync),
    combine: &(impl Fn(R, R) -> R + Sync),
) -> R {
    let len = parts.len();
    if len <= chunk {
        return f(start, parts);
    }
    let mid = len.div_ceil(chunk) / 2 * chunk;
    let (left, right) = parts.split_at(mid);
    let left = || halve(left, start, chunk, threads, f, combine);
    let right = || halve(right, start + mid, chunk, threads, f, combine);
    let (left, right) = if threads { rayon::join(left, right) } else { (left(), right()) };
    combine(left, right)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::kernels::dispatch::{Level, level, with_level};

    /// Runs `f` with 1, 2 and 7 threads and returns the result, which must be the same.
    pub(crate) fn same_for_all_threads<R: PartialEq + std::fmt::Debug + Send>(f: impl Fn() -> R + Sync) -> R {
        let run = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&f);
        let one = run(1);
        assert!(one == run(2), "two threads change the result");
        assert!(one == run(7), "seven threads change the result");
        one
    }

    #[test]
    fn every_element_is_visited_once_whatever_the_length() {
        for len in [0, 1, 9, 10, 11, 95, 100, 101, 1234] {
            let mut visits = vec![0; len];
            for_each((visits.as_mut_slice(), 0..len), 10, |start, (part, range)| {
                assert_eq!(range.start, start);
                assert!(part.len() <= 10);
                part.iter_mut().for_each(|x| *x += 1);
            });
            assert_eq!(visits, vec![1; len]);
        }
    }

    #[test]
    fn a_sum_has_the_same_bits_for_any_number_of_threads() {
        let x: Vec<f32> = (0..12_345).map(|i| (i as f32).sin()).collect();
        let sum = same_for_all_threads(|| {
            map_reduce(x.as_slice(), 100, |_, part| part.iter().sum::<f32>(), |a, b| a + b).to_bits()
        });
        let exact: f64 = x.iter().map(|&x| f64::from(x)).sum();
        assert!((f64::from(f32::from_bits(sum)) - exact).abs() < 1e-3);
    }

    #[test]
    fn rows_are_never_cut() {
        let mut x = vec![0u8; 7 * 13];
        for_each(Rows::new(x.as_mut_slice(), 7), 2, |_, rows| {
            let rows = rows.into_inner();
            assert!(rows.len() == 14 || rows.len() == 7);
            rows.fill(1);
        });
        assert!(x.iter().all(|&x| x == 1));
    }

    #[test]
    fn the_forced_level_reaches_the_worker_threads() {
        let all = with_level(Level::Portable, || {
            map_reduce(0..1000, 10, |_, _| level() == Level::Portable, |a, b| a && b)
        });
        assert!(all);
    }
}
