//! Fashion-MNIST: photographs of clothing, 28 × 28 pixels, read from files.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::dataset::chunk;
use super::split::DataError;
use crate::error::{Error, Result};

/// Where Debian's package `dataset-fashion-mnist` puts the files.
const PACKAGED: &str = "/usr/share/datasets/fashion-mnist";

/// Grey-scale images and their labels.
///
/// # Shapes
/// `images`: `num_rows × 784`, each image row after row from the top left, 0 (black) to 1 (white); `labels`: `num_rows`,
/// 0–9.
#[derive(Clone, Debug, PartialEq)]
pub struct FashionMnist {
    /// Intensities in `[0, 1]`, multiples of 1/255.
    pub images: Vec<f32>,
    /// Which of [`FashionMnist::CLASSES`] each image shows.
    pub labels: Vec<u8>,
    /// Number of images.
    pub num_rows: usize,
}

impl FashionMnist {
    /// Height and width of an image.
    pub const SIDE: usize = 28;
    /// Pixels of an image.
    pub const NUM_PIXELS: usize = Self::SIDE * Self::SIDE;
    /// What the labels mean.
    pub const CLASSES: [&str; 10] =
        ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"];

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

    /// The first `num_rows` images, or all if there are fewer.
    pub fn take(mut self, num_rows: usize) -> Self {
        self.num_rows = num_rows.min(self.num_rows);
        self.images.truncate(self.num_rows * Self::NUM_PIXELS);
        self.labels.truncate(self.num_rows);
        self
    }
}

/// The 60,000 training and 10,000 test images of Xiao, Rasul and Vollgraf (2017, arXiv:1708.07747; MIT licence), from a
/// folder that holds the four files of that data set, `train-images-idx3-ubyte.gz` and so on, packed or not; without a
/// folder, from where Debian's package `dataset-fashion-mnist` puts them.
///
/// # Errors
/// [`Error::Io`] with the file and what to do, if one is missing, truncated or of another kind.
pub fn fashion_mnist(folder: Option<&Path>) -> Result<(FashionMnist, FashionMnist)> {
    let folder = folder.unwrap_or(Path::new(PACKAGED));
    Ok((read(folder, "train")?, read(folder, "t10k")?))
}

/// Whether Debian's package is there.
pub fn has_fashion_mnist() -> bool {
    find(Path::new(PACKAGED), "train-images-idx3-ubyte").is_ok()
}

fn read(folder: &Path, part: &str) -> Result<FashionMnist> {
    let (path, bytes) = unpack(folder, &format!("{part}-images-idx3-ubyte"))?;
    let (sizes, pixels) = idx(&path, &bytes, 3)?;
    if sizes[1..] != [FashionMnist::SIDE, FashionMnist::SIDE] {
        return Err(malformed(
            &path,
            format!("expected images of 28 x 28 pixels, got {} x {}", sizes[1], sizes[2]),
        ));
    }
    let images = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
    let (path, bytes) = unpack(folder, &format!("{part}-labels-idx1-ubyte"))?;
    let (counts, labels) = idx(&path, &bytes, 1)?;
    if counts[0] != sizes[0] {
        return Err(malformed(
            &path,
            format!("expected a label for each of {} images, got {}", sizes[0], counts[0]),
        ));
    }
    if let Some(label) = labels.iter().find(|&&label| label > 9) {
        return Err(malformed(&path, format!("expected labels from 0 to 9, got {label}")));
    }
    Ok(FashionMnist { images, labels: labels.to_vec(), num_rows: sizes[0] })
}

fn malformed(path: &Path, why: String) -> Error {
    Error::Io { path: path.to_path_buf(), why }
}

/// The file of a name, packed or not.
fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let candidates = [folder.join(format!("{name}.gz")), folder.join(name)];
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let why = "there is no such file, packed or not; install Debian's package `dataset-fashion-mnist`, or download \
                   the four files of github.com/zalandoresearch/fashion-mnist into a folder and name it";
        Error::Io { path: folder.join(name), why: why.into() }
    })
}

fn unpack(folder: &Path, name: &str) -> Result<(PathBuf, Vec<u8>)> {
    let path = find(folder, name)?;
    let mut bytes = Vec::new();
    let outcome = File::open(&path).and_then(|file| {
        let mut file = BufReader::new(file);
        match path.extension().is_some_and(|extension| extension == "gz") {
            true => flate2::read::GzDecoder::new(file).read_to_end(&mut bytes),
            false => file.read_to_end(&mut bytes),
        }
    });
    match outcome {
        Ok(_) => Ok((path, bytes)),
        Err(why) => Err(malformed(&path, why.to_string())),
    }
}

/// Sizes and bytes of an IDX file of unsigned bytes: `0 0 8 rank`, then big-endian sizes, then the numbers.
fn idx<'b>(path: &Path, bytes: &'b [u8], rank: u8) -> Result<(Vec<usize>, &'b [u8])> {
    let header = 4 + 4 * usize::from(rank);
    if bytes.len() < header || bytes[..4] != [0, 0, 8, rank] {
        return Err(malformed(path, format!("expected an IDX file of bytes with {rank} axes")));
    }
    let sizes: Vec<usize> = bytes[4..header]
        .chunks_exact(4)
        .map(|size| size.iter().fold(0, |n, &byte| n << 8 | usize::from(byte)))
        .collect();
    let expected = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let numbers = &bytes[header..];
    if expected != Some(numbers.len()) {
        let why = format!(
            "expected {sizes:?} bytes after the header, got {}: the file is truncated or damaged",
            numbers.len()
        );
        return Err(malformed(path, why));
    }
    Ok((sizes, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ed-fashion-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (file, bytes) in files {
            std::fs::write(folder.join(file), bytes).unwrap();
        }
        folder
    }

    #[test]
    fn reads_idx_files_and_refuses_what_does_not_fit() {
        let mut images = vec![0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28];
        images.extend((0..784).map(|i| (i % 256) as u8));
        let labels = [0, 0, 8, 1, 0, 0, 0, 1, 9];
        let files = ["train", "t10k"]
            .map(|part| (format!("{part}-images-idx3-ubyte"), format!("{part}-labels-idx1-ubyte")));
        let all: Vec<(&str, &[u8])> =
            files.iter().flat_map(|(i, l)| [(i.as_str(), &images[..]), (l.as_str(), &labels[..])]).collect();
        let folder = written("whole", &all);
        let (train, test) = fashion_mnist(Some(&folder)).unwrap();
        assert_eq!(train, test);
        assert_eq!((train.num_rows, train.labels[0], train.image(0).unwrap()[255]), (1, 9, 1.0));

        assert!(train.image(1).is_err() && train.image(usize::MAX).is_err());

        std::fs::write(folder.join("t10k-images-idx3-ubyte"), &images[..100]).unwrap();
        let error = fashion_mnist(Some(&folder)).unwrap_err().to_string();
        assert!(error.contains("truncated or damaged"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
        let error = fashion_mnist(Some(&folder)).unwrap_err().to_string();
        assert!(error.contains("dataset-fashion-mnist"), "{error}");
    }
}
