//! Columns of mean zero and standard deviation one.

use super::split::DataError;

/// Means and standard deviations of training columns, to scale any rows alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardiser {
    mean: Vec<f64>,
    sd: Vec<f64>,
}

impl Standardiser {
    /// Fits the columns of `rows` (`N × num_columns`, row after row); standard deviations with divisor `N - 1`.
    ///
    /// A column keeps its unit, a divisor of one, if it is constant, or differs from its mean by no more than numbers of
    /// its size are rounded by.
    ///
    /// # Errors
    /// [`DataError::Columns`] unless `rows` holds at least one whole row and nothing else; [`DataError::NotFinite`] if one
    /// of its numbers is not finite.
    pub fn fit(rows: &[f64], num_columns: usize) -> Result<Self, DataError> {
        if num_columns == 0 || rows.is_empty() || !rows.len().is_multiple_of(num_columns) {
            return Err(DataError::Columns { expected: num_columns, got: rows.len() });
        }
        if let Some(place) = rows.iter().position(|x| !x.is_finite()) {
            let (row, column, got) = (place / num_columns, place % num_columns, rows[place]);
            return Err(DataError::NotFinite { row, column, got });
        }
        let column = |c: usize| rows[c..].iter().step_by(num_columns).copied();
        let (mean, sd) = (0..num_columns).map(|c| moments(column(c))).unzip();
        Ok(Self { mean, sd })
    }

    /// Means of the fitted columns.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Divisors of the fitted columns.
    pub fn sd(&self) -> &[f64] {
        &self.sd
    }

    /// `(x - mean) / sd`, column by column.
    ///
    /// # Errors
    /// [`DataError::Columns`] unless `rows` are whole rows of the fitted width.
    pub fn apply(&self, rows: &[f64]) -> Result<Vec<f64>, DataError> {
        self.map(rows, |x, mean, sd| (x - mean) / sd)
    }

    /// `x · sd + mean`, column by column: the inverse of [`apply`](Self::apply).
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn invert(&self, rows: &[f64]) -> Result<Vec<f64>, DataError> {
        self.map(rows, |x, mean, sd| x * sd + mean)
    }

    fn map(&self, rows: &[f64], f: impl Fn(f64, f64, f64) -> f64) -> Result<Vec<f64>, DataError> {
        if !rows.len().is_multiple_of(self.mean.len()) {
            return Err(DataError::Columns { expected: self.mean.len(), got: rows.len() });
        }
        let columns = self.mean.iter().zip(&self.sd).cycle();
        Ok(rows.iter().zip(columns).map(|(&x, (&mean, &sd))| f(x, mean, sd)).collect())
    }
}

/// The mean of a column of finite numbers, and its divisor.
fn moments(column: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let largest = column.clone().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    if largest == 0.0 {
        return (0.0, 1.0);
    }
    // In units of the largest's power of two neither sums nor squares overflow or vanish, and the units round nothing.
    let unit = f64::from_bits(largest.max(f64::MIN_POSITIVE).to_bits() & f64::INFINITY.to_bits());
    let num_rows = column.clone().count() as f64;
    let first = column.clone().next().unwrap_or_default() / unit;
    // From the first number on: a constant column has its mean to the last digit.
    let mean = first + column.clone().map(|x| x / unit - first).sum::<f64>() / num_rows;
    let squares: f64 = column.map(|x| (x / unit - mean).powi(2)).sum();
    let sd = (squares / (num_rows - 1.0).max(1.0)).sqrt();
    let rounding = 4.0 * f64::EPSILON * (largest / unit);
    (mean * unit, if sd > rounding && sd * unit >= f64::MIN_POSITIVE { sd * unit } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_column_keeps_its_unit_whatever_its_number() -> Result<(), DataError> {
        for x in [0.998, 0.1, 1.0 / 3.0, -7e15, 1e-300, 1e300, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.0, -0.0]
        {
            for len in [1, 2, 3, 10, 1_000] {
                let scale = Standardiser::fit(&vec![x; len], 1)?;
                assert_eq!((scale.mean()[0], scale.sd()[0]), (x, 1.0), "{len} times {x}");
            }
        }
        // The same number, computed in three ways.
        let rounded: Vec<f64> = (0..300).map(|i| [0.1 + 0.2, 0.3, 0.6 - 0.3][i % 3]).collect();
        assert_eq!(Standardiser::fit(&rounded, 1)?.sd(), [1.0]);
        Ok(())
    }

    #[test]
    fn a_small_or_large_deviation_is_one_of_its_own() -> Result<(), DataError> {
        for unit in [1e-290, 1e-200, 1e-8, 1.0, 1e200, 1e290] {
            for at in [0.0, 3.0, 1e9] {
                let rows: Vec<f64> = (0..5).map(|i| unit * (f64::from(i) + at)).collect();
                let scale = Standardiser::fit(&rows, 1)?;
                // The deviation of 0 to 4 is the root of 10 / 4.
                assert!(
                    (scale.sd()[0] / unit / 2.5f64.sqrt() - 1.0).abs() < 1e-6,
                    "{unit} at {at}: {scale:?}"
                );
                assert!((scale.mean()[0] / unit - (at + 2.0)).abs() < 1e-6, "{unit} at {at}: {scale:?}");
            }
        }
        // A column of one unit in the tenth digit is data.
        assert!((Standardiser::fit(&[1.0, 1.0 + 1e-10], 1)?.sd()[0] - 1e-10 / 2f64.sqrt()).abs() < 1e-15);
        Ok(())
    }

    #[test]
    fn refuses_what_is_not_finite_with_its_place() {
        let refused = Standardiser::fit(&[1.0, 2.0, 3.0, f64::NAN], 2).unwrap_err().to_string();
        assert!(refused.contains("NaN in row 1, column 1"), "{refused}");
        assert!(Standardiser::fit(&[1.0, f64::INFINITY], 1).is_err());
    }
}
