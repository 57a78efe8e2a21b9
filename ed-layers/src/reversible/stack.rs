//! Reversible layers one after another.

use std::sync::Arc;

use ed_core::Result;
use ed_core::bijectors::{Bijector, Chain as BijectorChain};
use ed_core::tensor::Float;

use super::bind::{Binding, Reversible, Side};
use crate::sequential::{Chain, Sequential};

/// A chain of pairs of reversible layers.
pub trait ReversibleChain<E: Float>: Chain {
    /// Binds the layers; the bijectors are in the order in which they act.
    ///
    /// # Errors
    /// As [`Reversible::bind`].
    fn bind_all(&self, at: &Binding<E>) -> Result<(Vec<Arc<dyn Bijector<E>>>, Binding<E>)>;
}

impl<E: Float> ReversibleChain<E> for () {
    fn bind_all(&self, at: &Binding<E>) -> Result<(Vec<Arc<dyn Bijector<E>>>, Binding<E>)> {
        Ok((Vec::new(), at.clone()))
    }
}

impl<E: Float, A: Reversible<E>, B: ReversibleChain<E>> ReversibleChain<E> for (A, B) {
    fn bind_all(&self, at: &Binding<E>) -> Result<(Vec<Arc<dyn Bijector<E>>>, Binding<E>)> {
        // Data on the side of the output reach the last layer first.
        if matches!(at.data, Some((Side::Output, _))) {
            let (mut all, at) = self.1.bind_all(at)?;
            let first = self.0.bind(&at)?;
            let at = at.beyond(&*first, Side::Output)?;
            all.insert(0, first);
            return Ok((all, at));
        }
        let first = self.0.bind(at)?;
        let (mut all, at) = self.1.bind_all(&at.beyond(&*first, Side::Input)?)?;
        all.insert(0, first);
        Ok((all, at))
    }
}

impl<E: Float, L: ReversibleChain<E>> Reversible<E> for Sequential<L> {
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        let (all, _) = self.layers().bind_all(at)?;
        let parts = all.into_iter().map(|part| Box::new(part) as Box<dyn Bijector<E>>).collect();
        Ok(Arc::new(BijectorChain::new(parts)))
    }
}
