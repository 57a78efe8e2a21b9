//! Hand-written digits of 8 × 8 pixels.

use super::dataset::chunk;
use super::split::{DataError, split_indices, stratified_split_indices};

static PACKED: &[u8] = include_bytes!("digits.bin");
const NUM_ROWS: usize = 1797;
/// 64 intensities of five bits.
const BYTES_PER_IMAGE: usize = 40;

/// Grey-scale digits and their labels.
///
/// # Shapes
/// `images`: `num_rows × 64`, each image row after row from the top left, 0 (paper) to 1 (ink); `labels`:
/// `num_rows`, 0–9.
#[derive(Clone, Debug, PartialEq)]
pub struct Digits {
    /// Intensities in `[0, 1]`.
    pub images: Vec<f32>,
    /// The digit each image shows.
    pub labels: Vec<u8>,
    /// Number of images.
    pub num_rows: usize,
}

/// The 1,797 digits, intensities scaled from 0–16 to 0–1.
///
/// ```
/// let digits = ed_core::data::digits();
/// assert_eq!(digits.image(0)?.len(), 64);
/// assert_eq!(digits.labels[..5], [0, 1, 2, 3, 4]);
/// # Ok::<(), ed_core::data::DataError>(())
/// ```
pub fn digits() -> Digits {
    let (images, labels) = PACKED.split_at(NUM_ROWS * BYTES_PER_IMAGE);
    let mut pixels = Vec::with_capacity(NUM_ROWS * Digits::NUM_PIXELS);
    for group in images.chunks_exact(5) {
        // Five bytes hold eight intensities.
        let bits = group.iter().fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
        pixels.extend((0..8).map(|i| (bits >> (35 - 5 * i) & 31) as f32 / 16.0));
    }
    Digits { images: pixels, labels: labels.to_vec(), num_rows: NUM_ROWS }
}

impl Digits {
    /// Height and width of an image.
    pub const SIDE: usize = 8;
    /// Pixels of an image.
    pub const NUM_PIXELS: usize = Self::SIDE * Self::SIDE;

    /// One image.
    ///
    /// # Errors
    /// [`DataError::Index`] if there is no such image.
    pub fn image(&self, index: usize) -> Result<&[f32], DataError> {
        chunk(&self.images, Self::NUM_PIXELS, index).ok_or(DataError::Index {
            what: "image",
            index,
            len: self.num_rows,
        })
    }

    /// Training and test images; see [`split_indices`].
    ///
    /// # Errors
    /// [`DataError::TestFraction`] unless both sides get an image.
    pub fn split(&self, test_fraction: f64, seed: u64) -> Result<(Self, Self), DataError> {
        let (train, test) = split_indices(self.num_rows, test_fraction, seed)?;
        Ok((self.select(&train)?, self.select(&test)?))
    }

    /// As [`Digits::split`], with the same share of every digit on both sides; see [`stratified_split_indices`].
    ///
    /// # Errors
    /// Those of [`stratified_split_indices`].
    pub fn stratified_split(&self, test_fraction: f64, seed: u64) -> Result<(Self, Self), DataError> {
        let (train, test) = stratified_split_indices(&self.labels, test_fraction, seed)?;
        Ok((self.select(&train)?, self.select(&test)?))
    }

    /// Some of the images, in the order given.
    ///
    /// # Errors
    /// [`DataError::Index`] with the first that is not there.
    pub fn select(&self, rows: &[usize]) -> Result<Self, DataError> {
        let mut images = Vec::with_capacity(rows.len() * Self::NUM_PIXELS);
        let mut labels = Vec::with_capacity(rows.len());
        for &index in rows {
            images.extend_from_slice(self.image(index)?);
            let missing = DataError::Index { what: "label", index, len: self.labels.len() };
            labels.push(*self.labels.get(index).ok_or(missing)?);
        }
        Ok(Self { images, labels, num_rows: rows.len() })
    }
}
