//! [`RandomVariable`]: a distribution and a value of it, which stands in formulas as a tensor does.

use std::fmt;
use std::ops::{Add, Deref, Div, Mul, Neg, Sub};

use crate::distributions::{Distribution, Param};
use crate::error::Result;
use crate::tensor::{AnyVar, BroadcastWith, Operand, Var};
use crate::trace::SiteName;

/// A random variable: its distribution, its value in this run of the program, and possibly its name.
///
/// It dereferences to the value and takes part in formulas as the value does, giving plain tensors.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = seed(0, || sample(Normal::new(5.0, 0.1)?))?;
/// let doubled: Var<(), f64> = &x * 2.0;
/// assert_eq!(doubled.item()?, x.item()? * 2.0);
/// assert_eq!(x.distribution().mean()?.item()?, 5.0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RandomVariable<D: Distribution> {
    name: Option<SiteName>,
    distribution: D,
    value: Var<D::Shape, D::Elem>,
}

impl<D: Distribution> RandomVariable<D> {
    pub(crate) fn from_parts(name: Option<SiteName>, distribution: D, value: Var<D::Shape, D::Elem>) -> Self {
        RandomVariable { name, distribution, value }
    }

    /// A value as a random variable with this distribution: a value that was drawn in another way, as by a map of
    /// another random variable. No site: no handler sees it, and no joint density counts it.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the value does not have the shape of a draw, or the error of an
    /// operation that failed on the way to it.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let x = RandomVariable::of(Normal::new(0.0, 2.0)?, Var::<(), f64>::scalar(1.5))?;
    /// assert_eq!((x.item()?, x.distribution().variance()?.item()?), (1.5, 4.0));
    /// # Ok(()) }
    /// ```
    pub fn of(distribution: D, value: Var<D::Shape, D::Elem>) -> Result<Self> {
        distribution.check_shape(&value)?;
        Ok(RandomVariable { name: None, distribution, value })
    }

    /// The name, if the random variable has one.
    pub fn name(&self) -> Option<&SiteName> {
        self.name.as_ref()
    }

    /// The distribution that the program gave it. A handler that sets the value leaves it as it is.
    pub fn distribution(&self) -> &D {
        &self.distribution
    }

    /// The value in this run.
    pub fn var(&self) -> &Var<D::Shape, D::Elem> {
        &self.value
    }

    /// The value in this run.
    pub fn into_var(self) -> Var<D::Shape, D::Elem> {
        self.value
    }
}

impl<D: Distribution> Deref for RandomVariable<D> {
    type Target = Var<D::Shape, D::Elem>;
    fn deref(&self) -> &Self::Target {
        &self.value
    }
}

impl<D: Distribution> Operand for RandomVariable<D> {
    type Elem = D::Elem;
    type Shape = D::Shape;
    fn operand(&self) -> &Var<D::Shape, D::Elem> {
        &self.value
    }
}

impl<D: Distribution> Param<D::Elem> for RandomVariable<D> {
    type Shape = D::Shape;
    fn into_param(self) -> Var<D::Shape, D::Elem> {
        self.value
    }
}

impl<D: Distribution> Param<D::Elem> for &RandomVariable<D> {
    type Shape = D::Shape;
    fn into_param(self) -> Var<D::Shape, D::Elem> {
        self.value.clone()
    }
}

impl<D: Distribution> From<&RandomVariable<D>> for AnyVar {
    fn from(variable: &RandomVariable<D>) -> AnyVar {
        (&variable.value).into()
    }
}

impl<D: Distribution> From<RandomVariable<D>> for AnyVar {
    fn from(variable: RandomVariable<D>) -> AnyVar {
        variable.value.into()
    }
}

impl<D: Distribution> fmt::Display for RandomVariable<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<D: Distribution> fmt::Debug for RandomVariable<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        write!(f, "RandomVariable{name} ~ {} = {:?}", D::NAME, self.value)
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident)+) => {$(
        impl<D: Distribution, R: Operand<Elem = D::Elem>> $trait<R> for RandomVariable<D>
        where
            D::Shape: BroadcastWith<R::Shape>,
        {
            type Output = Var<<D::Shape as BroadcastWith<R::Shape>>::Out, D::Elem>;
            fn $method(self, rhs: R) -> Self::Output {
                $trait::$method(&self.value, rhs)
            }
        }

        impl<D: Distribution, R: Operand<Elem = D::Elem>> $trait<R> for &RandomVariable<D>
        where
            D::Shape: BroadcastWith<R::Shape>,
        {
            type Output = Var<<D::Shape as BroadcastWith<R::Shape>>::Out, D::Elem>;
            fn $method(self, rhs: R) -> Self::Output {
                $trait::$method(&self.value, rhs)
            }
        }

        operators!(@number f64 $trait $method);
    )+};
    (@number $number:ident $trait:ident $method:ident) => {
        impl<D: Distribution> $trait<$number> for RandomVariable<D> {
            type Output = Var<D::Shape, D::Elem>;
            fn $method(self, rhs: $number) -> Self::Output {
                $trait::$method(&self.value, rhs)
            }
        }

        impl<D: Distribution> $trait<$number> for &RandomVariable<D> {
            type Output = Var<D::Shape, D::Elem>;
            fn $method(self, rhs: $number) -> Self::Output {
                $trait::$method(&self.value, rhs)
            }
        }

        impl<D: Distribution> $trait<RandomVariable<D>> for $number {
            type Output = Var<D::Shape, D::Elem>;
            fn $method(self, rhs: RandomVariable<D>) -> Self::Output {
                $trait::$method(self, &rhs.value)
            }
        }

        impl<D: Distribution> $trait<&RandomVariable<D>> for $number {
            type Output = Var<D::Shape, D::Elem>;
            fn $method(self, rhs: &RandomVariable<D>) -> Self::Output {
                $trait::$method(self, &rhs.value)
            }
        }
    };
}

operators! { Add add Sub sub Mul mul Div div }

impl<D: Distribution> Neg for RandomVariable<D> {
    type Output = Var<D::Shape, D::Elem>;
    fn neg(self) -> Self::Output {
        -&self.value
    }
}

impl<D: Distribution> Neg for &RandomVariable<D> {
    type Output = Var<D::Shape, D::Elem>;
    fn neg(self) -> Self::Output {
        -&self.value
    }
}
