//! Reversible layers one after another.

use std::sync::Arc;

use ed_core::Result;
use ed_core::bijectors::{Bijector, Chain as BijectorChain};
use ed_core::tensor::Float;

use super::bind::{Binding, Reversible, Side};
use crate::layer::{Apply, Layer};
use crate::scope;
use crate::sequential::{Chain, Run, Sequential};

/// A chain of pairs of reversible layers.
pub trait ReversibleChain<E: Float>: Chain {
    /// Binds the layers; the bijectors are in the order in which they act.
    ///
    /// # Errors
    /// As [`Reversible::bind`].
    fn bind_all(&self, at: &Binding<E>) -> Result<(Vec<Arc<dyn Bijector<E>>>, Binding<E>)>;

    /// Binds one of the layers; `None` beyond the last.
    ///
    /// # Errors
    /// As [`Reversible::bind`].
    fn bind_one(&self, index: usize, at: &Binding<E>) -> Result<Option<Arc<dyn Bijector<E>>>>;
}

impl<E: Float> ReversibleChain<E> for () {
    fn bind_all(&self, at: &Binding<E>) -> Result<(Vec<Arc<dyn Bijector<E>>>, Binding<E>)> {
        Ok((Vec::new(), at.clone()))
    }

    fn bind_one(&self, _: usize, _: &Binding<E>) -> Result<Option<Arc<dyn Bijector<E>>>> {
        Ok(None)
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

    fn bind_one(&self, index: usize, at: &Binding<E>) -> Result<Option<Arc<dyn Bijector<E>>>> {
        match index.checked_sub(1) {
            None => self.0.bind(at).map(Some),
            Some(index) => self.1.bind_one(index, at),
        }
    }
}

/// Layers of one type, as many as there are: `Sequential::of(vec![…])`.
impl<L: Layer> Chain for Vec<L> {
    fn visit(&self, place: usize, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        self.iter().enumerate().for_each(|(index, layer)| visit(&(place + index).to_string(), layer));
    }
}

impl<X, L: Apply<X, Output = X>> Run<X> for Vec<L> {
    type Output = X;
    fn run(&self, input: X) -> Result<X> {
        self.iter().try_fold(input, |x, layer| scope::enter(layer, || layer.apply(x)))
    }
}

impl<E: Float, L: Reversible<E>> ReversibleChain<E> for Vec<L> {
    fn bind_all(&self, at: &Binding<E>) -> Result<(Vec<Arc<dyn Bijector<E>>>, Binding<E>)> {
        let side = match at.data {
            Some((Side::Output, _)) => Side::Output,
            _ => Side::Input,
        };
        let (mut all, mut at) = (Vec::new(), at.clone());
        for index in 0..self.len() {
            let layer = &self[if side == Side::Input { index } else { self.len() - 1 - index }];
            let bijector = layer.bind(&at)?;
            at = at.beyond(&*bijector, side)?;
            all.push(bijector);
        }
        if side == Side::Output {
            all.reverse();
        }
        Ok((all, at))
    }

    fn bind_one(&self, index: usize, at: &Binding<E>) -> Result<Option<Arc<dyn Bijector<E>>>> {
        self.get(index).map(|layer| layer.bind(at)).transpose()
    }
}

/// The bijectors of a chain as one.
fn chained<E: Float>(layers: &impl ReversibleChain<E>, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
    let (all, _) = layers.bind_all(at)?;
    let parts = all.into_iter().map(|part| Box::new(part) as Box<dyn Bijector<E>>).collect();
    Ok(Arc::new(BijectorChain::new(parts)))
}

impl<E: Float, L: ReversibleChain<E>> Reversible<E> for Sequential<L> {
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        chained(self.layers(), at)
    }
}

impl<E: Float, L: Reversible<E>> Reversible<E> for Vec<L> {
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        chained(self, at)
    }
}
