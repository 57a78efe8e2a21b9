//! The memory under a tensor, reused from step to step.
//!
//! Fresh pages cost as much as the arithmetic that fills them, so a large buffer that is dropped waits in a pool for
//! the next one of its length. A training step asks for the same lengths again and again. Numbers that came from
//! elsewhere go back to the allocator: each would be one more buffer in the pool that nothing asked of it, and a loop
//! that makes tensors of vectors would fill it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use super::dims::Dims;
use super::float::Float;
use crate::error::{Error, Result};

/// Buffers with fewer elements than this go through the allocator, which is quick at small sizes.
const POOLED_FROM: usize = 4096;
/// Buffers of this many elements and more are asked for before they are made.
const PROBED_FROM: usize = 1 << 24;
/// The pool of a precision holds at most this many elements in all.
const POOL_CAPACITY: usize = 1 << 27;

/// Freed buffers by length.
#[doc(hidden)]
pub struct Pool<E> {
    free: BTreeMap<usize, Vec<Vec<E>>>,
    held: usize,
}

impl<E> Pool<E> {
    pub(crate) const fn empty() -> Pool<E> {
        Pool { free: BTreeMap::new(), held: 0 }
    }

    fn take(&mut self, len: usize) -> Option<Vec<E>> {
        let data = self.free.get_mut(&len)?.pop()?;
        self.held -= len;
        Some(data)
    }

    fn give(&mut self, data: Vec<E>) {
        if self.held + data.len() > POOL_CAPACITY {
            return;
        }
        self.held += data.len();
        self.free.entry(data.len()).or_default().push(data);
    }
}

/// A contiguous run of numbers that goes back to the pool when it is dropped, if it is the pool's.
#[derive(Debug)]
pub struct Buffer<E: Float> {
    data: Vec<E>,
    from_pool: bool,
}

impl<E: Float> Buffer<E> {
    /// Checks that there is memory for a tensor, so that sizes that nobody can mean are an error and no abort.
    ///
    /// # Errors
    /// [`Error::Shape`] if not.
    pub(crate) fn check_room(op: &'static str, dims: &Dims) -> Result<()> {
        let len = dims.num_elements();
        // An allocation that is given back at once costs a fraction of filling it.
        if len < PROBED_FROM || Vec::<E>::new().try_reserve_exact(len).is_ok() {
            return Ok(());
        }
        Err(Error::Shape { op, expected: "whose numbers fit into memory".into(), got: *dims })
    }

    /// `len` numbers of unspecified (but initialised) value: the caller writes every one.
    pub(crate) fn scratch(len: usize) -> Buffer<E> {
        if len >= POOLED_FROM
            && let Ok(mut pool) = E::pool().lock()
            && let Some(data) = pool.take(len)
        {
            return Buffer { data, from_pool: true };
        }
        Buffer { data: vec![E::ZERO; len], from_pool: true }
    }

    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Buffer<E> {
        if len < POOLED_FROM {
            return Buffer { data: vec![E::ZERO; len], from_pool: true };
        }
        let mut buffer = Buffer::scratch(len);
        buffer.fill(E::ZERO);
        buffer
    }

    /// The numbers, to grow or shrink.
    pub(crate) fn as_vec(&mut self) -> &mut Vec<E> {
        &mut self.data
    }
}

impl<E: Float> From<Vec<E>> for Buffer<E> {
    fn from(data: Vec<E>) -> Buffer<E> {
        Buffer { data, from_pool: false }
    }
}

impl<E: Float> Drop for Buffer<E> {
    fn drop(&mut self) {
        if self.from_pool
            && self.data.len() >= POOLED_FROM
            && let Ok(mut pool) = E::pool().lock()
        {
            pool.give(std::mem::take(&mut self.data));
        }
    }
}

impl<E: Float> Clone for Buffer<E> {
    fn clone(&self) -> Buffer<E> {
        let mut copy = Buffer::scratch(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

impl<E: Float> Deref for Buffer<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &self.data
    }
}

impl<E: Float> DerefMut for Buffer<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again_and_zeros_are_zero() {
        let len = POOLED_FROM + 13;
        let mut first = Buffer::<f32>::scratch(len);
        first.fill(7.0);
        let address = first.as_ptr();
        drop(first);
        let second = Buffer::<f32>::zeros(len);
        assert_eq!(second.as_ptr(), address);
        assert!(second.iter().all(|&x| x == 0.0));
    }

    #[test]
    fn a_vector_from_elsewhere_does_not_stay_in_the_pool() {
        let len = POOLED_FROM + 29;
        drop(Buffer::from(vec![1f64; len]));
        assert!(f64::pool().lock().is_ok_and(|mut pool| pool.take(len).is_none()));
        drop(Buffer::<f64>::scratch(len));
        assert!(f64::pool().lock().is_ok_and(|mut pool| pool.take(len).is_some()));
    }
}
