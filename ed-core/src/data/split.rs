//! Which rows train and which test: the same for a seed, on every machine and in every version.

use std::fmt;

/// Why data cannot be split or scaled.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum DataError {
    /// The fraction leaves one side without rows.
    TestFraction {
        /// The fraction asked for.
        got: f64,
        /// The number of rows there are.
        num_rows: usize,
    },
    /// Two sets whose columns differ in number.
    Columns {
        /// Columns of the fitted set.
        expected: usize,
        /// Columns found.
        got: usize,
    },
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TestFraction { got, num_rows } => write!(
                f,
                "test_fraction must leave rows on both sides of the split, got {got} of {num_rows} rows"
            ),
            Self::Columns { expected, got } => {
                write!(f, "expected rows of {expected} columns as in the training rows, got {got} values")
            }
        }
    }
}

impl std::error::Error for DataError {}

/// Row numbers `(train, test)` of a random split; `round(test_fraction · num_rows)` rows test.
///
/// Fisher & Yates' shuffle with SplitMix64 (Steele, Lea & Flood, 2014) started at `seed`; written out here and
/// not taken from a crate, because the split must outlive versions.
///
/// # Errors
/// [`DataError::TestFraction`] unless both sides get a row.
///
/// ```
/// # use ed_core::data::split_indices;
/// let (train, test) = split_indices(10, 0.2, 1)?;
/// assert_eq!((train.len(), test.len()), (8, 2));
/// assert_eq!(split_indices(10, 0.2, 1)?.1, test);
/// # Ok::<(), ed_core::data::DataError>(())
/// ```
pub fn split_indices(
    num_rows: usize,
    test_fraction: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    let num_test = (test_fraction * num_rows as f64).round();
    if !(num_test >= 1.0 && num_test < num_rows as f64) {
        return Err(DataError::TestFraction { got: test_fraction, num_rows });
    }
    let mut order: Vec<usize> = (0..num_rows).collect();
    let mut state = seed;
    for last in (1..num_rows).rev() {
        // The high half of the product is uniform below last + 1 up to 2⁻⁵⁰ for any data set in memory.
        let pick = (u128::from(split_mix(&mut state)) * (last as u128 + 1)) >> 64;
        order.swap(last, pick as usize);
    }
    let train = order.split_off(num_test as usize);
    Ok((train, order))
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_gives_the_published_stream() {
        // First outputs for seed 1234567 of the reference C program (Vigna, splitmix64.c), as on Rosetta Code.
        let mut state = 1_234_567;
        let stream: Vec<u64> = (0..5).map(|_| split_mix(&mut state)).collect();
        assert_eq!(
            stream,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn every_row_is_on_one_side() {
        let (mut train, test) = split_indices(101, 0.25, 9).unwrap();
        assert_eq!(test.len(), 25);
        train.extend(&test);
        train.sort_unstable();
        assert_eq!(train, (0..101).collect::<Vec<_>>());
        assert_ne!(split_indices(101, 0.25, 10).unwrap().1, test, "another seed, another split");
    }

    #[test]
    fn refuses_a_fraction_that_empties_a_side() {
        for fraction in [0.0, 1.0, -0.5, 2.0, 0.01, f64::NAN] {
            let error = split_indices(10, fraction, 0).unwrap_err();
            assert!(error.to_string().contains("both sides"), "{error}");
        }
    }
}
