//! Mean negative log-likelihoods, in nats for each example.

use dfdx::shapes::{ReduceShape, Shape};
use ed_core::bijectors::Constraint;
use ed_core::tensor::{BroadcastWith, Float, Operand, Value, Var, WithoutLast};
use ed_core::{Error, Result, ops};

/// The mean of `-log softmax(logits)[label]`: `[…, classes]` and labels `[…]`, whole numbers from 0 on in the same
/// floating-point type. A logit of minus infinity rules a class out.
///
/// # Errors
/// [`Error::Shape`] if the shapes do not fit or there is no row; [`Error::Value`] for a label that is no class, or for
/// logits of which no probabilities can be made (NaN, plus infinity, all of a row minus infinity), with their places.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let logits = Var::from_vec(vec![0.0f64, 0.0, 0.0, 3f64.ln()], (2usize, 2usize))?;
/// let nll = softmax_cross_entropy(&logits, &Var::from([1.0, 1.0]))?;
/// approx::assert_abs_diff_eq!(nll.item()?, 0.5 * (2f64.ln() + (4.0f64 / 3.0).ln()), epsilon = 1e-12);
/// let refused = softmax_cross_entropy(&logits, &Var::from([1.0, 2.0])).unwrap_err();
/// assert!(refused.to_string().ends_with("got 2 at [1], for 2 classes"));
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

/// The mean of `-log Bernoulli(label; σ(logit))`, for labels 0 and 1: `softplus(-logit)` and `softplus(logit)`.
///
/// # Errors
/// [`Error::Broadcast`] if the shapes differ, [`Error::Shape`] if there are no numbers, and [`Error::Value`] for a label
/// that is neither 0 nor 1 or a logit that is NaN, with its place.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let nll = sigmoid_cross_entropy(&Var::from([3f64.ln(), 0.0]), &Var::from([1.0, 0.0]))?;
/// approx::assert_abs_diff_eq!(nll.item()?, 0.5 * ((4.0f64 / 3.0).ln() + 2f64.ln()), epsilon = 1e-12);
/// let refused = sigmoid_cross_entropy(&Var::from([0.3f64, 0.2]), &Var::from([1.0, -1.0])).unwrap_err();
/// assert_eq!(refused.to_string(), "sigmoid_cross_entropy: the value must be 0 or 1, got -1 at [1]");
/// # Ok(()) }
/// ```
pub fn sigmoid_cross_entropy<S, E>(
    logits: impl Operand<Shape = S, Elem = E>,
    labels: impl Operand<Shape = S, Elem = E>,
) -> Result<Var<(), E>>
where
    S: Shape + BroadcastWith<S, Out = S>,
    E: Float,
{
    const OP: &str = "sigmoid_cross_entropy";
    let (logits, labels) = (logits.operand(), labels.operand());
    Constraint::Boolean.check(OP, labels.value())?;
    // A logit beyond all numbers has a probability, too; the product with the sign keeps its digits.
    let loss = ((labels * -2.0 + 1.0) * logits).softplus().mean().check()?;
    mean_of_numbers(OP, loss, [("logits", logits.value())])
}

/// The mean of `(prediction - target)²`.
///
/// # Errors
/// [`Error::Broadcast`] if the shapes differ, [`Error::Shape`] if there are no numbers, and [`Error::Parameter`] for a
/// NaN, with its place.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let error = mean_squared_error(&Var::from([1.0f64, 2.0]), &Var::from([1.0, 4.0]))?;
/// assert_eq!(error.item()?, 2.0);
/// # Ok(()) }
/// ```
pub fn mean_squared_error<S, E>(
    predictions: impl Operand<Shape = S, Elem = E>,
    targets: impl Operand<Shape = S, Elem = E>,
) -> Result<Var<(), E>>
where
    S: Shape + BroadcastWith<S, Out = S>,
    E: Float,
{
    let (predictions, targets) = (predictions.operand(), targets.operand());
    let loss = (predictions - targets).square().mean().check()?;
    let parts = [("targets", targets.value()), ("predictions", predictions.value())];
    mean_of_numbers("mean_squared_error", loss, parts)
}

/// The loss, unless it is NaN: then why.
fn mean_of_numbers<E: Float, const N: usize>(
    op: &'static str,
    loss: Var<(), E>,
    parts: [(&'static str, &Value<E>); N],
) -> Result<Var<(), E>> {
    // Whether it is a number decides between going on and an error, and nothing else.
    if !loss.detach().item()?.is_nan() {
        return Ok(loss);
    }
    for (name, part) in parts {
        let numbers = part.detach();
        if numbers.dims().num_elements() == 0 {
            return Err(Error::Shape { op, expected: "with at least one number".into(), got: *part.dims() });
        }
        if numbers.as_slice()?.iter().any(|x| x.is_nan())
            && let Err(Error::Value { got, .. }) = Constraint::Real.check(op, &numbers)
        {
            return Err(Error::Parameter { of: op, name, must_be: "numbers", got });
        }
    }
    Err(Error::NotFinite {
        what: format!("{op}: the mean"),
        advice: "look for infinite numbers on both sides",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: std::fmt::Debug>(refused: Result<T>) -> String {
        refused.unwrap_err().to_string()
    }

    #[test]
    fn a_label_that_is_neither_0_nor_1_is_refused_with_its_place() {
        let logits = Var::from([2.0f32, -1.0, 0.5]);
        for (label, said) in
            [(-1.0, "-1"), (2.0, "2"), (0.5, "0.5"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")]
        {
            let refused = message(sigmoid_cross_entropy(&logits, Var::from([1.0, label, 0.0])));
            assert_eq!(
                refused,
                format!("sigmoid_cross_entropy: the value must be 0 or 1, got {said} at [1]")
            );
        }
    }

    #[test]
    fn a_class_that_is_none_is_refused_with_its_place() {
        let logits = Var::<_, f64>::zeros((3usize, 10usize));
        for (label, said) in [(10.0, "10"), (-1.0, "-1"), (2.5, "2.5"), (f64::NAN, "NaN")] {
            let refused = message(softmax_cross_entropy(&logits, &Var::from([0.0, 9.0, label])));
            assert!(refused.ends_with(&format!("got {said} at [2], for 10 classes")), "{refused}");
        }
    }

    #[test]
    fn infinite_logits_have_losses_and_nan_has_none() -> Result<()> {
        let inf = f64::INFINITY;
        assert_eq!(sigmoid_cross_entropy(Var::from([inf, -inf]), Var::from([1.0, 0.0]))?.item()?, 0.0);
        assert_eq!(sigmoid_cross_entropy(Var::from([inf]), Var::from([0.0]))?.item()?, inf);
        // Far out the loss keeps its digits: softplus(-40) = 4.248354255291589e-18.
        let far = sigmoid_cross_entropy(Var::from([40.0f64]), Var::from([1.0]))?.item()?;
        approx::assert_relative_eq!(far, 4.248354255291589e-18, max_relative = 1e-14);
        let refused = message(sigmoid_cross_entropy(Var::from([0.0, f64::NAN]), Var::from([1.0, 0.0])));
        assert_eq!(refused, "sigmoid_cross_entropy: `logits` must be numbers, got NaN at [1]");
        for bad in [[0.0, inf], [0.0, f64::NAN], [-inf, -inf]] {
            let logits = Var::from_vec([[0.5, 0.5], bad].concat(), (2usize, 2usize))?;
            let refused = message(softmax_cross_entropy(&logits, &Var::from([0.0, 1.0])));
            assert!(refused.contains("logits") && refused.contains("at [1"), "{refused}");
        }
        // A class that is ruled out costs nothing.
        let masked = Var::from_vec(vec![0.0, 0.0, -inf], (1usize, 3usize))?;
        let nll = softmax_cross_entropy(&masked, &Var::from([1.0]))?.item()?;
        approx::assert_relative_eq!(nll, 2f64.ln(), max_relative = 1e-15);
        Ok(())
    }

    #[test]
    fn a_mean_over_nothing_is_refused_and_nan_is_named() {
        let none = Var::<_, f32>::zeros((0usize, 3usize));
        for refused in
            [message(mean_squared_error(&none, &none)), message(sigmoid_cross_entropy(&none, &none))]
        {
            assert!(refused.contains("with at least one number, got [0, 3]"), "{refused}");
        }
        let nan = Var::from([1.0, f64::NAN]);
        let refused = message(mean_squared_error(Var::from([1.0, 2.0]), &nan));
        assert_eq!(refused, "mean_squared_error: `targets` must be numbers, got NaN at [1]");
        let refused = message(mean_squared_error(&nan, Var::from([1.0, 2.0])));
        assert_eq!(refused, "mean_squared_error: `predictions` must be numbers, got NaN at [1]");
    }
}
