//! Mean negative log-likelihoods, in nats for each example.

use dfdx::shapes::{ReduceShape, Shape};
use ed_core::tensor::{BroadcastWith, Float, Operand, Var, WithoutLast};
use ed_core::{Result, ops};

/// The mean of `-log softmax(logits)[label]`: `[…, classes]` and labels `[…]`, whole numbers from 0 on in the same
/// floating-point type.
///
/// # Errors
/// [`Error::Shape`](ed_core::Error::Shape) if the shapes do not fit, or [`Error::Value`](ed_core::Error::Value) for a
/// label that is no class.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let logits = Var::from_vec(vec![0.0f64, 0.0, 0.0, 3f64.ln()], (2usize, 2usize))?;
/// let nll = softmax_cross_entropy(&logits, &Var::from([1.0, 1.0]))?;
/// approx::assert_abs_diff_eq!(nll.item()?, 0.5 * (2f64.ln() + (4.0f64 / 3.0).ln()), epsilon = 1e-12);
/// # Ok(()) }
/// ```
pub fn softmax_cross_entropy<S, E>(
    logits: impl Operand<Shape = S, Elem = E>,
    labels: impl Operand<Shape = WithoutLast<S>, Elem = E>,
) -> Result<Var<(), E>>
where
    S: Shape + ReduceShape<<S as Shape>::LastAxis>,
    E: Float,
{
    let (logits, labels) = (logits.operand(), labels.operand());
    Var::from_value(ops::mean_softmax_cross_entropy(logits.value(), labels.value())?)
}

/// The mean of `-log Bernoulli(label; σ(logit))`, for labels 0 and 1.
///
/// # Errors
/// [`Error::Broadcast`](ed_core::Error::Broadcast) if the shapes differ.
pub fn sigmoid_cross_entropy<S, E>(
    logits: impl Operand<Shape = S, Elem = E>,
    labels: impl Operand<Shape = S, Elem = E>,
) -> Result<Var<(), E>>
where
    S: Shape + BroadcastWith<S, Out = S>,
    E: Float,
{
    let (logits, labels) = (logits.operand(), labels.operand());
    (logits.softplus() - logits * labels).mean().check()
}

/// The mean of `(prediction - target)²`.
///
/// # Errors
/// [`Error::Broadcast`](ed_core::Error::Broadcast) if the shapes differ.
pub fn mean_squared_error<S, E>(
    predictions: impl Operand<Shape = S, Elem = E>,
    targets: impl Operand<Shape = S, Elem = E>,
) -> Result<Var<(), E>>
where
    S: Shape + BroadcastWith<S, Out = S>,
    E: Float,
{
    (predictions.operand() - targets.operand()).square().mean().check()
}
