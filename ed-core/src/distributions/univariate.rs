//! What the univariate distributions share: constructors that check, accessors, and the log-density by elements.
//!
//! A distribution's file says what is its own: its density ([`Family`](crate::ops::density::Family)), its support, its
//! moments and how to draw from it.

/// Declares a distribution with parameters of any shapes that go together, each checked by a rule of
/// [`require`](super::param::require): `Normal::new(A loc: finite, B scale: positive)`.
///
/// Gives the type, the constructor, an accessor for each parameter, and `expand`. `beside probs` keeps the form of the
/// last parameter that another constructor was given, if it was.
macro_rules! distribution {
    (
        $(#[$doc:meta])*
        $name:ident::$new:ident($($generic:ident $param:ident: $rule:ident),+) $(where $together:path)?
        $(, beside $beside:ident)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<S: dfdx::shapes::Shape = (), E: $crate::tensor::Float = f32> {
            $($param: $crate::tensor::Value<E>,)+
            $($beside: Option<$crate::tensor::Value<E>>,)?
            shape: S,
        }

        impl<E: $crate::tensor::Float> $name<(), E> {
            #[doc = concat!("A `", stringify!($name), "` with the given parameters, repeated to the shape that they have together.")]
            ///
            /// # Errors
            /// [`Error::Parameter`](crate::Error::Parameter) with the name of a parameter that lies outside its domain:
            $(#[doc = concat!("`", stringify!($param), "` must be ", $crate::distributions::param::rule!($rule), ";")])+
            /// [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not fit together.
            #[allow(clippy::new_ret_no_self)]
            pub fn $new<$($generic),+>(
                $($param: $generic),+
            ) -> $crate::Result<$name<$crate::distributions::param::Joint<E, ($($generic,)+)>, E>>
            where
                ($($generic,)+): $crate::distributions::param::Params<
                    E,
                    Values = ($($crate::distributions::param::each!($generic => $crate::tensor::Value<E>),)+),
                >,
            {
                use $crate::distributions::param::{self, Params};
                let (($($param,)+), shape) = Params::join(($($param,)+), stringify!($name))?;
                $(param::require(stringify!($name), stringify!($param), param::rule!($rule), &$param, param::$rule)?;)+
                $(let $param = param::guard!($rule, $param);)+
                let made = $name { $($param,)+ $($beside: None,)? shape };
                $($together(&made)?;)?
                Ok(made)
            }
        }

        impl<S: dfdx::shapes::Shape, E: $crate::tensor::Float> $name<S, E> {
            $(
                #[doc = concat!("The parameter `", stringify!($param), "`, in the shape of a draw.")]
                ///
                /// # Errors
                /// The error of an operation that failed on the way to the parameter.
                pub fn $param(&self) -> $crate::Result<$crate::tensor::Var<S, E>> {
                    $crate::distributions::param::filled(&self.$param, &self.shape)
                }
            )+

            /// The same distribution with its parameters repeated over axes in front: independent draws in a shape.
            ///
            /// # Errors
            /// [`Error::Broadcast`](crate::Error::Broadcast) unless `shape` ends as the shape of the parameters does.
            pub fn expand<T: dfdx::shapes::Shape>(self, shape: T) -> $crate::Result<$name<T, E>> {
                $crate::distributions::param::extends(stringify!($name), &self.shape, &shape)?;
                Ok($name { $($param: self.$param,)+ $($beside: self.$beside,)? shape })
            }
        }
    };
}

/// The part of `impl Distribution` that follows from a [`Family`](crate::ops::density::Family) and its parameters; a
/// second family is the density by the form that the distribution keeps beside its last parameter.
macro_rules! univariate {
    ($name:ident, $family:ty, $($param:ident),+ $(; $other:ty, $($before:ident)? => $beside:ident)?) => {
        type Elem = E;
        type Batch = S;
        type Shape = S;
        const NAME: &'static str = stringify!($name);

        fn shape(&self) -> S {
            self.shape
        }

        fn batch_shape(&self) -> S {
            self.shape
        }

        fn log_prob(
            &self,
            value: &$crate::tensor::Var<S, E>,
        ) -> $crate::Result<$crate::tensor::Var<S, E>> {
            self.check_shape(value)?;
            $(if let Some(beside) = &self.$beside {
                let params = [$(&self.$before,)? beside];
                return $crate::tensor::Var::from_value(
                    $crate::ops::density::log_prob::<$other, E, _>(value.value(), params),
                );
            })?
            let params = [$(&self.$param),+];
            $crate::tensor::Var::from_value($crate::ops::density::log_prob::<$family, E, _>(value.value(), params))
        }

        fn resized(&self, shape: S) -> Option<Self> {
            let dims = $crate::tensor::Dims::of(&shape);
            let fits = [$(&self.$param),+].iter().all(|param| dims.ends_with(param.dims()));
            fits.then(|| $name { shape, ..self.clone() })
        }

        fn log_prob_sum(
            &self,
            value: &$crate::tensor::Var<S, E>,
        ) -> $crate::Result<$crate::tensor::Var<(), E>> {
            self.check_shape(value)?;
            $(if let Some(beside) = &self.$beside {
                let params = [$(&self.$before,)? beside];
                return $crate::tensor::Var::from_value(
                    $crate::ops::density::log_prob_sum::<$other, E, _>(value.value(), params),
                );
            })?
            let params = [$(&self.$param),+];
            $crate::tensor::Var::from_value($crate::ops::density::log_prob_sum::<$family, E, _>(value.value(), params))
        }
    };
}

pub(crate) use {distribution, univariate};

pub(crate) use dfdx::shapes::Shape;

pub(crate) use super::cdf::{HasCdf, has_cdf};
pub(crate) use super::distribution::Distribution;
pub(crate) use super::erased;
pub(crate) use super::kl::{KlTo, closed_form};
pub(crate) use crate::bijectors::Constraint;
pub(crate) use crate::error::{Error, Result};
pub(crate) use crate::kernels::dispatch::Arch;
pub(crate) use crate::kernels::rng::{self, Key};
pub(crate) use crate::kernels::{Real, math, sampling, special};
pub(crate) use crate::ops::density::{Family, Terms};
pub(crate) use crate::ops::interval::{Cdf, Ends, Interval, Mass, loc_scale};
pub(crate) use crate::ops::{elementwise as ew, sample as draws};
pub(crate) use crate::tensor::{Float, Value, Var};

/// `1 / scale`, finite for every positive scale.
#[inline(always)]
pub(crate) fn inverse<T: Real>(scale: T) -> T {
    let inverse = T::ONE / scale;
    if inverse < T::INFINITY { inverse } else { T::MAX }
}

/// Whether a number is a count.
#[inline(always)]
pub(crate) fn is_count<T: Real>(x: T) -> bool {
    x >= T::ZERO && x.floor() == x && x < T::INFINITY
}
