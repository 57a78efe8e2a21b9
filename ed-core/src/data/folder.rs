//! A table of numbers in a folder, with the test rows of each of its splits.

use std::path::Path;

use super::dataset::Dataset;
use crate::error::{Error, Result};

/// A table and its splits, from a folder as the regression benchmarks of the Bayesian deep-learning papers are published
/// (Hernández-Lobato and Adams 2015): `data.txt`, numbers separated by spaces, a row a line; `index_features.txt` and
/// `index_target.txt`, column numbers from 0; and `test_rows.txt`, the row numbers of one test set a line. All other rows
/// of a split train.
///
/// # Errors
/// [`Error::Io`] with the file, the line and what was found, if a file is missing or does not fit the others.
pub fn table_with_splits(folder: &Path) -> Result<(Dataset, Vec<Vec<usize>>)> {
    let rows: Vec<Vec<f64>> = numbers(folder, "data.txt")?;
    let wrong = |file: &str, why: String| Error::Io { path: folder.join(file), why };
    let width = rows.first().map_or(0, Vec::len);
    if width == 0 {
        return Err(wrong("data.txt", "expected a table of numbers, found nothing".into()));
    }
    if let Some(line) = rows.iter().position(|row| row.len() != width) {
        let why =
            format!("line {}: expected {width} numbers as in the first, got {}", line + 1, rows[line].len());
        return Err(wrong("data.txt", why));
    }
    let below = |file: &str, bound: usize, what: &str| -> Result<Vec<Vec<usize>>> {
        let lines: Vec<Vec<usize>> = numbers(folder, file)?;
        match lines.iter().flatten().find(|&&number| number >= bound) {
            Some(number) => Err(wrong(file, format!("expected {what} below {bound}, got {number}"))),
            None => Ok(lines),
        }
    };
    let columns: Vec<usize> =
        below("index_features.txt", width, "column numbers")?.into_iter().flatten().collect();
    let target: Vec<usize> =
        below("index_target.txt", width, "column numbers")?.into_iter().flatten().collect();
    let [target] = target[..] else {
        return Err(wrong("index_target.txt", format!("expected one column number, got {}", target.len())));
    };
    let splits = below("test_rows.txt", rows.len(), "row numbers")?;
    let splits: Vec<Vec<usize>> = splits.into_iter().filter(|split| !split.is_empty()).collect();
    let table = Dataset {
        features: rows.iter().flat_map(|row| columns.iter().map(|&column| row[column])).collect(),
        target: rows.iter().map(|row| row[target]).collect(),
        num_rows: rows.len(),
        num_features: columns.len(),
        feature_names: columns.iter().map(|column| format!("column {column}")).collect(),
    };
    Ok((table, splits))
}

/// The numbers of each line of a file; lines of white space are left out.
fn numbers<T: std::str::FromStr + Copy>(folder: &Path, file: &str) -> Result<Vec<Vec<T>>> {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path)
        .map_err(|why| Error::Io { path: path.clone(), why: why.to_string() })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(place, line)| {
            line.split_whitespace()
                .map(|word| {
                    // Whole numbers are published as 3.0 too.
                    let whole = word.strip_suffix(".0").unwrap_or(word);
                    whole.parse().or_else(|_| word.parse()).map_err(|_| Error::Io {
                        path: path.clone(),
                        why: format!("line {}: expected numbers, found `{word}`", place + 1),
                    })
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_folder_and_names_the_line_that_does_not_fit() {
        let folder = std::env::temp_dir().join(format!("ed-folder-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |file: &str, text: &str| std::fs::write(folder.join(file), text).unwrap();
        write("data.txt", "1 2.5 3\n4 5 6e0\n\n7 8 9\n");
        write("index_features.txt", "0\n2\n");
        write("index_target.txt", "1.0\n");
        write("test_rows.txt", "2 0\n1\n");
        let (table, splits) = table_with_splits(&folder).unwrap();
        assert_eq!((table.row(1), &table.target[..]), (&[4.0, 6.0][..], &[2.5, 5.0, 8.0][..]));
        assert_eq!(splits, [vec![2, 0], vec![1]]);
        write("test_rows.txt", "3\n");
        assert!(
            table_with_splits(&folder)
                .unwrap_err()
                .to_string()
                .ends_with("expected row numbers below 3, got 3")
        );
        write("data.txt", "1 2.5 3\n4 five 6\n");
        assert!(
            table_with_splits(&folder)
                .unwrap_err()
                .to_string()
                .ends_with("line 2: expected numbers, found `five`")
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
