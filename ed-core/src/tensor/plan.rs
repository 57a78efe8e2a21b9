//! A tape that runs again: the operations of one evaluation, repeated from other inputs without the program that
//! made them.
//!
//! A sampler evaluates one log-density a hundred thousand times. Running the model each time costs allocations, names
//! and handlers; the operations themselves are always the same, as long as no number that depends on the position was
//! read by the program (it could have chosen what to do next by it). The tape knows whether one was.
//!
//! All values lie in one piece of memory in the order of the tape, and so do all gradients: what an operation reads
//! lies before what it writes. What the backward pass does is known when the plan is made, down to which operation is
//! the first to write to a gradient.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use super::buffer::Buffer;
use super::float::Float;
use super::op::{Backward, Keep, Op, Slot, run_backward};
use super::tape::{Entry, Node, Source, Tape};
use super::value::Value;
use crate::error::{Error, Result};

/// The recorded operations from one input to one number.
pub(crate) struct Plan<E: Float> {
    steps: Vec<Step<E>>,
    values: Vec<E>,
    grads: Vec<E>,
    input: Range<usize>,
    output: usize,
    /// Gradients that several operations write to in parts, so that none is the first.
    gathered: Vec<Range<usize>>,
}

struct Step<E: Float> {
    op: Rc<dyn Op<E>>,
    inputs: SmallVec<[Input<E>; 4]>,
    wanted: SmallVec<[bool; 8]>,
    out: Range<usize>,
    saved: Buffer<E>,
    /// Gradients that the backward pass adds to, in the order of memory and without overlap.
    slots: SmallVec<[GradPlace; 4]>,
    /// Gradients that overlap with one of those, each with memory of its own that is added afterwards.
    doubles: Vec<(GradPlace, Vec<E>)>,
}

/// Where an input lies.
enum Input<E: Float> {
    Value(Range<usize>),
    Constant(Arc<Buffer<E>>),
}

/// The gradient of one input of an operation.
#[derive(Clone)]
struct GradPlace {
    input: usize,
    range: Range<usize>,
    /// Whether nothing is there yet.
    fresh: bool,
}

/// Where the value of an entry of the tape lies: memory of its own, or a part of another entry's.
#[derive(Clone)]
struct Place {
    range: Range<usize>,
    /// The entry that the memory belongs to.
    owner: usize,
}

/// Operations with at most this many inputs are repeated without a memory allocation.
const FEW: usize = 6;

/// `let $slices: &[&[E]]`, the numbers of the inputs of an operation.
macro_rules! slices {
    ($slices:ident = $inputs:expr, $values:expr) => {
        let slice = |input| match input {
            &Input::Value(Range { start, end }) => &$values[start..end],
            Input::Constant(data) => &***data,
        };
        let mut few = [&[] as &[E]; FEW];
        let many: Vec<&[E]>;
        let $slices: &[&[E]] = if $inputs.len() <= FEW {
            $inputs.iter().zip(&mut few).for_each(|(input, place)| *place = slice(input));
            &few[..$inputs.len()]
        } else {
            many = $inputs.iter().map(slice).collect();
            &many
        };
    };
}

impl<E: Float> Plan<E> {
    /// Takes the operations that lead from the first value watched on `tape` to `output`.
    ///
    /// `None` if a number on the tape was read on the way, so that the operations may differ next time.
    pub(crate) fn take(tape: Tape<E>, input: Node, output: &Value<E>) -> Result<Option<Plan<E>>> {
        let node = output.check()?.node();
        if node.tape != input.tape || input.index != 0 {
            return Err(Error::NotWatched { what: "the log-density" });
        }
        let Some(record) = tape.take() else { return Err(Error::TapeGone { op: "a log-density" }) };
        if record.escaped || record.entries[1..].iter().any(|entry| entry.op.is_none()) {
            return Ok(None);
        }
        let last = node.index as usize;
        let (places, len) = places(&record.entries, last);
        let mut steps = Vec::new();
        for (index, entry) in record.entries.into_iter().enumerate().take(last + 1) {
            let (Some(op), Some(place)) = (entry.op, &places[index]) else { continue };
            if place.owner != index {
                continue;
            }
            let wanted = entry.inputs.iter().map(|source| matches!(source, Source::Node(_))).collect();
            let inputs = entry.inputs.into_iter().map(|source| match source {
                Source::Node(node) => Input::Value(range_of(&places, node)),
                Source::Constant(data) => Input::Constant(data),
            });
            let (inputs, out) = (inputs.collect(), place.range.clone());
            let (slots, doubles) = (SmallVec::new(), Vec::new());
            steps.push(Step { op, inputs, wanted, out, saved: entry.saved, slots, doubles });
        }
        let mut plan = Plan {
            steps,
            values: vec![E::ZERO; len],
            grads: vec![E::ZERO; len],
            input: range_of(&places, 0),
            output: range_of(&places, node.index).start,
            gathered: Vec::new(),
        };
        plan.place_gradients(&places);
        Ok(Some(plan))
    }

    /// Finds out where each operation adds its gradients, going back as the backward pass will.
    fn place_gradients(&mut self, places: &[Option<Place>]) {
        let is_part = |place: &Place, index: usize| place.owner != index;
        let parts = places.iter().enumerate();
        let mut owners: Vec<usize> = parts
            .filter_map(|(index, place)| place.as_ref().filter(|place| is_part(place, index)))
            .map(|place| place.owner)
            .chain([0])
            .collect();
        owners.sort_unstable();
        owners.dedup();
        self.gathered = owners.iter().map(|&owner| range_of(places, owner as u32)).collect();
        let in_parts = |range: &Range<usize>, gathered: &[Range<usize>]| {
            gathered.iter().any(|whole| whole.start <= range.start && range.end <= whole.end)
        };
        let mut written = std::collections::HashSet::new();
        for step in self.steps.iter_mut().rev() {
            for (input, place) in step.inputs.iter().enumerate() {
                let Input::Value(range) = place else { continue };
                let overlaps =
                    |other: &GradPlace| other.range.start < range.end && range.start < other.range.end;
                let mut place = GradPlace { input, range: range.clone(), fresh: true };
                if step.slots.iter().any(overlaps) {
                    step.doubles.push((place, vec![E::ZERO; range.len()]));
                } else {
                    place.fresh = !in_parts(range, &self.gathered) && written.insert(range.clone());
                    step.slots.push(place);
                }
            }
            step.slots.sort_by_key(|slot| (slot.range.start, slot.range.end));
        }
    }

    /// The output and its gradient at `input`.
    pub(crate) fn value_and_gradient(&mut self, input: impl FnOnce(&mut [E])) -> (E, &[E]) {
        input(&mut self.values[self.input.clone()]);
        for step in &mut self.steps {
            let (earlier, rest) = self.values.split_at_mut(step.out.start);
            let keep = Keep { wanted: &step.wanted, saved: &mut step.saved };
            let out = &mut rest[..step.out.len()];
            slices!(inputs = step.inputs, earlier);
            step.op.forward(inputs, out, keep);
        }
        for range in &self.gathered {
            self.grads[range.clone()].fill(E::ZERO);
        }
        self.grads[self.output] = E::ONE;
        for step in self.steps.iter_mut().rev() {
            step.back(&self.values, &mut self.grads);
        }
        (self.values[self.output], &self.grads[self.input.clone()])
    }
}

impl<E: Float> Step<E> {
    fn back(&mut self, values: &[E], grads: &mut [E]) {
        slices!(inputs = self.inputs, values);
        let (mut earlier, rest) = grads.split_at_mut(self.out.start);
        let mut few = [const { None }; FEW];
        let mut many = Vec::new();
        let slots = if inputs.len() <= FEW {
            &mut few[..inputs.len()]
        } else {
            many.resize_with(inputs.len(), || None);
            &mut many
        };
        let mut passed = 0;
        for slot in &self.slots {
            let (_, from) = earlier.split_at_mut(slot.range.start - passed);
            let (data, after) = from.split_at_mut(slot.range.len());
            slots[slot.input] = Some(Slot { data, fresh: slot.fresh });
            (earlier, passed) = (after, slot.range.end);
        }
        for (place, data) in &mut self.doubles {
            slots[place.input] = Some(Slot { data, fresh: true });
        }
        let pass = Backward {
            inputs,
            out: &values[self.out.clone()],
            saved: &self.saved,
            grad_out: &rest[..self.out.len()],
            slots,
        };
        run_backward(&*self.op, pass);
        for (place, data) in &self.doubles {
            let gradient = &mut grads[place.range.clone()];
            gradient.iter_mut().zip(data).for_each(|(sum, &more)| *sum += more);
        }
    }
}

fn range_of(places: &[Option<Place>], node: u32) -> Range<usize> {
    places[node as usize].as_ref().map_or(0..0, |place| place.range.clone())
}

/// Where the values that the output depends on will lie, and the length of the memory.
fn places<E: Float>(entries: &[Entry<E>], last: usize) -> (Vec<Option<Place>>, usize) {
    let mut needed = vec![false; last + 1];
    (needed[0], needed[last]) = (true, true);
    for index in (1..=last).rev() {
        if needed[index] {
            for source in &entries[index].inputs {
                if let Source::Node(node) = source {
                    needed[*node as usize] = true;
                }
            }
        }
    }
    let mut places: Vec<Option<Place>> = Vec::with_capacity(last + 1);
    let mut end = 0;
    for (index, entry) in entries[..=last].iter().enumerate() {
        if !needed[index] {
            places.push(None);
            continue;
        }
        let len = entry.out.len();
        let whole = match entry.inputs.first() {
            Some(Source::Node(node)) => places[*node as usize].as_ref(),
            _ => None,
        };
        let part = entry.op.as_ref().and_then(|op| op.part_of_input()).zip(whole);
        let place = match part {
            Some((offset, whole)) => {
                let start = whole.range.start + offset;
                Place { range: start..start + len, owner: whole.owner }
            }
            None => {
                end += len;
                Place { range: end - len..end, owner: index }
            }
        };
        places.push(Some(place));
    }
    (places, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{elementwise as ew, layout, reduce};
    use crate::tensor::Dims;

    type Program = fn(&Value<f64>) -> Value<f64>;

    fn position(numbers: &[f64]) -> Value<f64> {
        Value::from_vec(numbers.to_vec(), Dims::vector(numbers.len())).unwrap()
    }

    fn plan(program: Program, at: &[f64]) -> Option<Plan<f64>> {
        let tape = Tape::of();
        let input = tape.watch_value(&position(at));
        let output = program(&input);
        Plan::take(tape, input.node(), &output).unwrap()
    }

    /// Value and gradient by the tape itself.
    fn eager(program: Program, at: &[f64]) -> (f64, Vec<f64>) {
        let tape = Tape::of();
        let input = tape.watch_value(&position(at));
        let output = program(&input);
        let value = output.peek().unwrap()[0];
        let gradients = crate::tensor::tape::backward(&output).unwrap();
        (value, gradients.slice(input.node()).unwrap().unwrap().to_vec())
    }

    const PROGRAMS: [Program; 6] = [
        // A value meets itself, and a part of it.
        |x| reduce::sum(&ew::mul(x, x)),
        |x| reduce::sum(&ew::mul(x, &layout::slice(x, 1, Dims::SCALAR))),
        // Parts of parts, overlapping parts, a part that nothing uses, and one of no length.
        |x| {
            let middle = layout::slice(x, 1, Dims::vector(2));
            let (last, front) = (layout::at(&middle, 1).unwrap(), layout::slice(x, 0, Dims::vector(2)));
            let none = reduce::sum(&ew::exp(&layout::slice(x, 2, Dims::vector(0))));
            let _unused = ew::exp(&middle);
            reduce::add_all(&[&reduce::sum(&ew::mul(&front, &middle)), &ew::exp(&last), &none])
        },
        // The output is a part of the input.
        |x| layout::at(x, 2).unwrap(),
        // A value used in two places, one of them through a part; more inputs than few.
        |x| {
            let y = ew::exp(x);
            let part = layout::at(&y, 0).unwrap();
            let sum = reduce::sum(&y);
            reduce::add_all(&[&sum, &part, &part, &sum, &sum, &part, &ew::ln(&sum)])
        },
        // Parts that strides could make but that are none.
        |x| {
            let table = x.with_dims([1, 4].into_iter().collect());
            let square = layout::broadcast_to(&table, [4, 4].into_iter().collect()).unwrap();
            reduce::sum(&ew::mul(&layout::transpose(&square), &ew::exp(&square)))
        },
    ];

    #[test]
    fn a_plan_repeats_value_and_gradient_at_other_inputs() {
        for (index, program) in PROGRAMS.into_iter().enumerate() {
            let mut plan = plan(program, &[0.3, -0.2, 0.7, 1.1]).unwrap();
            for at in [[1.0, 2.0, -0.5, 0.25], [0.1, -1.0, 0.0, 3.0], [1.0, 2.0, -0.5, 0.25]] {
                let (value, gradient) = plan.value_and_gradient(|input| input.copy_from_slice(&at));
                let (expected, slopes) = eager(program, &at);
                assert!((value - expected).abs() < 1e-12, "program {index}: {value} is not {expected}");
                for (slope, expected) in gradient.iter().zip(&slopes) {
                    assert!(
                        (slope - expected).abs() < 1e-12,
                        "program {index}: {gradient:?} is not {slopes:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn parts_of_a_value_cost_no_operation() {
        let plan = plan(PROGRAMS[2], &[0.3, -0.2, 0.7, 1.1]).unwrap();
        let names: Vec<&str> = plan.steps.iter().map(|step| step.op.name()).collect();
        assert!(!names.contains(&"slice"), "{names:?}");
    }

    #[test]
    fn a_number_that_was_read_forbids_a_plan() {
        let reads: Program = |x| {
            let sum = reduce::sum(x);
            if sum.as_slice().unwrap()[0] > 0.0 { ew::exp(&sum) } else { sum }
        };
        assert!(plan(reads, &[1.0]).is_none());
    }
}
