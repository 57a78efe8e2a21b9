//! The two precisions, and what the tensor code needs to know of each.

use std::cell::RefCell;
use std::fmt::{Debug, LowerExp};
use std::sync::Mutex;

use super::any::AnyVar;
use super::buffer::Pool;
use super::tape::Tapes;
use super::value::Value;
use crate::kernels::Real;

/// `f32` or `f64`.
///
/// The trait adds to the arithmetic of the kernels ([`Real`], which seals it) the tapes and the memory pool of its
/// precision.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a precision",
    label = "`f32` or `f64` is needed here",
    note = "where nothing else says which, write it: `Normal::<(), f64>::new(0.0, 1.0)?`, or `let x: RandomVariable<Normal<(), f64>> = \
            sample(…)` outside of a model"
)]
pub trait Float: Real + Debug + LowerExp {
    /// `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// Freed buffers of this precision, ready for use again.
    #[doc(hidden)]
    fn pool() -> &'static Mutex<Pool<Self>>;

    /// Runs `f` with the gradient tapes of this thread.
    #[doc(hidden)]
    fn with_tapes<R>(f: impl FnOnce(&RefCell<Tapes<Self>>) -> R) -> R;

    /// Forgets the precision.
    #[doc(hidden)]
    fn into_any(value: Value<Self>) -> AnyVar;

    /// Remembers the precision, if it is this one.
    #[doc(hidden)]
    fn from_any(any: &AnyVar) -> Option<&Value<Self>>;
}

macro_rules! impl_float {
    ($float:ident, $variant:ident) => {
        impl Float for $float {
            const NAME: &'static str = stringify!($float);

            fn pool() -> &'static Mutex<Pool<Self>> {
                static POOL: Mutex<Pool<$float>> = Mutex::new(Pool::empty());
                &POOL
            }

            fn with_tapes<R>(f: impl FnOnce(&RefCell<Tapes<Self>>) -> R) -> R {
                thread_local! {
                    static TAPES: RefCell<Tapes<$float>> = const { RefCell::new(Tapes::empty()) };
                }
                TAPES.with(f)
            }

            fn into_any(value: Value<Self>) -> AnyVar {
                AnyVar::$variant(value)
            }

            fn from_any(any: &AnyVar) -> Option<&Value<Self>> {
                match any {
                    AnyVar::$variant(value) => Some(value),
                    _ => None,
                }
            }
        }
    };
}

impl_float!(f32, F32);
impl_float!(f64, F64);
