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
    /// A row, or an image or a square, that is not there.
    Index {
        /// What was asked for.
        what: &'static str,
        /// Its number, from 0.
        index: usize,
        /// How many there are.
        len: usize,
    },
    /// Nothing where something has to be.
    Empty {
        /// What must be at least 1.
        what: &'static str,
    },
    /// A number that is not finite.
    NotFinite {
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
        /// What it is.
        got: f64,
    },
    /// A label that too few rows have.
    RareLabel {
        /// The first row that has it.
        row: usize,
    },
    /// Groups that cannot be parted.
    Groups {
        /// How many there are.
        len: usize,
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
            Self::Index { what, index, len } => {
                write!(f, "there is no {what} {index}: there are {len}, counted from 0")
            }
            Self::Empty { what } => write!(f, "`{what}` must be at least 1, got 0"),
            Self::NotFinite { row, column, got } => write!(
                f,
                "expected finite numbers, got {got} in row {row}, column {column}, counted from 0: leave such rows out, \
                 or put a number in place of what is missing"
            ),
            Self::RareLabel { row } => write!(
                f,
                "every label needs two rows to stand on both sides of the split, and only row {row} has its label"
            ),
            Self::Groups { len } => {
                write!(f, "expected two groups at least, to stand on both sides of the split, got {len}")
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
    shuffle(&mut order, &mut { seed });
    let train = order.split_off(num_test as usize);
    Ok((train, order))
}

/// As [`split_indices`], with the same share of every label on both sides, as far as whole rows allow: each label's rows
/// are split by themselves, with one row at least on each side, and `test_fraction` of them, rounded, test.
///
/// # Errors
/// [`DataError::TestFraction`] unless the fraction is between 0 and 1; [`DataError::RareLabel`] if a label has one row
/// only; [`DataError::Empty`] if there are no rows.
///
/// ```
/// # use ed_core::data::stratified_split_indices;
/// let labels = ["a", "a", "b", "a", "a", "b", "a", "a", "b", "b"];
/// let (train, test) = stratified_split_indices(&labels, 0.5, 0)?;
/// let count = |rows: &[usize], label| rows.iter().filter(|&&row| labels[row] == label).count();
/// assert_eq!((count(&train, "a"), count(&test, "a")), (3, 3));
/// assert_eq!((count(&train, "b"), count(&test, "b")), (2, 2));
/// # Ok::<(), ed_core::data::DataError>(())
/// ```
pub fn stratified_split_indices<L: Ord>(
    labels: &[L],
    test_fraction: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    between_0_and_1(test_fraction, labels.len())?;
    let (mut train, mut test) = (Vec::new(), Vec::new());
    let mut state = seed;
    for mut rows in by_label(labels) {
        if let [row] = rows[..] {
            return Err(DataError::RareLabel { row });
        }
        shuffle(&mut rows, &mut state);
        let num_test = (test_fraction * rows.len() as f64).round() as usize;
        train.extend(rows.split_off(num_test.clamp(1, rows.len() - 1)));
        test.extend(rows);
    }
    shuffle(&mut train, &mut state);
    shuffle(&mut test, &mut state);
    Ok((train, test))
}

/// As [`split_indices`], with no group on both sides, as the images of one patient: whole groups test, drawn one after
/// the other until the test rows are as near to `test_fraction` of all rows as whole groups come.
///
/// # Errors
/// [`DataError::TestFraction`] unless the fraction is between 0 and 1; [`DataError::Groups`] if there are fewer than two
/// groups; [`DataError::Empty`] if there are no rows.
///
/// ```
/// # use ed_core::data::grouped_split_indices;
/// let patients = [7, 7, 7, 3, 3, 9, 9, 9, 1, 1];
/// let (train, test) = grouped_split_indices(&patients, 0.3, 0)?;
/// assert!(train.iter().all(|&row| test.iter().all(|&other| patients[row] != patients[other])));
/// assert_eq!(train.len() + test.len(), 10);
/// # Ok::<(), ed_core::data::DataError>(())
/// ```
pub fn grouped_split_indices<G: Ord>(
    groups: &[G],
    test_fraction: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    between_0_and_1(test_fraction, groups.len())?;
    let mut parts = by_label(groups);
    if parts.len() < 2 {
        return Err(DataError::Groups { len: parts.len() });
    }
    let mut state = seed;
    shuffle(&mut parts, &mut state);
    let goal = test_fraction * groups.len() as f64;
    let mut num_test = 0;
    let mut rows = 0.0;
    // One group at least stays on each side.
    for part in &parts[..parts.len() - 1] {
        let with = rows + part.len() as f64;
        if num_test > 0 && (with - goal).abs() > (rows - goal).abs() {
            break;
        }
        (num_test, rows) = (num_test + 1, with);
    }
    let mut train: Vec<usize> = parts.split_off(num_test).concat();
    let mut test = parts.concat();
    shuffle(&mut train, &mut state);
    shuffle(&mut test, &mut state);
    Ok((train, test))
}

fn between_0_and_1(test_fraction: f64, num_rows: usize) -> Result<(), DataError> {
    if num_rows == 0 {
        return Err(DataError::Empty { what: "num_rows" });
    }
    match test_fraction > 0.0 && test_fraction < 1.0 {
        true => Ok(()),
        false => Err(DataError::TestFraction { got: test_fraction, num_rows }),
    }
}

/// The rows of each label, labels and rows in order.
fn by_label<L: Ord>(labels: &[L]) -> Vec<Vec<usize>> {
    let mut rows: Vec<usize> = (0..labels.len()).collect();
    rows.sort_by_key(|&row| &labels[row]);
    rows.chunk_by(|&a, &b| labels[a] == labels[b]).map(<[usize]>::to_vec).collect()
}

fn shuffle<T>(items: &mut [T], state: &mut u64) {
    for last in (1..items.len()).rev() {
        // The high half of the product is uniform below last + 1 up to 2⁻⁵⁰ for any data set in memory.
        let pick = (u128::from(split_mix(state)) * (last as u128 + 1)) >> 64;
        items.swap(last, pick as usize);
    }
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
    fn a_stratified_split_keeps_the_shares_and_every_row_once() -> Result<(), DataError> {
        let labels: Vec<usize> = (0..200).map(|row| [0, 0, 0, 0, 0, 0, 0, 1, 1, 2][row % 10]).collect();
        for fraction in [0.01, 0.25, 0.5, 0.999] {
            let (train, test) = stratified_split_indices(&labels, fraction, 3)?;
            for (label, size) in [(0, 140), (1, 40), (2, 20)] {
                let tests = test.iter().filter(|&&row| labels[row] == label).count();
                let expected = (fraction * f64::from(size)).round().clamp(1.0, f64::from(size) - 1.0);
                assert_eq!(tests as f64, expected, "{label} at {fraction}");
            }
            let mut all = [train, test].concat();
            all.sort_unstable();
            assert_eq!(all, (0..200).collect::<Vec<_>>());
        }
        let rare = stratified_split_indices(&[0, 0, 5, 0], 0.5, 0).unwrap_err();
        assert!(rare.to_string().contains("only row 2"), "{rare}");
        assert!(stratified_split_indices(&[0, 0], f64::NAN, 0).is_err());
        assert!(stratified_split_indices::<u8>(&[], 0.5, 0).is_err());
        Ok(())
    }

    #[test]
    fn a_grouped_split_cuts_no_group_and_empties_no_side() -> Result<(), DataError> {
        let groups: Vec<usize> = (0..300).map(|row| row * row % 37).collect();
        for (fraction, seed) in [(1e-9, 0), (0.2, 1), (0.5, 2), (0.999_999, 3)] {
            let (train, test) = grouped_split_indices(&groups, fraction, seed)?;
            assert!(!train.is_empty() && !test.is_empty());
            assert!(train.iter().all(|&row| test.iter().all(|&other| groups[row] != groups[other])));
            let mut all = [train, test].concat();
            all.sort_unstable();
            assert_eq!(all, (0..300).collect::<Vec<_>>());
        }
        let (_, test) = grouped_split_indices(&groups, 0.3, 5)?;
        assert!((test.len() as f64 - 90.0).abs() < 30.0, "{}", test.len());
        let one = grouped_split_indices(&[1, 1, 1], 0.5, 0).unwrap_err();
        assert!(one.to_string().contains("two groups"), "{one}");
        Ok(())
    }

    #[test]
    fn refuses_a_fraction_that_empties_a_side() {
        for fraction in [0.0, 1.0, -0.5, 2.0, 0.01, f64::NAN] {
            let error = split_indices(10, fraction, 0).unwrap_err();
            assert!(error.to_string().contains("both sides"), "{error}");
        }
    }
}
