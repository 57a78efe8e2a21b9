//! Features and a target, row by row.

use super::split::{DataError, split_indices};
use super::standardiser::Standardiser;

/// A table of features with one target a row.
///
/// # Shapes
/// `features`: `num_rows × num_features`, row after row; `target`: `num_rows`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Features, row after row.
    pub features: Vec<f64>,
    /// What is to be predicted: a number, or a class counted from zero.
    pub target: Vec<f64>,
    /// Number of rows.
    pub num_rows: usize,
    /// Number of features a row.
    pub num_features: usize,
    /// Names of the features.
    pub feature_names: Vec<String>,
}

impl Dataset {
    /// The features of one row.
    ///
    /// # Panics
    /// If `index` is not below `num_rows`, as a slice does.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.features[index * self.num_features..][..self.num_features]
    }

    /// Training and test rows; see [`split_indices`].
    ///
    /// # Errors
    /// [`DataError::TestFraction`] unless both sides get a row.
    ///
    /// ```
    /// # use ed_core::data;
    /// let (train, test) = data::diabetes().split(0.25, 0)?;
    /// assert_eq!((train.num_rows, test.num_rows), (331, 111));
    /// let (train, test) = (train.standardised(&train)?, test.standardised(&train)?);
    /// assert!(train.features.iter().sum::<f64>().abs() < 1e-9);
    /// assert!(test.features.iter().sum::<f64>().abs() > 1.0, "scaled by the training rows, not its own");
    /// # Ok::<(), data::DataError>(())
    /// ```
    pub fn split(&self, test_fraction: f64, seed: u64) -> Result<(Self, Self), DataError> {
        let (train, test) = split_indices(self.num_rows, test_fraction, seed)?;
        Ok((self.select(&train), self.select(&test)))
    }

    /// This set with its features scaled by the means and standard deviations of `training`'s.
    ///
    /// # Errors
    /// [`DataError::Columns`] if the sets have different features or `training` is empty.
    pub fn standardised(&self, training: &Self) -> Result<Self, DataError> {
        let scale = Standardiser::fit(&training.features, training.num_features)?;
        if self.num_features != training.num_features {
            return Err(DataError::Columns { expected: training.num_features, got: self.num_features });
        }
        Ok(Self { features: scale.apply(&self.features)?, ..self.clone() })
    }

    /// Some of the rows, in the order given.
    ///
    /// # Panics
    /// If a row is not below `num_rows`, as a slice does.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            features: rows.iter().flat_map(|&row| self.row(row)).copied().collect(),
            target: rows.iter().map(|&row| self.target[row]).collect(),
            num_rows: rows.len(),
            num_features: self.num_features,
            feature_names: self.feature_names.clone(),
        }
    }
}
