//! Sizes: products that no `usize` can count, tensors that no memory can hold, and axes of nothing.

use super::grid::Grid;
use ed::prelude::*;

const HUGE: [usize; 5] = [0, 1, 1 << 45, 1 << 63, usize::MAX];

fn matrix(grid: &mut Grid, a: usize, b: usize) {
    let sizes = [a as f64, b as f64];
    // Counted in 128 bits, where nothing wraps.
    let count = a as u128 * b as u128;
    let empty = grid.call("Var", "from_vec", &sizes, || Var::<(usize, usize), f32>::from_vec(vec![], (a, b)));
    if empty.is_some() != (count == 0) {
        grid.fault("no numbers do not fill a tensor that has some");
    }
    let full = if !(1 << 20..=1 << 40).contains(&count) {
        grid.call("Var", "zeros", &sizes, || Var::<(usize, usize), f32>::zeros((a, b)).check())
    } else {
        None
    };
    if count > 1 << 40 && full.is_some() {
        grid.fault("more numbers than there is memory");
    }
    if count > 1 << 40 {
        let scalar = Var::<(), f32>::scalar(1.0);
        let one = Var::from([1.0f32]);
        let outcomes = [
            grid.call("Var", "broadcast_to", &sizes, || scalar.broadcast_to((a, b))?.check()).is_some(),
            grid.call("Var", "reshape", &sizes, || one.reshape((a, b))?.check()).is_some(),
            grid.call("Normal", "expand", &sizes, || {
                Distribution::sample(&Normal::new(0.0, 1.0)?.expand((a, b))?, Key::new(0))
                    as Result<Var<_, f32>>
            })
            .is_some(),
            grid.call("Poisson", "expand", &sizes, || {
                Distribution::sample(&Poisson::new(1.0)?.expand((a, b))?, Key::new(0)) as Result<Var<_, f32>>
            })
            .is_some(),
        ];
        if outcomes.contains(&true) {
            grid.fault(format!("{outcomes:?}"));
        }
    }
    let Some(x) = empty else { return };
    grid.call("Var", "sum", &sizes, || x.sum().item());
    grid.call("Var", "mean", &sizes, || x.mean().item());
    grid.call("Var", "sum_last", &sizes, || x.sum_last().check().map(|_| ()));
    grid.call("Var", "sum_axis 0", &sizes, || x.sum_axis::<Axis<0>>().check().map(|_| ()));
    grid.call("Var", "sum_axis 1", &sizes, || x.sum_axis::<Axis<1>>().check().map(|_| ()));
    grid.call("Var", "logsumexp", &sizes, || x.logsumexp().check().map(|_| ()));
    grid.call("Var", "softmax", &sizes, || x.softmax().check().map(|_| ()));
    grid.call("Var", "transpose", &sizes, || x.transpose().check().map(|_| ()));
    grid.call("Var", "cholesky", &sizes, || x.cholesky().map(|_| ()));
    grid.call("Var", "diagonal", &sizes, || x.diagonal().map(|_| ()));
    grid.call("Var", "expand_last", &sizes, || x.expand_last(3usize).check().map(|_| ()));
    grid.call("Var", "permute", &sizes, || x.permute::<(usize, usize)>(&[1, 0]).map(|_| ()));
    grid.call("Var", "at", &sizes, || x.at(usize::MAX).map(|_| ()));
    grid.call("Var", "at 0", &sizes, || x.at(0).map(|_| ()));
    grid.call("Var", "gather", &sizes, || x.gather(&[0, usize::MAX]).map(|_| ()));
    grid.call("Var", "stack", &sizes, || Var::stack(&[x.clone(), x.clone()]).map(|_| ()));
    grid.call("Var", "dot itself", &sizes, || x.dot(&x)?.check().map(|_| ()));
    grid.call("Var", "dot transposed", &sizes, || x.dot(&x.transpose())?.check().map(|_| ()));
    grid.call("Var", "add", &sizes, || (&x + &x).check().map(|_| ()));
    grid.call("Var", "display", &sizes, || Ok(x.to_string()));
    grid.call("Var", "gradient", &sizes, || {
        let tape = Tape::new();
        let watched = tape.watch(&x);
        watched.exp().sum().backward()?.get(&watched).map(|_| ())
    });
}

/// All pairs of sizes.
pub fn run(grid: &mut Grid) {
    for a in HUGE {
        for b in HUGE {
            matrix(grid, a, b);
        }
    }
}
