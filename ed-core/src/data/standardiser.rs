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
    /// A constant column keeps its unit: its divisor is one.
    ///
    /// # Errors
    /// [`DataError::Columns`] unless `rows` holds at least one whole row and nothing else.
    pub fn fit(rows: &[f64], num_columns: usize) -> Result<Self, DataError> {
        if num_columns == 0 || rows.is_empty() || !rows.len().is_multiple_of(num_columns) {
            return Err(DataError::Columns { expected: num_columns, got: rows.len() });
        }
        let num_rows = (rows.len() / num_columns) as f64;
        let column = |c: usize| rows[c..].iter().step_by(num_columns);
        let mean: Vec<f64> = (0..num_columns).map(|c| column(c).sum::<f64>() / num_rows).collect();
        let sd = |c: usize| {
            let squares: f64 = column(c).map(|x| (x - mean[c]).powi(2)).sum();
            let sd = (squares / (num_rows - 1.0).max(1.0)).sqrt();
            if sd > 0.0 { sd } else { 1.0 }
        };
        let sd = (0..num_columns).map(sd).collect();
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
