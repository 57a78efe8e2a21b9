//! [`Lengths`]: where the sequences of a padded batch end.

use std::sync::Arc;

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::ops::{check_lengths, keep_rows};
use ed_core::tensor::{Dims, Float, Var};

use crate::layer::Input;

/// How many steps each sequence of a batch has, where all are padded at their ends to one number of steps.
///
/// Recurrent layers and attention take a pair of sequences and lengths: what is behind an end, be it NaN, changes no
/// result and no gradient, and the output there is zero.
///
/// # Examples
/// ```
/// use ed::layers::Lengths;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let lstm = Lstm::new(4);
/// let x: Var<_, f32> = Var::ones((2usize, 5usize, 3usize));
/// let lengths = Lengths::new([5, 2]);
/// let y = seed(0, || lstm.forward((&x, &lengths)))?;
/// // Where each of them ended.
/// assert_eq!(lengths.last(&y)?.shape(), &(2, 4));
/// assert_eq!(y.at(1)?.at(2)?.to_vec()?, [0.0; 4]);
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lengths {
    lengths: Arc<[usize]>,
}

impl Lengths {
    /// A length for each sequence.
    pub fn new(lengths: impl Into<Vec<usize>>) -> Lengths {
        Lengths { lengths: lengths.into().into() }
    }

    /// The lengths.
    pub fn as_slice(&self) -> &[usize] {
        &self.lengths
    }

    pub(crate) fn shared(&self) -> &Arc<[usize]> {
        &self.lengths
    }

    /// Checks that there is one for each of the sequences, none of them longer than those are.
    ///
    /// # Errors
    /// [`Error::Shape`](ed_core::Error::Shape) or [`Error::Parameter`](ed_core::Error::Parameter) if not.
    pub(crate) fn check<S: Shape>(&self, of: &'static str, sequences: &S) -> Result<()> {
        check_lengths(of, &self.lengths, Dims::of(sequences))
    }

    /// Which sequences still go on at a step.
    pub(crate) fn go_on_at(&self, step: usize) -> Arc<[bool]> {
        self.lengths.iter().map(|&length| step < length).collect()
    }

    /// The sequences `[N, T, features]` with zeros behind their ends.
    ///
    /// # Errors
    /// [`Error::Shape`](ed_core::Error::Shape) unless there is a length for each sequence;
    /// [`Error::Parameter`](ed_core::Error::Parameter) for a length above `T`; or the error that `x` carries.
    pub fn mask<E: Float>(&self, x: &Var<(usize, usize, usize), E>) -> Result<Var<(usize, usize, usize), E>> {
        self.check("Lengths", x.shape())?;
        let steps = x.shape().1;
        let keep = self.lengths.iter().flat_map(|&length| (0..steps).map(move |step| step < length));
        Var::from_value(keep_rows(x.value(), &keep.collect())?)
    }

    /// The last step of each sequence, `[N, T, features] → [N, features]`; zeros for a sequence without steps.
    ///
    /// # Errors
    /// As [`Lengths::mask`].
    pub fn last<E: Float>(&self, x: &Var<(usize, usize, usize), E>) -> Result<Var<(usize, usize), E>> {
        self.check("Lengths", x.shape())?;
        let (count, steps, features) = *x.shape();
        if steps == 0 {
            return Ok(Var::zeros((count, features)));
        }
        let place = |(n, &length): (usize, &usize)| n * steps + length.saturating_sub(1);
        let places: Vec<usize> = self.lengths.iter().enumerate().map(place).collect();
        let last: Var<(usize, usize), E> = x.reshape((count * steps, features))?.gather(&places)?;
        Var::from_value(keep_rows(last.value(), &self.go_on_at(0))?)
    }

    /// The mean over the steps of each sequence, `[N, T, features] → [N, features]`; zeros for a sequence without steps.
    ///
    /// # Errors
    /// As [`Lengths::mask`].
    pub fn mean<E: Float>(&self, x: &Var<(usize, usize, usize), E>) -> Result<Var<(usize, usize), E>> {
        use dfdx::shapes::Axis;
        let shares = self.lengths.iter().map(|&length| E::from_f64(1.0 / length.max(1) as f64)).collect();
        let shares: Var<(usize, usize), E> = Var::from_vec(shares, (self.lengths.len(), 1usize))?;
        let sum: Var<(usize, usize), E> = self.mask(x)?.sum_axis::<Axis<1>>();
        (&sum * shares.broadcast_to(*sum.shape())?).check()
    }
}

impl Input for Lengths {
    type Owned = Lengths;
    fn into_owned(self) -> Lengths {
        self
    }
}

impl Input for &Lengths {
    type Owned = Lengths;
    fn into_owned(self) -> Lengths {
        self.clone()
    }
}
