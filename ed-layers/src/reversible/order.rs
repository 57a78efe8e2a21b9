//! In which order the positions of a sequence depend on one another.

use ed_core::kernels::rng::{self, Key};
use ed_core::{Error, Result};

/// The order in which an autoregressive network goes through the positions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// The first position depends on nothing, the last on all others.
    #[default]
    LeftToRight,
    /// The last position depends on nothing, the first on all others.
    RightToLeft,
    /// An order drawn from a key.
    Random(Key),
    /// The place of each position in the order, from 1 on, each once: `[2, 1, 3]` begins at the second
    /// position.
    Given(Vec<usize>),
}

impl Order {
    /// The positions in their order, from 0 on.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless a given order has the places 1 to `positions`, each once.
    ///
    /// # Examples
    /// ```
    /// use ed::layers::Order;
    /// # fn main() -> ed::Result<()> {
    /// assert_eq!(Order::RightToLeft.positions(3)?, [2, 1, 0]);
    /// assert_eq!(Order::Given(vec![2, 3, 1]).positions(3)?, [2, 0, 1]);
    /// assert!(Order::Given(vec![1, 1, 3]).positions(3).is_err());
    /// # Ok(()) }
    /// ```
    pub fn positions(&self, positions: usize) -> Result<Vec<usize>> {
        Ok(match self {
            Order::LeftToRight => (0..positions).collect(),
            Order::RightToLeft => (0..positions).rev().collect(),
            Order::Random(key) => shuffled(*key, positions),
            Order::Given(places) => {
                let mut order = vec![usize::MAX; positions];
                for (position, &place) in places.iter().enumerate() {
                    if let Some(slot) = place.checked_sub(1).and_then(|place| order.get_mut(place)) {
                        *slot = position;
                    }
                }
                if places.len() != positions || order.contains(&usize::MAX) {
                    return Err(Error::Parameter {
                        of: "Made",
                        name: "order",
                        must_be: "the numbers from 1 to the number of positions, each once",
                        got: format!("{places:?} for {positions} positions"),
                    });
                }
                order
            }
        })
    }
}

/// `0..len` in an order drawn from a key.
pub(crate) fn shuffled(key: Key, len: usize) -> Vec<usize> {
    let mut draws = vec![0f64; len];
    rng::fill_uniform(key, &mut draws);
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|&a, &b| draws[a].total_cmp(&draws[b]));
    order
}
