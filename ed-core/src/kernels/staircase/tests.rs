use super::*;
use crate::kernels::parallel::tests::same_for_all_threads;

fn numbers(len: usize, phase: f64) -> Vec<f64> {
    (0..len).map(|i| (i as f64 * 1.37 + phase).sin()).collect()
}

/// Stairs with steps of all kinds: none, small, large, and rows that nobody sees.
fn stairs() -> Vec<Staircase> {
    let make = |rows, reach: Vec<usize>, segments| Staircase::new(rows, reach, segments).unwrap();
    vec![
        make(3, vec![1, 3], 2),
        make(5, vec![0, 0, 0], 1),
        make(300, (0..170).collect(), 2),
        make(90, (0..700).map(|c| c * 90 / 700).collect(), 1),
        make(700, (0..90).map(|c| c * 700 / 90).collect(), 3),
        make(130, (0..600).map(|c| c.min(100)).collect(), 2),
        make(40, vec![40; 50], 1),
    ]
}

#[test]
fn pieces_cover_the_mask_once_and_full_ones_nothing_else() {
    for stairs in stairs() {
        let mut seen = vec![0; stairs.rows * stairs.columns()];
        for place in stairs.places() {
            for piece in &place.panel.pieces {
                for (row, column) in
                    piece.rows.clone().flat_map(|r| (piece.from..place.panel.width()).map(move |c| (r, c)))
                {
                    seen[row * stairs.columns() + place.column + column] += 1;
                    assert!(!piece.full || stairs.sees(row, place.column + column));
                }
            }
        }
        for (at, &count) in seen.iter().enumerate() {
            let (row, column) = (at / stairs.columns(), at % stairs.columns());
            assert!(count <= 1 && (count == 1 || !stairs.sees(row, column)));
        }
        let (rows, columns) = (stairs.rows, stairs.columns());
        // Beside each column, at most a register of others, and a piece below what it sees.
        assert!(
            stairs.num_multiplied()
                <= stairs.num_allowed() + REGISTER * rows * stairs.segments + PIECE * columns
        );
    }
}

#[test]
fn stored_numbers_are_the_matrix_with_zeros_where_the_mask_forbids() {
    for stairs in stairs() {
        let matrix = numbers(stairs.rows() * stairs.columns(), 0.2);
        let stored = stairs.pack(&matrix).unwrap();
        assert_eq!(stored.len(), stairs.num_stored());
        for (at, (back, x)) in stairs.unpack(&stored).unwrap().into_iter().zip(matrix).enumerate() {
            let sees = stairs.sees(at / stairs.columns(), at % stairs.columns());
            assert_eq!(back, if sees { x } else { 0.0 });
        }
        assert!(stairs.pack(&[0.0; 2]).is_none() && stairs.unpack(&vec![0.0; stored.len() + 1]).is_none());
    }
}

#[test]
fn products_are_those_with_the_mask_written_out() {
    let n = 7;
    for stairs in stairs() {
        let (rows, columns) = (stairs.rows(), stairs.columns());
        let (x, w, g) = (numbers(n * rows, 0.1), numbers(rows * columns, 0.2), numbers(n * columns, 0.3));
        let masked: Vec<f64> = (0..rows * columns)
            .map(|i| if stairs.sees(i / columns, i % columns) { w[i] } else { 0.0 })
            .collect();
        let close = |a: &[f64], b: &[f64]| {
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-11 * (1.0 + b.abs())));
        };
        use crate::kernels::matmul::{Transpose, matmul};
        let (no, yes) = (Transpose::No, Transpose::Yes);
        // Whatever is stored where the mask forbids does not count.
        let stored: Vec<f64> =
            stairs.pack(&w).unwrap().iter().map(|&w| if w == 0.0 { f64::NAN } else { w }).collect();
        let bias = numbers(columns, 0.4);
        let (mut y, mut expected) = (vec![f64::NAN; n * columns], bias.repeat(n));
        stairs.product(n, &x, &stored, &bias, &mut y).unwrap();
        matmul([n, rows, columns], 1.0, (&x, no), (&masked, no), 1.0, &mut expected).unwrap();
        close(&y, &expected);
        for fresh in [true, false] {
            let beta = if fresh { 0.0 } else { 1.0 };
            let start = if fresh { f64::NAN } else { 2.0 };
            let (mut by_x, mut expected) = (vec![start; n * rows], vec![2.0; n * rows]);
            stairs.grad_left(n, &g, &stored, &mut by_x, fresh).unwrap();
            matmul([n, columns, rows], 1.0, (&g, no), (&masked, yes), beta, &mut expected).unwrap();
            close(&by_x, &expected);
            let (mut by_w, mut expected) = (vec![start; stairs.num_stored()], vec![2.0; rows * columns]);
            stairs.grad_right(n, &x, &g, &mut by_w, fresh).unwrap();
            matmul([rows, n, columns], 1.0, (&x, yes), (&g, no), 0.0, &mut expected).unwrap();
            let mut expected = stairs.pack(&expected).unwrap();
            expected.iter_mut().for_each(|expected| *expected += 2.0 * beta);
            close(&by_w, &expected);
        }
    }
}

#[test]
fn threads_do_not_change_a_product() {
    for (n, stairs) in [
        (64, Staircase::new(500, (0..1700).map(|c| c * 5 / 17).collect(), 2).unwrap()),
        (300, Staircase::new(1300, (0..300).map(|c| c * 4).collect(), 1).unwrap()),
    ] {
        let (x, w) = (numbers(n * stairs.rows(), 0.1), numbers(stairs.num_stored(), 0.2));
        let (g, bias) = (numbers(n * stairs.columns(), 0.3), numbers(stairs.columns(), 0.4));
        same_for_all_threads(|| {
            let mut y = vec![0.0; n * stairs.columns()];
            let (mut by_x, mut by_w) = (vec![0.0; x.len()], vec![0.0; w.len()]);
            stairs.product(n, &x, &w, &bias, &mut y).unwrap();
            stairs.grad_left(n, &g, &w, &mut by_x, true).unwrap();
            stairs.grad_right(n, &x, &g, &mut by_w, true).unwrap();
            (y, by_x, by_w)
        });
    }
}

#[test]
fn nothing_to_multiply_leaves_the_bias_and_gradients_of_zero() {
    let stairs = Staircase::new(3, vec![0, 2], 1).unwrap();
    let (mut by_x, mut by_w) = ([7.0; 3], [7.0; 4]);
    stairs.grad_right(0, &[], &[], &mut by_w, true).unwrap();
    assert_eq!(by_w, [0.0; 4]);
    let none = Staircase::new(3, vec![0, 0], 1).unwrap();
    let mut y = [7.0; 2];
    none.product(1, &[1.0; 3], &[], &[0.5, 1.5], &mut y).unwrap();
    none.grad_left(1, &[1.0; 2], &[], &mut by_x, true).unwrap();
    assert_eq!((y, by_x), ([0.5, 1.5], [0.0; 3]));
}

#[test]
fn refuses_stairs_that_go_down_or_too_high_and_slices_that_do_not_fit() {
    assert!(Staircase::new(3, vec![2, 1], 1).is_none());
    assert!(Staircase::new(3, vec![2, 4], 1).is_none());
    let stairs = Staircase::new(2, vec![1, 2], 1).unwrap();
    assert!(stairs.product(1, &[0.0; 2], &[0.0; 3], &[0.0; 2], &mut [0.0; 2]).is_err());
    assert!(stairs.product(1, &[0.0; 2], &[0.0; 4], &[0.0; 1], &mut [0.0; 2]).is_err());
    assert!(stairs.grad_left(1, &[0.0; 2], &[0.0; 4], &mut [0.0; 3], true).is_err());
    assert!(stairs.grad_right(1, &[0.0; 1], &[0.0; 2], &mut [0.0; 4], true).is_err());
}
