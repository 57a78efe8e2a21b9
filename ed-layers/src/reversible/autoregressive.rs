//! The bijector of an autoregressive flow.

use std::fmt;
use std::sync::Arc;

use ed_core::Result;
use ed_core::bijectors::{Bijector, Constraint};
use ed_core::ops::{Direction, take_columns};
use ed_core::tensor::{Backward, Float, Keep, Op, Tape, Value, Var, apply};

use super::bind::Side;
use super::bound_made::BoundMade;
use super::flat::{Flat, Rows};
use super::transform::Transform;

/// Each number is transformed by what the network makes of the numbers before it, on one of the two sides.
///
/// Towards that side, the numbers are found one after another; away from it, all at once.
#[derive(Clone, Debug)]
pub(crate) struct Autoregressive<E: Float> {
    net: BoundMade<E>,
    /// Where the numbers in order lie, and back; `None` if they are in order.
    order: Option<[Arc<[usize]>; 2]>,
    transform: Transform,
    /// The side that the network sees: the output of a masked autoregressive flow, the input of an inverse one.
    seen: Side,
}

impl<E: Float> Autoregressive<E> {
    pub fn new(net: BoundMade<E>, places: Option<Arc<[usize]>>, transform: Transform, seen: Side) -> Self {
        let order = places.map(|places| {
            let mut back = vec![0; places.len()];
            places.iter().enumerate().for_each(|(rank, &place)| back[place] = rank);
            [places, back.into()]
        });
        Autoregressive { net, order, transform, seen }
    }

    /// Columns in order (`way` 0), or back where they came from (`way` 1).
    fn ordered(&self, rows: &Rows<E>, way: usize) -> Result<Rows<E>> {
        match &self.order {
            Some(order) => Var::from_value(take_columns(rows.value(), &order[way])?),
            None => Ok(rows.clone()),
        }
    }

    /// Away from the side that the network sees: all at once.
    fn at_once(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let flat = Flat::of(x)?;
        let sorted = self.ordered(&flat.rows, 0)?;
        let params = self.net.outputs(&sorted)?;
        let (y, log_det) = self.transform.apply(sorted.value(), params.value(), Direction::Forward)?;
        let y = self.ordered(&Var::from_value(y)?, 1)?;
        Ok((flat.back(&y)?, log_det.reshape(flat.front)?))
    }

    /// Towards the side that the network sees: one position after another.
    fn in_turn(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let flat = Flat::of(x)?;
        let sorted = self.ordered(&flat.rows, 0)?;
        let fixed = self.net.detached();
        let solved = fixed.solve(&sorted, self.transform)?;
        let y = if sorted.node().is_some() || self.net.on_tape() {
            // One more pass, at the solution, carries the gradients; what it lacks is how the solution moves itself.
            let params = self.net.outputs(&solved)?;
            let (y, _) = self.transform.apply(sorted.value(), params.value(), Direction::Inverse)?;
            let fixed_point =
                FixedPoint { net: fixed, transform: self.transform, given: sorted.detach(), solved };
            Var::from_value(apply(fixed_point, &[&y], *y.dims()))?
        } else {
            solved
        };
        let params = self.net.outputs(&y)?;
        let (_, log_det) = self.transform.apply(y.value(), params.value(), Direction::Forward)?;
        let log_det: Var<(usize,), E> = Var::from_value(log_det)?;
        let y = self.ordered(&y, 1)?;
        Ok((flat.back(&y)?, (-log_det).value().reshape(flat.front)?))
    }
}

impl<E: Float> Bijector<E> for Autoregressive<E> {
    fn event_rank(&self) -> usize {
        1
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        match self.seen {
            Side::Input => self.at_once(x),
            Side::Output => self.in_turn(x),
        }
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        match self.seen {
            Side::Input => self.in_turn(y),
            Side::Output => self.at_once(y),
        }
    }

    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Real)
    }

    fn is_sequential(&self) -> bool {
        self.net.plan.sizes.positions > 1
    }
}

/// Hands on a solution of `y = F(y)`, of which it gets `F(y)` as input, and its gradient as if it were solved for.
///
/// With `A = ∂F/∂y`, the gradient by the input is `(1 - Aᵀ)⁻¹` times that by the output. `A` is strictly triangular, so
/// that the iteration `w ← g + Aᵀ w` is exact after as many rounds as there are positions, and mostly before.
struct FixedPoint<E: Float> {
    net: BoundMade<E>,
    transform: Transform,
    given: Rows<E>,
    solved: Rows<E>,
}

impl<E: Float> fmt::Debug for FixedPoint<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedPoint").field("transform", &self.transform).finish_non_exhaustive()
    }
}

impl<E: Float> FixedPoint<E> {
    /// `Aᵀ w`.
    fn pull_back(&self, w: &[E]) -> Result<Vec<E>> {
        let tape = Tape::<E>::of();
        let y = tape.watch(&self.solved);
        let params = self.net.outputs(&y)?;
        let (next, _) = self.transform.apply(self.given.value(), params.value(), Direction::Inverse)?;
        let next: Rows<E> = Var::from_value(next)?;
        let weights = Var::from_vec(w.to_vec(), *next.shape())?;
        let gradients = (next * weights).sum().backward()?;
        gradients.get(&y)?.to_vec()
    }

    fn gradient(&self, g: &[E]) -> Result<Vec<E>> {
        let mut w = g.to_vec();
        for _ in 0..self.net.plan.sizes.positions {
            let mut next = self.pull_back(&w)?;
            next.iter_mut().zip(g).for_each(|(next, &g)| *next += g);
            if next == w {
                break;
            }
            w = next;
        }
        Ok(w)
    }
}

impl<E: Float> Op<E> for FixedPoint<E> {
    fn name(&self) -> &'static str {
        "an autoregressive solution"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        out.copy_from_slice(inputs[0]);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let g = pass.grad_out;
        let Some(slot) = pass.grad(0) else { return };
        // The passes went through once already, so that they cannot fail; a NaN would be seen.
        let w = self.gradient(g).unwrap_or_else(|_| vec![E::NAN; g.len()]);
        slot.add().iter_mut().zip(w).for_each(|(grad, w)| *grad += w);
    }
}
