//! Batches of ensembles: the rows of the first member, then those of the second, and so on.

use dfdx::shapes::{Axis, Shape};
use ed_core::tensor::{Dims, Float, Var};
use ed_core::{Error, Result};

/// A batch once for each member: `[rows, …] → [members · rows, …]`.
///
/// # Errors
/// [`Error::Parameter`] if there are no members; [`Error::Shape`] if the input has no first axis or its size is a part of
/// its type.
///
/// # Examples
/// ```
/// use ed::layers::{average_members, repeat_for_members};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from_vec(vec![1.0f32, 2.0], (2usize, 1usize))?;
/// let repeated = repeat_for_members(&x, 3)?;
/// assert_eq!(repeated.to_vec()?, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
/// assert_eq!(average_members(&repeated, 3)?.to_vec()?, [1.0, 2.0]);
/// # Ok(()) }
/// ```
pub fn repeat_for_members<S: Shape, E: Float>(x: &Var<S, E>, members: usize) -> Result<Var<S, E>> {
    let dims = x.dims();
    let shape = resized("repeat_for_members", members, &dims, |rows| rows * members)?;
    let row = dims.num_elements();
    x.reshape((1usize, row))?.broadcast_to((members, row))?.reshape(shape)
}

/// The mean over the members: `[members · rows, …] → [rows, …]`. Average probabilities and not logits: the mean of the
/// members' probabilities is the ensemble's.
///
/// # Errors
/// As [`repeat_for_members`]; [`Error::Shape`] if the members do not divide the rows.
pub fn average_members<S: Shape, E: Float>(y: &Var<S, E>, members: usize) -> Result<Var<S, E>> {
    let dims = y.dims();
    check_members("average_members", members, &dims)?;
    let shape = resized("average_members", members, &dims, |rows| rows / members)?;
    let mean =
        y.reshape((members, dims.num_elements() / members))?.sum_axis::<Axis<0>>() * (1.0 / members as f64);
    mean.reshape(shape)
}

fn resized<S: Shape>(
    op: &'static str,
    members: usize,
    dims: &Dims,
    rows: impl FnOnce(usize) -> usize,
) -> Result<S> {
    check_count(op, members)?;
    let (&first, rest) = match dims.split_first() {
        Some(split) => split,
        None => return Err(Error::Shape { op, expected: "a batch: [rows, …]".into(), got: *dims }),
    };
    let resized: Dims = std::iter::once(rows(first)).chain(rest.iter().copied()).collect();
    resized.typed().ok_or_else(|| Error::Shape {
        op,
        expected: format!("with a first axis of type usize, which can become {}", resized[0]),
        got: *dims,
    })
}

fn check_count(of: &'static str, members: usize) -> Result<()> {
    if members > 0 {
        return Ok(());
    }
    Err(Error::Parameter { of, name: "members", must_be: "at least 1", got: "0".into() })
}

/// Checks that each member has as many rows as the others.
pub(crate) fn check_members(of: &'static str, members: usize, dims: &Dims) -> Result<()> {
    check_count(of, members)?;
    let rows = if dims.rank() > 1 { dims[0] } else { 1 };
    if rows % members == 0 {
        return Ok(());
    }
    let expected = format!(
        "a batch of rows that its {members} members divide, those of the first member first: lay it out with \
         `repeat_for_members(&x, {members})`"
    );
    Err(Error::Shape { op: of, expected, got: *dims })
}
