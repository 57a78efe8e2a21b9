//! A table of numbers in a folder, with the test rows of each of its splits.

use std::path::{Path, PathBuf};

use super::dataset::Dataset;
use crate::error::{Error, Result};

/// A table and its splits, from a folder as the regression benchmarks of the Bayesian deep-learning papers are published
/// (Hernández-Lobato and Adams 2015; the splits of Gal and Ghahramani 2016): `data.txt`, numbers separated by spaces, a
/// row a line; `index_features.txt` and `index_target.txt`, column numbers from 0; and for each split
/// `index_train_0.txt` and `index_test_0.txt`, row numbers from 0, and so on. The files may lie in a folder `data` of it,
/// and `test_rows.txt`, the test rows of one split a line, may stand in place of the files of splits; all other rows of
/// a split train.
///
/// # Errors
/// [`Error::Io`] with the file, the line and what was found, if a file is missing, has a number that is not finite, or
/// does not fit the others; if a column is a feature and the target, too; or if a row trains and tests.
pub fn table_with_splits(folder: impl AsRef<Path>) -> Result<(Dataset, Vec<Vec<usize>>)> {
    let folder = folder.as_ref();
    let inner = folder.join("data");
    let is_inside = !folder.join("data.txt").exists() && inner.join("data.txt").exists();
    let folder = if is_inside { &inner } else { folder };
    let table = table(folder)?;
    let splits = match folder.join("test_rows.txt").exists() {
        true => in_one_file(folder, table.num_rows)?,
        false => in_files(folder, table.num_rows)?,
    };
    Ok((table, splits))
}

fn wrong(path: &Path, why: String) -> Error {
    Error::Io { path: path.into(), why }
}

fn table(folder: &Path) -> Result<Dataset> {
    let path = folder.join("data.txt");
    let rows = lines(&path, finite)?;
    let width = rows.first().map_or(0, |(_, row)| row.len());
    if width == 0 {
        return Err(wrong(&path, "expected a table of numbers, found nothing".into()));
    }
    if let Some((line, row)) = rows.iter().find(|(_, row)| row.len() != width) {
        let why = format!("line {line}: expected {width} numbers as in the first, got {}", row.len());
        return Err(wrong(&path, why));
    }
    let columns = |file: &str| -> Result<(PathBuf, Vec<usize>)> {
        let path = folder.join(file);
        let columns = distinct(&path, lines(&path, whole)?, width, "column")?;
        Ok((path, columns))
    };
    let (path, features) = columns("index_features.txt")?;
    if features.is_empty() {
        return Err(wrong(&path, "expected column numbers, found none".into()));
    }
    let (path, target) = columns("index_target.txt")?;
    let [target] = target[..] else {
        return Err(wrong(&path, format!("expected one column number, got {}", target.len())));
    };
    if features.contains(&target) {
        return Err(wrong(&path, format!("column {target} is the target, and a feature too")));
    }
    Ok(Dataset {
        features: rows.iter().flat_map(|(_, row)| features.iter().map(|&column| row[column])).collect(),
        target: rows.iter().map(|(_, row)| row[target]).collect(),
        num_rows: rows.len(),
        num_features: features.len(),
        feature_names: features.iter().map(|column| format!("column {column}")).collect(),
    })
}

fn in_one_file(folder: &Path, num_rows: usize) -> Result<Vec<Vec<usize>>> {
    let path = folder.join("test_rows.txt");
    let splits = lines(&path, whole)?;
    if splits.is_empty() {
        return Err(wrong(&path, "expected a line of row numbers, found none".into()));
    }
    splits.into_iter().map(|line| test_rows(&path, vec![line], num_rows)).collect()
}

fn in_files(folder: &Path, num_rows: usize) -> Result<Vec<Vec<usize>>> {
    let mut splits = Vec::new();
    loop {
        let file = |part: &str| folder.join(format!("index_{part}_{}.txt", splits.len()));
        let (train, test) = (file("train"), file("test"));
        if !splits.is_empty() && !train.exists() && !test.exists() {
            return Ok(splits);
        }
        let rows = test_rows(&test, lines(&test, whole)?, num_rows)?;
        if train.exists() {
            let training = distinct(&train, lines(&train, whole)?, num_rows, "row")?;
            let mut tests = vec![false; num_rows];
            rows.iter().for_each(|&row| tests[row] = true);
            if let Some(row) = training.iter().find(|&&row| tests[row]) {
                return Err(wrong(&train, format!("row {row} trains, and tests too")));
            }
            if training.len() + rows.len() != num_rows {
                let why = format!(
                    "expected all of the {num_rows} rows to train or to test, got {} and {}",
                    training.len(),
                    rows.len()
                );
                return Err(wrong(&train, why));
            }
        }
        splits.push(rows);
    }
}

/// The test rows of one split, which leave some to train.
fn test_rows(path: &Path, read: Vec<(usize, Vec<usize>)>, num_rows: usize) -> Result<Vec<usize>> {
    let rows = distinct(path, read, num_rows, "row")?;
    match rows.len() {
        0 => Err(wrong(path, "expected row numbers, found none".into())),
        len if len == num_rows => Err(wrong(path, "all rows test, and none is left to train".into())),
        _ => Ok(rows),
    }
}

/// Numbers of rows or columns, each below a bound and there once.
fn distinct(path: &Path, read: Vec<(usize, Vec<usize>)>, bound: usize, what: &str) -> Result<Vec<usize>> {
    let mut seen = vec![false; bound];
    let mut numbers = Vec::new();
    for (line, number) in read.into_iter().flat_map(|(line, row)| row.into_iter().map(move |n| (line, n))) {
        match seen.get_mut(number) {
            None => {
                let why = format!("line {line}: expected {what} numbers below {bound}, got {number}");
                return Err(wrong(path, why));
            }
            Some(seen) if *seen => {
                return Err(wrong(path, format!("line {line}: {what} {number} is there twice")));
            }
            Some(seen) => *seen = true,
        }
        numbers.push(number);
    }
    Ok(numbers)
}

fn finite(word: &str) -> Option<f64> {
    word.parse().ok().filter(|x: &f64| x.is_finite())
}

/// A whole number, which may be written as 3.0 or 3e0.
fn whole(word: &str) -> Option<usize> {
    let exact = |x: f64| (x >= 0.0 && x.fract() == 0.0 && x < 9e15).then_some(x as usize);
    word.parse().ok().or_else(|| exact(finite(word)?))
}

/// The numbers of each line of a file, with the line's own, from 1; lines of white space are left out.
fn lines<T>(path: &Path, number: impl Fn(&str) -> Option<T>) -> Result<Vec<(usize, Vec<T>)>> {
    let text = std::fs::read_to_string(path).map_err(|why| wrong(path, why.to_string()))?;
    // A byte-order mark is no part of the first number.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let parse = |(line, place): (&str, usize)| -> Result<(usize, Vec<T>)> {
        let words = line.split_whitespace().zip(1..);
        let numbers = words.map(|(word, column)| {
            number(word).ok_or_else(|| {
                let why = format!("line {place}, column {column}: expected a finite number, found `{word}`");
                wrong(path, why)
            })
        });
        Ok((place, numbers.collect::<Result<_>>()?))
    };
    lines.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic_file::test_folder;

    fn written(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = test_folder(name);
        let whole = [
            ("data.txt", "1 2.5 3\n4 5 6e0\n\n7 8 9\n"),
            ("index_features.txt", "0\n2\n"),
            ("index_target.txt", "1.0\n"),
        ];
        for (file, text) in whole.iter().chain(files) {
            std::fs::write(folder.join(file), text).unwrap();
        }
        folder
    }

    fn refused(name: &str, files: &[(&str, &str)]) -> String {
        let folder = written(name, files);
        let refused = table_with_splits(&folder).unwrap_err().to_string();
        std::fs::remove_dir_all(folder).unwrap();
        refused
    }

    const SPLIT: (&str, &str) = ("test_rows.txt", "2 0\n1\n");

    #[test]
    fn reads_a_folder_with_test_rows_in_one_file() -> Result<()> {
        let folder = written("folder", &[SPLIT]);
        let (table, splits) = table_with_splits(&folder)?;
        assert_eq!((table.row(1)?, &table.target[..]), (&[4.0, 6.0][..], &[2.5, 5.0, 8.0][..]));
        assert_eq!(splits, [vec![2, 0], vec![1]]);
        std::fs::remove_dir_all(&folder).unwrap();
        Ok(())
    }

    #[test]
    fn reads_folders_as_they_are_published() -> Result<()> {
        let folder = written(
            "folder_published",
            &[
                ("index_train_0.txt", "1\n"),
                ("index_test_0.txt", "2.000000000000000000e+00\n0.000000000000000000e+00\n"),
                ("index_train_1.txt", "0\n2\n"),
                ("index_test_1.txt", "1\n"),
                ("n_splits.txt", "2\n"),
                ("data.txt", "\u{feff}1 2.5 3\r\n4 5 6e0\r\n7 8 9"),
            ],
        );
        let (table, splits) = table_with_splits(folder.to_str().unwrap())?;
        assert_eq!((table.num_rows, table.row(0)?), (3, &[1.0, 3.0][..]));
        assert_eq!(splits, [vec![2, 0], vec![1]]);
        let around = test_folder("folder_around");
        std::fs::rename(&folder, around.join("data")).unwrap();
        assert_eq!(table_with_splits(&around)?.0, table);
        std::fs::remove_dir_all(&around).unwrap();
        Ok(())
    }

    #[test]
    fn names_the_file_the_line_and_the_column_that_do_not_fit() {
        for (name, files, expected) in [
            ("a", [SPLIT, ("test_rows.txt", "3\n")], "line 1: expected row numbers below 3, got 3"),
            ("b", [SPLIT, ("test_rows.txt", "0 1 2\n")], "all rows test, and none is left to train"),
            ("n", [SPLIT, ("test_rows.txt", " \n")], "expected a line of row numbers, found none"),
            ("c", [SPLIT, ("test_rows.txt", "0 1 0\n")], "line 1: row 0 is there twice"),
            (
                "d",
                [SPLIT, ("test_rows.txt", "-1\n")],
                "line 1, column 1: expected a finite number, found `-1`",
            ),
            ("e", [SPLIT, ("data.txt", "1 2 3\n4 5\n")], "line 2: expected 3 numbers as in the first, got 2"),
            ("f", [SPLIT, ("data.txt", "")], "data.txt: expected a table of numbers, found nothing"),
            ("g", [SPLIT, ("index_target.txt", "0\n")], "column 0 is the target, and a feature too"),
            ("h", [SPLIT, ("index_target.txt", "")], "expected one column number, got 0"),
            ("i", [SPLIT, ("index_features.txt", "0 7")], "line 1: expected column numbers below 3, got 7"),
            ("j", [SPLIT, ("index_features.txt", "")], "expected column numbers, found none"),
        ] {
            let refused = refused(&format!("folder_{name}"), &files);
            assert!(refused.ends_with(expected), "{refused}");
        }
        for word in ["NaN", "nan", "inf", "-Infinity", "1e400", "NA", "?", "five", "1,5", "0x1"] {
            let data = format!("1 2.5 3\n4 {word} 6\n7 8 9\n");
            let refused = refused("folder_words", &[SPLIT, ("data.txt", data.as_str())]);
            let expected = format!("line 2, column 2: expected a finite number, found `{word}`");
            assert!(refused.ends_with(&expected), "{refused}");
        }
        let trains_and_tests =
            refused("folder_k", &[("index_train_0.txt", "0 1"), ("index_test_0.txt", "1 2")]);
        assert!(trains_and_tests.ends_with("index_train_0.txt: row 1 trains, and tests too"));
        let left_out = refused("folder_l", &[("index_train_0.txt", "0"), ("index_test_0.txt", "2")]);
        assert!(left_out.ends_with("expected all of the 3 rows to train or to test, got 1 and 1"));
        assert!(refused("folder_m", &[]).contains("index_test_0.txt"));
    }
}
