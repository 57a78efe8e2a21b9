//! The gradient tape: what is shared, what is freed, and what is refused.

use ed::prelude::*;

type Vector<E = f64> = Var<(usize,), E>;
type Matrix<E = f64> = Var<(usize, usize), E>;

#[test]
fn values_may_cross_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Vector>();
    shared::<AnyVar>();
}

#[test]
fn numbers_of_a_watched_value_may_be_read_in_another_thread() -> Result<()> {
    let tape = Tape::<f64>::of();
    let x = tape.watch(&Vector::from([1.0, 2.0])) * 3.0;
    let read = std::thread::scope(|scope| scope.spawn(|| x.to_vec()).join().expect("no panic"))?;
    assert_eq!(read, [3.0, 6.0]);
    Ok(())
}

#[test]
fn a_value_whose_tape_lives_in_another_thread_is_refused_there() {
    let tape = Tape::<f64>::of();
    let x = tape.watch(&Vector::from([1.0, 2.0]));
    let errors = std::thread::scope(|scope| {
        let run = || ((&x * 2.0).sum().item().err(), x.sum().backward().err());
        scope.spawn(run).join().expect("no panic")
    });
    let messages = [errors.0, errors.1].map(|error| error.map(|error| error.to_string()).unwrap_or_default());
    assert!(messages.iter().all(|message| message.contains("lives in another thread")), "{messages:?}");
    // Detached it goes anywhere.
    let sum =
        std::thread::scope(|scope| scope.spawn(|| (x.detach() * 2.0).sum().item()).join().expect("no panic"));
    assert!(matches!(sum, Ok(6.0)));
}

#[test]
fn a_value_used_several_times_gets_the_sum_of_its_gradients() -> Result<()> {
    let tape = Tape::<f64>::of();
    let x = tape.watch(&Vector::from([0.5, -2.0]));
    let y = x.exp();
    let loss = (&y * &y + &y * &x - &x / &y).sum() + x.dot(&x)? + x.sum() * x.sum();
    let gradient = loss.backward()?.get(&x)?.to_vec()?;
    for (x, found) in [0.5f64, -2.0].into_iter().zip(gradient) {
        let e = x.exp();
        let expected = 2.0 * e * e + e * (x + 1.0) - (1.0 - x) / e + 2.0 * x + 2.0 * -1.5;
        assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }
    Ok(())
}

#[test]
fn what_a_loss_does_not_depend_on_has_gradient_zero() -> Result<()> {
    let tape = Tape::<f64>::of();
    let (used, unused) = (tape.watch(&Vector::from([1.0, 2.0])), tape.watch(&Matrix::ones((2, 3))));
    let _dead_end = unused.exp().sum() + used.sum();
    let gradients = used.square().sum().backward()?;
    assert_eq!(gradients.get(&used)?.to_vec()?, [2.0, 4.0]);
    assert_eq!(gradients.get(&unused)?.to_vec()?, [0.0; 6]);
    assert_eq!(gradients.get(&unused)?.shape(), &(2, 3));
    Ok(())
}

#[test]
fn what_came_before_the_watch_is_constant() -> Result<()> {
    let x = Vector::from([1.0, 2.0]);
    let before = x.square();
    let tape = Tape::<f64>::of();
    let watched = tape.watch(&x);
    let gradients = (&before * &watched).sum().backward()?;
    assert_eq!(gradients.get(&watched)?.to_vec()?, [1.0, 4.0]);
    assert!(matches!(gradients.get(&before), Err(Error::NotWatched { .. })));
    assert!(matches!(gradients.get(&x), Err(Error::NotWatched { .. })));
    Ok(())
}

#[test]
fn a_watched_value_is_watched_in_its_middle_place_too() -> Result<()> {
    // Watching what is on the tape already starts afresh there: the gradient does not go further back.
    let tape = Tape::<f64>::of();
    let x = tape.watch(&Vector::from([3.0]));
    let y = tape.watch(&(&x * 2.0));
    let gradients = (&y * &y).sum().backward()?;
    assert_eq!(gradients.get(&y)?.to_vec()?, [12.0]);
    assert_eq!(gradients.get(&x)?.to_vec()?, [0.0]);
    Ok(())
}

#[test]
fn tapes_do_not_mix() -> Result<()> {
    let (one, two) = (Tape::<f64>::of(), Tape::<f64>::of());
    let x = one.watch(&Vector::from([1.0, 2.0]));
    let y = two.watch(&Vector::from([3.0, 4.0]));
    let dims = (2usize, 2usize);
    for mixed in [
        (&x + &y).sum().item(),
        x.dot(&y).and_then(|product| product.item()),
        x.outer(&y).sum().item(),
        Vector::stack(&[x.clone(), y.clone()]).and_then(|both| both.sum().item()),
    ] {
        assert!(matches!(mixed, Err(Error::TwoTapes { .. })), "{mixed:?}");
    }
    // Each tape alone still works, in any order, and so does one with the other's numbers.
    assert_eq!((&y * x.detach()).sum().backward()?.get(&y)?.to_vec()?, [1.0, 2.0]);
    assert_eq!(x.broadcast_to(dims)?.sum().backward()?.get(&x)?.to_vec()?, [2.0, 2.0]);
    Ok(())
}

#[test]
fn a_dropped_tape_ends_what_was_recorded_on_it() {
    let tape = Tape::<f64>::of();
    let x = tape.watch(&Vector::from([1.0]));
    let y = &x * 2.0;
    drop(tape);
    assert!(matches!(y.sum().backward(), Err(Error::TapeGone { .. })));
    assert!(matches!((&x + 1.0).as_slice(), Err(Error::TapeGone { .. })));
    // The numbers are still there.
    assert!(matches!(y.as_slice(), Ok([2.0])));
}

#[test]
fn one_tape_serves_one_backward_pass() -> Result<()> {
    let tape = Tape::<f64>::of();
    let x = tape.watch(&Vector::from([1.0]));
    let (first, second) = (x.sum(), x.exp().sum());
    first.backward()?;
    assert!(matches!(second.backward(), Err(Error::TapeGone { .. })));
    assert!(matches!(first.backward(), Err(Error::TapeGone { .. })));
    Ok(())
}

#[test]
fn only_one_number_has_a_gradient() {
    let tape = Tape::<f64>::of();
    let x = tape.watch(&Vector::from([1.0, 2.0]));
    assert!(matches!(x.exp().backward(), Err(Error::Shape { .. })));
    assert!(matches!(Vector::from([1.0]).sum().backward(), Err(Error::NotWatched { .. })));
}

#[test]
fn a_hundred_thousand_operations_in_a_row_do_not_overflow_the_stack() -> Result<()> {
    let tape = Tape::<f64>::of();
    let x = tape.watch(&Vector::from([1.0, -1.0]));
    let mut y = x.clone();
    for _ in 0..100_000 {
        y = &y * 0.5 + &y * 0.5;
    }
    let gradient = y.sum().backward()?.get(&x)?.to_vec()?;
    assert!(gradient.iter().all(|x| (x - 1.0).abs() < 1e-6), "{gradient:?}");
    // Dropping a long tape that nobody walked must be as flat.
    let tape = Tape::<f64>::of();
    let mut y = tape.watch(&x.detach());
    for _ in 0..100_000 {
        y = y.tanh();
    }
    drop((tape, y));
    Ok(())
}

#[test]
fn the_first_fault_goes_through_every_kind_of_operation() -> Result<()> {
    let fault = || Vector::from([1.0, 2.0]) + Vector::from([1.0, 2.0, 3.0]);
    let table = || Matrix::zeros((3, 2)) + Matrix::zeros((2, 3));
    let expected = fault().as_slice().unwrap_err().to_string();
    assert!(expected.starts_with("add: the shapes [2] and [3]"), "{expected}");
    let good = Vector::from([1.0, 2.0]);
    let outcomes: Vec<(&str, Option<Error>)> = vec![
        ("map", fault().exp().as_slice().err()),
        ("affine", (1.0 - fault() * 2.0).as_slice().err()),
        ("left", (fault() * &good).as_slice().err()),
        ("right", (&good * fault()).as_slice().err()),
        ("both", (fault() - fault()).as_slice().err()),
        ("sum", fault().sum().item().err()),
        ("mean", fault().mean().item().err()),
        ("sum_last", fault().sum_last().item().err()),
        ("sum_axis", fault().sum_axis::<Axis<0>>().item().err()),
        ("logsumexp", fault().logsumexp().item().err()),
        ("log_softmax", fault().log_softmax().as_slice().err()),
        ("expand_last", fault().expand_last(2usize).as_slice().err()),
        ("reshape", fault().reshape((2usize,)).err()),
        ("broadcast_to", fault().broadcast_to((4usize, 2usize)).err()),
        ("permute", fault().permute::<(usize,)>(&[0]).err()),
        ("at", fault().at(0).err()),
        ("gather", fault().gather(&[0]).err()),
        ("stack", Vector::stack(&[fault(), good.clone()]).err()),
        ("dot", fault().dot(&good).err()),
        ("dot, right", good.dot(fault()).err()),
        ("solve_triangular", Matrix::ones((2, 2)).solve_triangular(fault()).err()),
        ("outer", good.outer(&fault()).as_slice().err()),
        ("backward", fault().sum().backward().err()),
        ("a tape", Tape::<f64>::of().watch(&fault()).exp().as_slice().err()),
    ];
    for (what, error) in outcomes {
        assert_eq!(error.map(|error| error.to_string()).as_ref(), Some(&expected), "{what}");
    }
    let message = table().as_slice().unwrap_err().to_string();
    let outcomes: Vec<(&str, Option<Error>)> = vec![
        ("transpose", table().transpose().as_slice().err()),
        ("cholesky", table().cholesky().err()),
        ("solve_triangular", table().solve_triangular(&good).err()),
        ("diagonal", table().diagonal().err()),
        ("log_det_triangular", table().log_det_triangular().err()),
    ];
    for (what, error) in outcomes {
        assert_eq!(error.map(|error| error.to_string()).as_ref(), Some(&message), "{what}");
    }
    Ok(())
}

#[test]
fn precisions_have_tapes_of_their_own() -> Result<()> {
    let (single, double) = (Tape::new(), Tape::<f64>::of());
    let x = single.watch(&Var::from([1.0f32]));
    let y = double.watch(&Vector::from([2.0]));
    assert_eq!(y.square().sum().backward()?.get(&y)?.to_vec()?, [4.0]);
    assert_eq!(x.square().sum().backward()?.get(&x)?.to_vec()?, [2.0]);
    Ok(())
}

#[test]
fn tapes_may_be_nested() -> Result<()> {
    let outer = Tape::<f64>::of();
    let x = outer.watch(&Vector::from([3.0]));
    let y = x.square();
    let inner = Tape::<f64>::of();
    let z = inner.watch(&y.detach());
    assert_eq!(z.square().sum().backward()?.get(&z)?.to_vec()?, [18.0]);
    assert_eq!(y.sum().backward()?.get(&x)?.to_vec()?, [6.0]);
    Ok(())
}
