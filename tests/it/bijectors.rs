//! The laws of bijectors, over a table of all of them.

use ed::bijectors::{
    Affine, Bijector, Chain, CholeskyFactor, Constraint, CorrelationCholesky, Exp, GreaterThan, Identity,
    Interval, Inverse, LessThan, Ordered, Power, Sigmoid, Softplus, StickBreaking, Tanh, biject_to,
};
use ed::prelude::*;
use ed::tensor::{Dims, Value};

/// A bijector, what it maps onto, points of its domain, and which numbers of its output are free coordinates.
struct Row<E: Float> {
    name: &'static str,
    map: Box<dyn Bijector<E>>,
    onto: Constraint<E>,
    points: Vec<Vec<f64>>,
    free: fn(usize) -> Vec<usize>,
}

fn all(len: usize) -> Vec<usize> {
    (0..len).collect()
}

fn but_last(len: usize) -> Vec<usize> {
    (0..len - 1).collect()
}

fn lower(len: usize) -> Vec<usize> {
    let order = len.isqrt();
    (0..len).filter(|at| at % order <= at / order).collect()
}

fn strictly_lower(len: usize) -> Vec<usize> {
    let order = len.isqrt();
    (0..len).filter(|at| at % order < at / order).collect()
}

fn scalar<E: Float>(x: f64) -> Value<E> {
    vector_of(&[x], Dims::SCALAR)
}

fn vector_of<E: Float>(x: &[f64], dims: Dims) -> Value<E> {
    Value::from_vec(x.iter().map(|&x| E::from_f64(x)).collect(), dims).expect("sizes of the test fit")
}

fn vector<E: Float>(x: &[f64]) -> Value<E> {
    vector_of(x, Dims::vector(x.len()))
}

fn table<E: Float>() -> Vec<Row<E>> {
    let line = || vec![vec![0.0, 0.3, -1.2], vec![2.5, -4.0, 1.0], vec![-6.0, 5.0, 0.01]];
    let positive = || vec![vec![0.5, 1.0, 2.0], vec![1e-3, 30.0, 0.9]];
    let row = |name, map, onto, points, free| Row { name, map, onto, points, free };
    vec![
        row("identity", Box::new(Identity), Constraint::Real, line(), all),
        row("exp", Box::new(Exp), Constraint::Positive, line(), all),
        row("softplus", Box::new(Softplus), Constraint::Positive, line(), all),
        row("sigmoid", Box::new(Sigmoid), Constraint::UnitInterval, line(), all),
        row("tanh", Box::new(Tanh), Constraint::between(-1.0, 1.0), vec![vec![0.0, 0.5, -2.5]], all),
        row(
            "affine",
            Box::new(Affine::new(scalar(0.5), vector(&[2.0, -0.3, 1.5]))),
            Constraint::Real,
            line(),
            all,
        ),
        row(
            "interval",
            Box::new(Interval::new(scalar(-2.0), vector(&[-1.5, 1.0, 10.0]))),
            Constraint::Interval(scalar(-2.0), vector(&[-1.5, 1.0, 10.0])),
            line(),
            all,
        ),
        row(
            "greater_than",
            Box::new(GreaterThan::new(vector(&[1.0, -3.0, 0.1]))),
            Constraint::GreaterThan(vector(&[1.0, -3.0, 0.1])),
            vec![vec![0.0, 0.3, -1.2], vec![2.5, -2.0, 1.0]],
            all,
        ),
        row(
            "less_than",
            Box::new(LessThan::new(scalar(2.0))),
            Constraint::below(2.0),
            vec![vec![0.0, 0.3, -1.2], vec![2.5, -2.0, 1.0]],
            all,
        ),
        row(
            "power",
            Box::new(Power::new(-1.5).expect("a good exponent")),
            Constraint::Positive,
            positive(),
            all,
        ),
        row("reciprocal", Box::new(Power::reciprocal()), Constraint::Positive, positive(), all),
        row("inverse of exp", Box::new(Inverse::new(Exp)), Constraint::Real, positive(), all),
        row("inverse of softplus", Box::new(Inverse::new(Softplus)), Constraint::Real, positive(), all),
        row(
            "chain",
            Box::new(Chain::new(vec![
                Box::new(Affine::new(scalar(0.2), scalar(0.7))),
                Box::new(Ordered),
                Box::new(Sigmoid),
            ])),
            Constraint::UnitInterval,
            vec![vec![0.0, 0.3, -1.2], vec![-2.5, 1.0, 0.4]],
            all,
        ),
        row("stick_breaking", Box::new(StickBreaking), Constraint::Simplex, line(), but_last),
        row(
            "ordered",
            Box::new(Ordered),
            Constraint::Ordered,
            vec![vec![0.0, 0.3, -1.2, 1.0], vec![-5.0, 2.0, -2.0, 0.0]],
            all,
        ),
        row(
            "cholesky_factor",
            Box::new(CholeskyFactor),
            Constraint::CholeskyFactor,
            vec![vec![0.0; 6], vec![0.5, -1.0, -2.0, 3.0, 0.1, 0.4], vec![0.7]],
            lower,
        ),
        row(
            "correlation_cholesky",
            Box::new(CorrelationCholesky),
            Constraint::CorrelationCholesky,
            vec![vec![0.0; 6], vec![0.5, -1.0, -0.2, 1.3, 0.1, 0.4], vec![0.7]],
            strictly_lower,
        ),
    ]
}

fn numbers<E: Float>(value: &Value<E>) -> Vec<f64> {
    value.as_slice().expect("no fault").iter().map(|x| (*x).to_f64()).collect()
}

#[track_caller]
fn assert_close(name: &str, what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}: {what}: lengths");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let near = (found - expected).abs() <= tolerance * (1.0 + expected.abs());
        assert!(near, "{name}: {what}: {found} instead of {expected} at {index}");
    }
}

fn round_trips<E: Float>(tolerance: f64) -> Result<()> {
    for Row { name, map, onto, points, .. } in table::<E>() {
        for point in points {
            let x = vector::<E>(&point);
            let (y, forward) = map.forward_and_log_det(&x)?;
            onto.check(name, &y)?;
            assert_eq!(*y.dims(), map.forward_dims(*x.dims()), "{name}: dims");
            assert_eq!(*x.dims(), map.inverse_dims(*y.dims()), "{name}: dims of the inverse");
            let (back, inverse) = map.inverse_and_log_det(&y)?;
            assert_close(name, "inverse(forward(x))", &numbers(&back), &point, tolerance);
            let negative: Vec<f64> = numbers(&inverse).iter().map(|x| -x).collect();
            assert_close(
                name,
                "log-dets are each other's negatives",
                &numbers(&forward),
                &negative,
                tolerance,
            );
            let (same, sum) = map.forward_and_log_det_sum(&x)?;
            assert_eq!(numbers(&same), numbers(&y), "{name}: the value with the sum");
            let total: f64 = numbers(&forward).iter().sum();
            assert_close(name, "sum of the log-dets", &numbers(&sum), &[total], tolerance);
            assert_eq!(numbers(&map.forward(&x)?), numbers(&y), "{name}");
            assert_eq!(numbers(&map.inverse(&y)?), numbers(&back), "{name}");
        }
    }
    Ok(())
}

#[test]
fn inverses_undo_and_log_dets_are_negatives_in_double_precision() -> Result<()> {
    round_trips::<f64>(1e-10)
}

#[test]
fn inverses_undo_and_log_dets_are_negatives_in_single_precision() -> Result<()> {
    // Far out, a number next to a bound has few digits left: 1e-4 at x = -6, where 1 - sigmoid(6) = 0.0025.
    round_trips::<f32>(2e-4)
}

/// The determinant by elimination with pivots.
fn ln_abs_det(mut matrix: Vec<Vec<f64>>) -> f64 {
    let order = matrix.len();
    let mut sum = 0.0;
    for column in 0..order {
        let pivot = (column..order)
            .max_by(|&i, &j| matrix[i][column].abs().total_cmp(&matrix[j][column].abs()))
            .expect("a row");
        matrix.swap(column, pivot);
        sum += matrix[column][column].abs().ln();
        for row in column + 1..order {
            let factor = matrix[row][column] / matrix[column][column];
            for at in column..order {
                matrix[row][at] -= factor * matrix[column][at];
            }
        }
    }
    sum
}

/// Central differences of a function of several numbers: one row for each input.
fn differences(f: impl Fn(&[f64]) -> Vec<f64>, x: &[f64]) -> Vec<Vec<f64>> {
    (0..x.len())
        .map(|at| {
            let step = 1e-5 * x[at].abs().clamp(1e-2, 1.0);
            let moved = |by: f64| {
                let mut moved = x.to_vec();
                moved[at] += by;
                f(&moved)
            };
            // Fourth order, so that steps can be large.
            let [a, b, c, d] = [-2.0, -1.0, 1.0, 2.0].map(|by| moved(by * step));
            (0..a.len()).map(|i| (a[i] - 8.0 * b[i] + 8.0 * c[i] - d[i]) / (12.0 * step)).collect()
        })
        .collect()
}

#[test]
fn the_image_of_all_numbers_is_what_each_bijector_says() -> Result<()> {
    for row in table::<f64>() {
        let Some(codomain) = row.map.codomain() else { continue };
        assert_eq!(format!("{codomain:?}"), format!("{:?}", row.onto), "{}", row.name);
        let real = matches!(codomain, Constraint::Real);
        assert!(real || !row.map.is_affine(), "{}: an affine map reaches every number", row.name);
    }
    Ok(())
}

#[test]
fn log_dets_are_those_of_the_numerical_jacobian() -> Result<()> {
    for Row { name, map, points, free, .. } in table::<f64>() {
        for point in points {
            let forward = |x: &[f64]| {
                let y = numbers(&map.forward(&vector(x)).expect("in the domain"));
                free(y.len()).into_iter().map(|at| y[at]).collect()
            };
            let log_det: f64 = numbers(&map.forward_and_log_det(&vector(&point))?.1).iter().sum();
            let numerical = ln_abs_det(differences(forward, &point));
            assert_close(name, "log-det", &[log_det], &[numerical], 1e-6);
        }
    }
    Ok(())
}

/// The gradient of `Σ weight_i f_i(x)` by the tape and by differences.
fn check_gradient(
    name: &str,
    what: &str,
    f: &dyn Fn(&Value<f64>) -> Result<Value<f64>>,
    x: &[f64],
) -> Result<()> {
    let tape = Tape::<f64>::of();
    let leaf = tape.watch(&Var::from(x));
    let y = Var::<(usize,), f64>::from_value(flat(&f(leaf.value())?)?)?;
    let weights: Vec<f64> = (0..y.len()).map(|at| 0.5 + (at as f64 * 1.7).sin()).collect();
    let loss = (&y * Var::from(weights.clone())).sum();
    let rows = differences(|x| numbers(&f(&vector(x)).expect("in the domain")), x);
    let expected: Vec<f64> =
        rows.iter().map(|row| row.iter().zip(&weights).map(|(d, w)| d * w).sum()).collect();
    match loss.backward() {
        Ok(gradients) => {
            assert_close(name, what, &gradients.get(&leaf)?.to_vec()?, &expected, 1e-6);
        }
        // The log-determinant of an affine map does not depend on the point.
        Err(Error::NotWatched { .. }) => assert_close(name, what, &vec![0.0; x.len()], &expected, 1e-6),
        Err(other) => return Err(other),
    }
    Ok(())
}

/// The value as a vector that is still on its tape.
fn flat(value: &Value<f64>) -> Result<Value<f64>> {
    Ok(match value.dims().rank() {
        0 => Var::<(), f64>::from_value(value.clone())?.reshape((1usize,))?.into_value(),
        1 => value.clone(),
        _ => {
            let matrix = Var::<(usize, usize), f64>::from_value(value.clone())?;
            matrix.reshape((value.dims().num_elements(),))?.into_value()
        }
    })
}

#[test]
fn gradients_are_those_of_finite_differences() -> Result<()> {
    for Row { name, map, points, .. } in table::<f64>() {
        for point in points {
            check_gradient(name, "forward", &|x| map.forward(x), &point)?;
            check_gradient(name, "log-det", &|x| Ok(map.forward_and_log_det(x)?.1), &point)?;
            check_gradient(name, "sum of log-dets", &|x| Ok(map.forward_and_log_det_sum(x)?.1), &point)?;
            // Through the map and back, so that the inverse sees points of its domain only.
            check_gradient(name, "inverse", &|x| map.inverse(&map.forward(x)?), &point)?;
            let both = |x: &Value<f64>| Ok(map.inverse_and_log_det(&map.forward(x)?)?.1);
            check_gradient(name, "inverse log-det", &both, &point)?;
        }
    }
    Ok(())
}

#[test]
fn gradients_of_inverses_are_those_of_finite_differences_in_all_coordinates() -> Result<()> {
    for Row { name, map, points, .. } in table::<f64>() {
        // Matrices are read as vectors here; their laws are above.
        for point in points.iter().filter(|_| !name.ends_with("cholesky") && !name.ends_with("factor")) {
            let y = numbers(&map.forward(&vector(point))?);
            check_gradient(name, "inverse alone", &|y| map.inverse(y), &y)?;
            check_gradient(name, "inverse log-det alone", &|y| Ok(map.inverse_and_log_det(y)?.1), &y)?;
        }
    }
    Ok(())
}

#[test]
fn gradients_flow_into_the_bounds_and_the_scale() -> Result<()> {
    type Make = fn(&Value<f64>, &Value<f64>) -> Box<dyn Bijector<f64>>;
    let makers: [(&str, Make); 3] = [
        ("interval", |a, b| Box::new(Interval::new(a.clone(), b.clone()))),
        ("affine", |a, b| Box::new(Affine::new(a.clone(), b.clone()))),
        ("greater_than", |a, b| {
            Box::new(Chain::new(vec![
                Box::new(GreaterThan::new(a.clone())) as Box<dyn Bijector<f64>>,
                Box::new(Affine::new(scalar(0.0), b.clone())),
            ]))
        }),
    ];
    for (name, make) in makers {
        let (x, y) = (vector::<f64>(&[0.3, -1.0, 2.0]), vector::<f64>(&[1.0, 0.5, 2.0]));
        let map = |params: &Value<f64>| -> Result<Box<dyn Bijector<f64>>> {
            let params = Var::<(usize,), f64>::from_value(params.clone())?;
            Ok(make(params.at(0)?.value(), params.at(1)?.value()))
        };
        let at = [-0.5, 3.0];
        check_gradient(name, "forward by parameters", &|p| map(p)?.forward(&x), &at)?;
        check_gradient(name, "log-det by parameters", &|p| Ok(map(p)?.forward_and_log_det(&x)?.1), &at)?;
        check_gradient(name, "sum by parameters", &|p| Ok(map(p)?.forward_and_log_det_sum(&x)?.1), &at)?;
        check_gradient(name, "inverse by parameters", &|p| map(p)?.inverse(&y), &at)?;
        check_gradient(
            name,
            "inverse log-det by parameters",
            &|p| Ok(map(p)?.inverse_and_log_det(&y)?.1),
            &at,
        )?;
    }
    Ok(())
}

fn stays_finite<E: Float>(name: &str, size: f64) -> Result<()> {
    for row in table::<E>().into_iter().filter(|row| row.name == name) {
        let len = row.points[0].len();
        for sign in [1.0, -1.0] {
            let tape = Tape::<E>::of();
            let leaf = tape.watch(&Var::from(vec![E::from_f64(sign * size); len]));
            let (y, log_det) = row.map.forward_and_log_det_sum(leaf.value())?;
            row.onto.check(row.name, &y)?;
            let log_det = Var::<(), E>::from_value(log_det)?;
            assert!(log_det.item()?.is_finite(), "{name}: log-det at {}", sign * size);
            let gradient = log_det.backward()?.get(&leaf)?.to_vec()?;
            assert!(
                gradient.iter().all(|x| x.is_finite()),
                "{name}: gradient at {}: {gradient:?}",
                sign * size
            );
        }
    }
    Ok(())
}

#[test]
fn far_out_values_stay_inside_and_log_dets_stay_finite() -> Result<()> {
    for size in [40.0, 700.0] {
        for name in ["sigmoid", "interval", "stick_breaking"] {
            stays_finite::<f32>(name, size)?;
            stays_finite::<f64>(name, size)?;
        }
        for name in ["exp", "softplus"] {
            stays_finite::<f64>(name, size)?;
        }
        for name in ["exp", "softplus", "cholesky_factor"] {
            stays_finite::<f32>(name, 40.0)?;
            stays_finite::<f64>(name, 40.0)?;
        }
    }
    Ok(())
}

#[test]
fn zero_maps_to_the_middle() -> Result<()> {
    let uniform = StickBreaking.forward(&vector::<f64>(&[0.0; 4]))?;
    assert_close("stick_breaking", "0", &numbers(&uniform), &[0.2; 5], 1e-15);
    let identity = CorrelationCholesky.forward(&vector::<f64>(&[0.0; 3]))?;
    assert_eq!(numbers(&identity), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(numbers(&Interval::new(scalar(2.0), scalar(6.0)).forward(&scalar::<f64>(0.0))?), [4.0]);
    Ok(())
}

#[test]
fn batches_are_rows_side_by_side() -> Result<()> {
    for Row { name, map, points, .. } in table::<f64>().into_iter().filter(|row| row.points.len() > 1) {
        let (first, second) = (&points[0], &points[1]);
        if first.len() != second.len() {
            continue;
        }
        let dims: Dims = [2, first.len()].into_iter().collect();
        let (y, log_det) =
            map.forward_and_log_det(&vector_of::<f64>(&[&first[..], second].concat(), dims))?;
        let rows = [map.forward_and_log_det(&vector(first))?, map.forward_and_log_det(&vector(second))?];
        assert_eq!(numbers(&y), [numbers(&rows[0].0), numbers(&rows[1].0)].concat(), "{name}");
        assert_eq!(numbers(&log_det), [numbers(&rows[0].1), numbers(&rows[1].1)].concat(), "{name}");
        assert_eq!(y.dims().rank() - map.codomain_event_rank(), log_det.dims().rank(), "{name}");
    }
    Ok(())
}

#[test]
fn no_numbers_map_to_what_is_left() -> Result<()> {
    assert_eq!(numbers(&StickBreaking.forward(&vector::<f32>(&[]))?), [1.0]);
    assert_eq!(numbers(&CorrelationCholesky.forward(&vector::<f32>(&[]))?), [1.0]);
    let none = Value::<f32>::from_vec(vec![], Dims::vector(0))?;
    for Row { name, map, .. } in table::<f32>() {
        if !["affine", "interval", "greater_than", "stick_breaking", "correlation_cholesky"].contains(&name) {
            let (y, log_det) = map.forward_and_log_det_sum(&none)?;
            assert!(numbers(&y).is_empty() && numbers(&log_det) == [0.0], "{name}");
        }
    }
    Ok(())
}

#[test]
fn bad_shapes_and_bounds_are_refused_in_words() {
    let message =
        |result: Result<Value<f32>>| result.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message(CholeskyFactor.forward(&vector(&[0.0; 4]))).contains("as a triangle has"));
    assert!(message(StickBreaking.forward(&scalar(0.0))).contains("at least 1 axes"));
    assert!(message(CholeskyFactor.inverse(&vector(&[0.0; 4]))).contains("at least 2 axes"));
    let reversed = Interval::new(scalar(1.0), vector(&[2.0, 0.5]));
    assert_eq!(
        message(reversed.forward(&vector(&[0.0, 0.0]))),
        "interval: `high` must be finite and above `low`, got 0.5"
    );
    let long = Interval::new(scalar(0.0), vector(&[1.0, 2.0]));
    assert!(message(long.forward(&vector(&[0.0; 3]))).contains("[3] and [2]"));
    assert!(Power::new(0.0).is_err());
    let six: Dims = [1, 1, 1, 1, 1, 1].into_iter().collect();
    assert!(message(CholeskyFactor.forward(&vector_of(&[0.0], six))).contains("fewer than 6 axes"));
}

#[test]
fn the_registry_maps_onto_what_it_says() -> Result<()> {
    let x = vector::<f64>(&[0.3, -2.0, 1.0]);
    for constraint in [
        Constraint::Real,
        Constraint::Positive,
        Constraint::NonNegative,
        Constraint::UnitInterval,
        Constraint::between(-3.0, 4.0),
        Constraint::above(2.0),
        Constraint::below(-2.0),
        Constraint::Simplex,
        Constraint::Ordered,
        Constraint::CholeskyFactor,
        Constraint::CorrelationCholesky,
    ] {
        let map = biject_to(&constraint).expect("continuous");
        constraint.check("the image", &map.forward(&x)?)?;
    }
    let one_point = Constraint::Exactly(scalar::<f64>(1.0));
    for discrete in
        [Constraint::Boolean, Constraint::NonNegativeInteger, Constraint::IntegerUpTo(3), one_point]
    {
        assert!(biject_to(&discrete).is_none());
    }
    Ok(())
}

#[test]
fn constraints_name_the_first_number_that_fails() {
    let square = [2usize, 2].into_iter().collect();
    let cases: Vec<(Constraint<f64>, Value<f64>, &str)> = vec![
        (Constraint::Real, vector(&[1.0, f64::NAN]), "finite, got NaN"),
        (Constraint::Positive, vector(&[1.0, 0.0, -1.0]), "finite and positive, got 0"),
        (Constraint::Positive, vector(&[f64::INFINITY]), "finite and positive, got inf"),
        (Constraint::NonNegative, vector(&[0.0, -1.0]), "finite and not negative, got -1"),
        (Constraint::UnitInterval, vector(&[0.5, 1.0]), "strictly between 0 and 1, got 1"),
        (
            Constraint::between(-1.0, 2.0),
            vector(&[2.5]),
            "strictly between the bounds, got 2.5 at [0], bounds -1 and 2",
        ),
        (Constraint::between(-1.0, 2.0), vector(&[f64::NAN]), "got NaN at [0], bounds"),
        (Constraint::above(1.0), vector(&[1.0]), "finite and above the bound, got 1 at [0], bound 1"),
        (Constraint::below(1.0), vector(&[1.5]), "finite and below the bound, got 1.5 at [0], bound 1"),
        (Constraint::Boolean, vector(&[0.0, 1.0, 0.5]), "0 or 1, got 0.5 at [2]"),
        (Constraint::NonNegativeInteger, vector(&[3.0, 2.5]), "one of 0, 1, 2, …, got 2.5 at [1]"),
        (Constraint::NonNegativeInteger, vector(&[-1.0]), "got -1"),
        (Constraint::IntegerUpTo(3), vector(&[3.0, 4.0]), "up to the largest, got 4 at [1], largest 3"),
        (Constraint::Simplex, vector(&[0.5, 0.6]), "sum to one along the last axis, got a sum of 1.1"),
        (Constraint::Simplex, vector(&[1.5, -0.5]), "got -0.5"),
        (Constraint::Simplex, vector(&[f64::NAN, 1.0]), "got NaN"),
        (Constraint::Ordered, vector(&[1.0, 2.0, 2.0]), "increasing along the last axis, got 2 before 2"),
        (Constraint::CholeskyFactor, vector_of(&[1.0, 0.5, 0.0, 1.0], square), "0.5 at row 0, column 1"),
        (Constraint::CholeskyFactor, vector_of(&[1.0, 0.0, 0.0, -1.0], square), "-1 at row 1, column 1"),
        (Constraint::CholeskyFactor, vector(&[1.0]), "square matrices"),
        (
            Constraint::CorrelationCholesky,
            vector_of(&[1.0, 0.0, 3.0, 4.0], square),
            "rows have length one, got a row of length 5",
        ),
        (
            Constraint::Exactly(scalar(2.0)),
            vector(&[2.0, 3.0]),
            "exactly the one possible, got 3 at [1] for 2",
        ),
        (Constraint::Exactly(vector(&[1.0, 2.0])), vector(&[1.0, 2.0, 3.0]), "[3] and [2]"),
    ];
    for (constraint, value, expected) in cases {
        let message = constraint.check("x", &value).expect_err("outside").to_string();
        assert!(message.contains(expected), "{constraint:?}: {message}");
    }
}

#[test]
fn rounding_does_not_leave_the_simplex() -> Result<()> {
    let scores: Vec<f64> = (0..999).map(|at| (at as f64 * 0.37).sin() * 3.0).collect();
    Constraint::Simplex.check("x", &StickBreaking.forward(&vector::<f32>(&scores))?)
}
