//! From one precision to the other.

use dfdx::shapes::Shape;

use super::float::Float;
use super::value::Value;
use super::var::Var;
use crate::error::{Error, Result};

impl<S: Shape, E: Float> Var<S, E> {
    /// The numbers in single precision, rounded to nearest: for data that meet a model in `f32`.
    ///
    /// # Errors
    /// [`Error::Value`] for a tensor that a tape watches, whose gradient would be lost; the error of an operation that
    /// failed on the way here.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let single: Var<(usize,), f32> = Var::from([0.1f64, 2.0]).to_f32()?;
    /// assert_eq!(single.to_vec()?, [0.1f32, 2.0]);
    /// # Ok(()) }
    /// ```
    pub fn to_f32(&self) -> Result<Var<S, f32>> {
        self.converted("to_f32")
    }

    /// The numbers in double precision: for data that meet a model in `f64`.
    ///
    /// # Errors
    /// As [`Var::to_f32`].
    pub fn to_f64(&self) -> Result<Var<S, f64>> {
        self.converted("to_f64")
    }

    fn converted<T: Float>(&self, of: &'static str) -> Result<Var<S, T>> {
        let numbers = self.value().peek()?;
        if self.node().is_some() {
            let must_be =
                "off every gradient tape, since a conversion has no gradient (call `detach()` first)";
            return Err(Error::Value { of, must_be, got: "a watched tensor".into() });
        }
        let numbers = numbers.iter().map(|&x| T::from_f64(x.to_f64())).collect();
        Var::from_value(Value::from_vec(numbers, self.dims())?)
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn a_watched_tensor_is_not_converted_silently() {
        let tape = Tape::new();
        let x = tape.watch(&Var::from([1.0f32]));
        let error = x.to_f64().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("detach"), "{error}");
        assert!(x.detach().to_f64().is_ok());
    }
}
