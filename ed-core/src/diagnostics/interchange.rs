//! Draws for other programs: CmdStan's CSV, which ArviZ, posterior (R) and MCMCChains (Julia) read.

use super::error::DiagnosticsError;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Writes one CSV file a chain, `<stem>-1.csv`, `<stem>-2.csv`, …, and returns the paths; each file is written
/// whole or not at all.
///
/// `columns`: a name and its chains × draws. Element names `theta[0]`, `w[1,2]` (counted from zero) become
/// CmdStan's `theta.1`, `w.2.3`; other dots and slashes become `_`. Names that end in `__` are the
/// sampler's own: ArviZ knows `lp__`, `accept_stat__`, `stepsize__`, `treedepth__`, `n_leapfrog__`,
/// `divergent__` (0 or 1) and `energy__`. Numbers are written so that they read back exactly.
///
/// In Python: `arviz.from_cmdstan(["run-1.csv", "run-2.csv"])`.
///
/// # Errors
/// [`DiagnosticsError`] if there is no column, a column has other chains or draws than the first, a name is empty
/// or has blanks, commas or quotes, two names become one, or a file cannot be written.
pub fn write_cmdstan_csv<N: AsRef<str>, C: AsRef<[f64]>>(
    stem: impl AsRef<Path>,
    columns: &[(N, Vec<C>)],
) -> Result<Vec<PathBuf>, DiagnosticsError> {
    let (_, first) = columns.first().ok_or(DiagnosticsError::Empty { what: "columns" })?;
    let num_draws = first.first().map_or(0, |chain| chain.as_ref().len());
    if num_draws == 0 {
        return Err(DiagnosticsError::Empty { what: "draws" });
    }
    let length = |what, expected: usize, got| match got == expected {
        true => Ok(()),
        false => Err(DiagnosticsError::Length { what, expected: expected.to_string(), got }),
    };
    let mut names = Vec::with_capacity(columns.len());
    let mut seen = HashSet::new();
    for (at, (name, chains)) in columns.iter().enumerate() {
        length("chains of every column", first.len(), chains.len())?;
        for chain in chains {
            length("draws of every chain", num_draws, chain.as_ref().len())?;
        }
        let name = cmdstan_name(name.as_ref()).ok_or_else(|| DiagnosticsError::Value {
            what: "column name",
            at,
            must_be: "a name without blanks, commas outside an index, or quotes",
            got: format!("`{}`", name.as_ref()),
        })?;
        if !seen.insert(name.clone()) {
            return Err(DiagnosticsError::DuplicateName { name });
        }
        names.push(name);
    }
    (0..first.len())
        .map(|chain| {
            let path = numbered(stem.as_ref(), chain + 1);
            let values: Vec<&[f64]> = columns.iter().map(|(_, chains)| chains[chain].as_ref()).collect();
            crate::atomic_file::write(&path, csv(&names, &values, chain + 1).as_bytes())
                .map_err(|error| DiagnosticsError::Io { path: path.clone(), reason: error.to_string() })?;
            Ok(path)
        })
        .collect()
}

fn csv(names: &[String], columns: &[&[f64]], chain: usize) -> String {
    let num_draws = columns[0].len();
    let mut text = format!(
        "# method = sample\n# num_samples = {num_draws}\n# num_warmup = 0\n# save_warmup = 0\n# thin = 1\n# id = {chain}\n"
    );
    text.push_str(&names.join(","));
    text.push('\n');
    for draw in 0..num_draws {
        for (i, column) in columns.iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(text, "{separator}{:?}", column[draw]);
        }
        text.push('\n');
    }
    text
}

/// `theta[0,2]` → `theta.1.3`; `None` if the name cannot stand in a CSV header.
fn cmdstan_name(name: &str) -> Option<String> {
    let (base, indices) = match name.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((base, indices)) => (base, Some(indices)),
        None => (name, None),
    };
    if base.is_empty()
        || base.contains(|c: char| c.is_whitespace() || c.is_control() || ",\"'[]#".contains(c))
    {
        return None;
    }
    let mut out = base.replace(['.', '/'], "_");
    for index in indices.into_iter().flat_map(|list| list.split(',')) {
        let index: usize = index.trim().parse().ok()?;
        out.push_str(&format!(".{}", index.checked_add(1)?));
    }
    Some(out)
}

fn numbered(stem: &Path, chain: usize) -> PathBuf {
    let mut name = stem.file_name().unwrap_or_default().to_owned();
    name.push(format!("-{chain}.csv"));
    stem.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic_file::test_folder;
    use std::fs;

    #[test]
    fn writes_one_exact_file_a_chain() {
        let folder = test_folder("cmdstan");
        let columns = [
            ("lp__", vec![vec![-1.5, -2.0], vec![-0.1, f64::NAN]]),
            ("net.w[0,2]", vec![vec![0.1 + 0.2, 1e-300], vec![1e300, f64::NEG_INFINITY]]),
        ];
        let paths = write_cmdstan_csv(folder.join("out/run"), &columns).unwrap();
        assert_eq!(paths, [folder.join("out/run-1.csv"), folder.join("out/run-2.csv")]);
        let text = fs::read_to_string(&paths[0]).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines[0], "lp__,net_w.1.3");
        let second: f64 = lines[1].split(',').nth(1).unwrap().parse().unwrap();
        assert_eq!(second, 0.1 + 0.2, "reads back exactly");
        let text = fs::read_to_string(&paths[1]).unwrap();
        assert!(text.ends_with("-0.1,1e300\nNaN,-inf\n"), "{text}");
        fs::remove_dir_all(folder).unwrap();
    }

    /// Run by `tests/golden/check_arviz.py`, which opens the files in ArviZ and compares every number.
    #[test]
    #[ignore = "writes files for a Python script"]
    fn writes_chains_for_arviz() {
        let stem = PathBuf::from(std::env::var("ED_ARVIZ_STEM").unwrap());
        let chain = |shift: f64| (0..50).map(|i| (shift + 2.4 * f64::from(i)).sin()).collect::<Vec<f64>>();
        let column = |shift: f64| vec![chain(shift), chain(shift + 0.5)];
        let mut divergent = vec![vec![0.0; 50]; 2];
        divergent[1][7] = 1.0;
        let columns = [
            ("lp__", column(0.0)),
            ("divergent__", divergent),
            ("mu", column(1.0)),
            ("theta[0]", column(2.0)),
            ("theta[1]", column(3.0)),
            ("w[0,0]", column(4.0)),
            ("w[0,1]", column(5.0)),
        ];
        assert_eq!(write_cmdstan_csv(stem, &columns).unwrap().len(), 2);
    }

    #[test]
    fn refuses_columns_that_do_not_fit() {
        let refused = |columns: &[(&str, Vec<Vec<f64>>)]| {
            write_cmdstan_csv("/nonexistent/never-written", columns).unwrap_err().to_string()
        };
        assert!(refused(&[]).contains("at least one of columns"));
        assert!(refused(&[("a", vec![])]).contains("draws"));
        let good = ("a", vec![vec![1.0, 2.0]]);
        assert!(refused(&[good.clone(), ("b", vec![vec![1.0]])]).contains("must have 2 entries, got 1"));
        assert!(refused(&[good.clone(), ("b", vec![vec![1.0; 2]; 2])]).contains("chains of every column"));
        assert!(refused(&[good.clone(), ("b c", vec![vec![1.0; 2]])]).contains("`b c`"));
        assert!(refused(&[good.clone(), ("x[a]", vec![vec![1.0; 2]])]).contains("`x[a]`"));
        assert!(refused(&[good.clone(), good]).contains("appears twice"));
    }
}
