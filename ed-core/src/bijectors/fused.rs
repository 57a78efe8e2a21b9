//! Elementwise maps with parameters, and the sums of their log-determinants, as one operation each.
//!
//! A map is stated once, for one number: its value and its partial derivatives. The loops, the broadcasting of the
//! parameters and the gradients are those of the log-densities, which are maps of the same kind.

use crate::error::{Error, Result};
use crate::ops::density::{self, Family};
use crate::ops::elementwise::repeats;
use crate::tensor::{Dims, Float, Value};

/// Declares a map of one number and some parameters:
/// `Name<number of parameters>(x; parameters) { shared terms } => value, slope by x, [slopes by the parameters]`.
macro_rules! scalar_map {
    ($($(#[$doc:meta])* $name:ident<$count:literal>($x:ident; $($param:ident),*) { $($shared:tt)* }
        => $value:expr, $by_x:expr, [$($by_param:expr),*];)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        struct $name;

        impl $crate::ops::density::Family<$count> for $name {
            const NAME: &'static str = stringify!($name);
            type Prepared<T: $crate::kernels::Real> = ();
            #[inline(always)]
            fn prepare<A: $crate::kernels::Arch, T: $crate::kernels::Real>(_: [T; $count]) {}
            #[inline(always)]
            fn terms<A: $crate::kernels::Arch, T: $crate::kernels::Real>(
                $x: T,
                [$($param),*]: [T; $count],
                (): (),
            ) -> $crate::ops::density::Terms<T, $count> {
                $($shared)*
                $crate::ops::density::Terms { log_prob: $value, d_value: $by_x, d_params: [$($by_param),*] }
            }
        }
    )+};
}
pub(super) use scalar_map;

/// Checks that the parameters lie against `x`: each a scalar, the end of its shape, or its whole shape.
fn check<E: Float, const P: usize>(of: &'static str, x: &Value<E>, params: [&Value<E>; P]) -> Result<()> {
    let lhs = *x.check()?.dims();
    for param in params {
        let rhs = *param.check()?.dims();
        if !repeats(&rhs, &lhs) {
            return Err(Error::Broadcast { op: of, lhs, rhs });
        }
    }
    Ok(())
}

/// The map of every element, in the shape of `x`.
pub(super) fn each<F: Family<P>, E: Float, const P: usize>(
    of: &'static str,
    x: &Value<E>,
    params: [&Value<E>; P],
) -> Result<Value<E>> {
    check(of, x, params)?;
    if x.dims().num_elements() == 0 {
        return Ok(x.clone());
    }
    Ok(density::log_prob::<F, E, P>(x, params))
}

/// The sum of the map over all elements.
pub(super) fn sum<F: Family<P>, E: Float, const P: usize>(
    of: &'static str,
    x: &Value<E>,
    params: [&Value<E>; P],
) -> Result<Value<E>> {
    check(of, x, params)?;
    if x.dims().num_elements() == 0 {
        return Ok(Value::scalar(E::ZERO));
    }
    Ok(density::log_prob_sum::<F, E, P>(x, params))
}

/// The sizes of `x` without its last `event_rank` axes: those of its log-determinants.
///
/// # Errors
/// [`Error::Shape`] if `x` has too few axes, or the error that it carries.
pub(super) fn batch<E: Float>(of: &'static str, x: &Value<E>, event_rank: usize) -> Result<Dims> {
    let dims = *x.check()?.dims();
    match dims.rank().checked_sub(event_rank) {
        Some(front) => Ok(dims[..front].iter().copied().collect()),
        None => Err(Error::Shape { op: of, expected: format!("with at least {event_rank} axes"), got: dims }),
    }
}

/// The same sizes with another last one.
pub(super) fn with_last(dims: Dims, last: impl FnOnce(usize) -> usize) -> Dims {
    match dims.split_last() {
        Some((&size, front)) => front.iter().copied().chain([last(size)]).collect(),
        None => dims,
    }
}
