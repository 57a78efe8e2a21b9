//! Parameters that a program reads and that nobody made.

use std::cell::RefCell;

use super::store::Params;
use crate::error::{Error, Result};
use crate::tensor::{AnyVar, Dims};
use crate::trace::SiteName;

/// Names that were read and are missing, with their sizes where these are known.
#[derive(Debug, Default)]
pub(super) struct Missing(Vec<(SiteName, Option<Dims>)>);

/// Who runs a program and moves none of its parameters.
struct Fixing {
    by: &'static str,
    missing: Missing,
}

thread_local! {
    static FIXING: RefCell<Option<Fixing>> = const { RefCell::new(None) };
}

impl Missing {
    pub(super) fn note(&mut self, name: &SiteName, dims: Option<Dims>) {
        if self.0.iter().all(|(other, _)| other != name) {
            self.0.push((name.clone(), dims));
        }
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.to_string()).collect()
    }

    /// The error of a store that lacks them, if there are any.
    pub(super) fn of_store(&self, store: &Params) -> Option<Error> {
        let nearest = self.0.iter().filter_map(|(name, dims)| {
            let guess = nearest(name.as_str(), *dims, store)?;
            Some((name.to_string(), guess.to_string()))
        });
        (!self.0.is_empty()).then(|| Error::MissingParameters {
            missing: self.names(),
            known: store.names().map(SiteName::to_string).collect(),
            nearest: nearest.collect(),
        })
    }
}

/// The name in the store that was probably meant: its last part is the same, or it differs by a few letters. Of several,
/// the one that has the sizes, and then the most alike.
fn nearest(name: &str, dims: Option<Dims>, store: &Params) -> Option<SiteName> {
    let last = |name: &str| name.rsplit('/').next().map(str::to_string);
    let alike = store.iter().filter_map(|(other, value)| {
        let letters = distance(name, other.as_str());
        let probable = last(name) == last(other.as_str()) || 3 * letters <= name.chars().count();
        let misfits = dims.is_some_and(|dims| dims != *value.dims());
        probable.then_some(((misfits, letters), other))
    });
    alike.min_by_key(|(key, _)| *key).map(|(_, other)| other.clone())
}

/// Letters to insert, leave out or change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// A parameter where no store is in force: its initial value.
pub(super) fn unscoped(name: &SiteName, initial: impl FnOnce() -> Result<AnyVar>) -> Result<AnyVar> {
    let initial = initial().map_err(|error| match error {
        Error::Unseeded { .. } => Error::UnmadeParameter { name: name.to_string() },
        error => error,
    });
    FIXING.with(|fixing| match &mut *fixing.borrow_mut() {
        None => initial,
        Some(Fixing { by, missing }) => {
            missing.note(name, None);
            initial.map_err(|_| Error::UnmovedParameters { by, names: missing.names() })
        }
    })
}

/// Runs a program for something that moves no parameter, by its name in a message: one that no store gives is an error.
///
/// # Errors
/// [`Error::UnmovedParameters`] with the names; the program's.
pub(crate) fn fixing_params<T>(by: &'static str, program: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Restore(Option<Fixing>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FIXING.with(|fixing| *fixing.borrow_mut() = self.0.take());
        }
    }
    let fixing = Fixing { by, missing: Missing::default() };
    let restore = Restore(FIXING.with(|outer| outer.borrow_mut().replace(fixing)));
    let output = program();
    let names = FIXING.with(|fixing| fixing.borrow().as_ref().map(|fixing| fixing.missing.names()));
    drop(restore);
    match names.filter(|names| !names.is_empty()) {
        Some(names) => Err(Error::UnmovedParameters { by, names }),
        None => output,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, letters) in [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "abc", 0), ("ab", "ba", 2)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (letters, letters), "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_name_ends_alike_and_has_the_sizes() -> Result<()> {
        let mut store = Params::new();
        store.insert("enc/kernel", Var::from([0.0f64; 2]))?;
        store.insert("decoder/kernel", Var::from([0.0f64; 3]))?;
        store.insert("enc/bias", Var::from([0.0f64; 3]))?;
        let guess = |name, dims| nearest(name, Some(Dims::vector(dims)), &store);
        assert_eq!(guess("dense/kernel", 3), Some("decoder/kernel".into()));
        assert_eq!(guess("dense/kernel", 2), Some("enc/kernel".into()));
        assert_eq!(guess("enc/biass", 3), Some("enc/bias".into()));
        assert_eq!(guess("temperature", 3), None);
        Ok(())
    }
}
