//! Run-time choice of the instruction set: one kernel source, compiled once per [`Level`].
//!
//! A fused multiply-add outside a function compiled for it is a call into the C library, thirty times
//! the cost of the loop around it. A kernel therefore never calls `mul_add` itself: it is generic over
//! [`Arch`], and [`Real::mul_add`](super::Real::mul_add) contracts only where the instruction exists.

use std::cell::Cell;
#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;

/// An instruction set as a type, so that kernels specialise on it at compile time.
pub trait Arch: Copy + Send + Sync + 'static {
    /// Whether a fused multiply-add is one instruction.
    const FMA: bool;
}

/// The baseline of the compilation target: no fused multiply-add.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Arch for Portable {
    const FMA: bool = false;
}

/// x86-64-v3: AVX2, FMA, BMI1, BMI2, LZCNT, F16C. Also for wider vectors, which compute the same bits.
#[derive(Clone, Copy, Debug)]
pub struct Avx2;

impl Arch for Avx2 {
    const FMA: bool = true;
}

/// A loop to compile for every instruction set.
///
/// `run` and every function that it calls must be `#[inline(always)]`; a call that is not inlined is
/// compiled for the baseline.
pub trait Kernel {
    /// What the loop returns.
    type Out;

    /// Whether the loop is compiled for AVX-512 too: for long loops bound by arithmetic, as each compilation costs time
    /// and space.
    const WIDE: bool = false;

    /// The loop.
    fn run<A: Arch>(self) -> Self::Out;
}

/// The instruction sets that [`dispatch`] chooses from, each better than those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// See [`Portable`].
    Portable,
    /// See [`Avx2`](struct@Avx2).
    Avx2,
    /// The same with vectors of 512 bits in the kernels that are [`Kernel::WIDE`].
    Avx512,
}

thread_local! {
    static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
}

/// The level that [`dispatch`] uses on this thread: the best available one unless [`with_level`] says
/// otherwise.
#[inline]
pub fn level() -> Level {
    FORCED.get().unwrap_or_else(detected)
}

/// Runs `f` with `level`, or the best level that the processor has if that is below it, on this thread and in the
/// parallel loops that it starts; for tests and measurements.
///
/// ```
/// use ed_core::kernels::dispatch::{Level, level, with_level};
/// assert_eq!(with_level(Level::Portable, level), Level::Portable);
/// ```
pub fn with_level<R>(level: Level, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Level>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _restore = Restore(FORCED.replace(Some(level.min(detected()))));
    f()
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn detected() -> Level {
    static DETECTED: OnceLock<Level> = OnceLock::new();
    *DETECTED.get_or_init(detect)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("f16c");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        (false, _) => Level::Portable,
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn detected() -> Level {
    Level::Portable
}

/// Runs `kernel`, compiled for the instruction set of this processor.
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Out {
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 if K::WIDE => {
            // SAFETY: `level` returns `Avx512` only after `detect` found every feature that
            // `run_avx512` enables: directly, or through `with_level`, which asks `detected` too.
            unsafe { run_avx512(kernel) }
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Avx2 => {
            // SAFETY: as above; what `run_avx2` enables, both levels have.
            unsafe { run_avx2(kernel) }
        }
        _ => run_portable(kernel),
    }
}

#[inline(never)]
fn run_portable<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<Portable>()
}

/// # Safety
/// The processor must have every feature named in the attribute.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,f16c")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<Avx2>()
}

/// # Safety
/// The processor must have every feature named in the attribute.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,f16c")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<Avx2>()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct HasFma;

    impl Kernel for HasFma {
        type Out = bool;

        #[inline(always)]
        fn run<A: Arch>(self) -> bool {
            A::FMA
        }
    }

    struct Wide;

    impl Kernel for Wide {
        type Out = bool;
        const WIDE: bool = true;

        #[inline(always)]
        fn run<A: Arch>(self) -> bool {
            A::FMA
        }
    }

    #[test]
    fn a_forced_level_reaches_the_kernel_and_ends_with_its_scope() {
        let before = level();
        assert!(!with_level(Level::Portable, || dispatch(HasFma)));
        assert_eq!(level(), before);
        for level in [Level::Avx2, Level::Avx512] {
            assert_eq!(with_level(level, || dispatch(HasFma)), detected() >= Level::Avx2);
            assert_eq!(with_level(level, || dispatch(Wide)), detected() >= Level::Avx2);
        }
    }

    #[test]
    fn a_panic_restores_the_level() {
        let before = level();
        let outcome = std::panic::catch_unwind(|| with_level(Level::Portable, || panic!("stop")));
        assert!(outcome.is_err());
        assert_eq!(level(), before);
    }
}
