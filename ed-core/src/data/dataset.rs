//! Features and a target, row by row.

use super::split::{DataError, split_indices, stratified_split_indices};
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
    /// # Errors
    /// [`DataError::Index`] if there is no such row.
    pub fn row(&self, index: usize) -> Result<&[f64], DataError> {
        chunk(&self.features, self.num_features, index)
            .filter(|_| index < self.num_rows)
            .ok_or(DataError::Index { what: "row", index, len: self.num_rows })
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
        Ok((self.select(&train)?, self.select(&test)?))
    }

    /// As [`Dataset::split`], with the same share of every class on both sides; see [`stratified_split_indices`]. Rows
    /// whose targets are equal are a class.
    ///
    /// # Errors
    /// Those of [`stratified_split_indices`].
    pub fn stratified_split(&self, test_fraction: f64, seed: u64) -> Result<(Self, Self), DataError> {
        // Bits order the numbers somehow, and that is enough; both zeros are one class.
        let classes: Vec<u64> = self.target.iter().map(|x| (x + 0.0).to_bits()).collect();
        let (train, test) = stratified_split_indices(&classes, test_fraction, seed)?;
        Ok((self.select(&train)?, self.select(&test)?))
    }

    /// This set with its features scaled by the means and standard deviations of `training`'s.
    ///
    /// # Errors
    /// [`DataError::Columns`] if the sets have different features or `training` is empty; [`DataError::NotFinite`] if
    /// one of `training`'s is not finite.
    pub fn standardised(&self, training: &Self) -> Result<Self, DataError> {
        let scale = Standardiser::fit(&training.features, training.num_features)?;
        if self.num_features != training.num_features {
            return Err(DataError::Columns { expected: training.num_features, got: self.num_features });
        }
        Ok(Self { features: scale.apply(&self.features)?, ..self.clone() })
    }

    /// Some of the rows, in the order given.
    ///
    /// # Errors
    /// [`DataError::Index`] with the first row that is not there.
    pub fn select(&self, rows: &[usize]) -> Result<Self, DataError> {
        let mut features = Vec::new();
        let mut target = Vec::with_capacity(rows.len());
        for &index in rows {
            features.extend_from_slice(self.row(index)?);
            let missing = DataError::Index { what: "target", index, len: self.target.len() };
            target.push(*self.target.get(index).ok_or(missing)?);
        }
        let (num_features, feature_names) = (self.num_features, self.feature_names.clone());
        Ok(Self { features, target, num_rows: rows.len(), num_features, feature_names })
    }
}

/// Part number `index` of a slice in parts of `len`, if it is there.
pub(super) fn chunk<T>(all: &[T], len: usize, index: usize) -> Option<&[T]> {
    let start = index.checked_mul(len)?;
    all.get(start..start.checked_add(len)?)
}
