//! Parameters in files: safetensors, which Python's library of that name reads and writes, too.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::missing::Missing;
use super::store::{Params, check_kind};
use crate::atomic_file;
use crate::error::{Error, Result};
use crate::tensor::{AnyVar, Dims, Float, MAX_RANK, Value};
use crate::trace::SiteName;

/// Names in the order in which they were made, a line each.
const ORDER: &str = "order";
/// Names of tensors that programs keep up and optimisers leave alone, a line each.
const STATE: &str = "state";
/// What the names of tensors begin with that are no parameters but belong to a training.
const TRAINING: &str = "training";

impl Params {
    /// Writes all tensors to a safetensors file, whole or not at all: until the new file is complete, the old one stays.
    /// A link is followed, the permissions of the old file are kept, and what a killed save of this file left is cleaned up.
    ///
    /// # Errors
    /// [`Error::Io`] with the path if it cannot be written.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// # let path = std::env::temp_dir().join(format!("ed-doc-{}.safetensors", std::process::id()));
    /// let mut params = Params::new();
    /// params.insert("net/0/kernel", Var::from([1.0f32, 2.0]))?;
    /// params.save(&path)?;
    /// assert_eq!(Params::load(&path)?.required("net/0/kernel")?.to_vec()?, [1.0, 2.0]);
    ///
    /// let mut other = Params::new();
    /// other.insert("net/0/kernel", Var::from([0.0f32; 3]))?;
    /// let error = other.restore(&path).unwrap_err().to_string();
    /// assert!(error.contains("`net/0/kernel`") && error.contains("[3]") && error.contains("[2]"), "{error}");
    /// # std::fs::remove_file(path).ok();
    /// # Ok(()) }
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write(path.as_ref(), self, None)
    }

    /// All parameters of a safetensors file.
    ///
    /// # Errors
    /// [`Error::Io`] with the path if it cannot be read, is no safetensors file, is truncated, or has a tensor that is
    /// neither of type `f32` nor `f64` or has more than six axes.
    pub fn load(path: impl AsRef<Path>) -> Result<Params> {
        Ok(read(path.as_ref())?.0)
    }

    /// Gives every tensor that is here its value from a safetensors file. Make the parameters first, by a run of the
    /// program. [`Params::take_from`] takes a part.
    ///
    /// # Errors
    /// As [`Params::load`]; [`Error::MissingParameters`] with the names that the file lacks, those that it has and the
    /// nearest of these;
    /// [`Error::Shape`] or [`Error::Precision`] with the name, if one differs in kind; [`Error::Io`] with the names of
    /// those that only the file has. Nothing changes then.
    pub fn restore(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let stored = Params::load(path)?;
        let mut missing = Missing::default();
        for (name, value) in self.iter().filter(|(name, _)| stored.get(name.as_str()).is_none()) {
            missing.note(name, Some(*value.dims()));
        }
        if let Some(error) = missing.of_store(&stored) {
            return Err(error);
        }
        for (name, value) in self.iter() {
            check_kind(value, stored.required(name.as_str())?).map_err(|error| error.at_site(name))?;
        }
        let extra: Vec<&str> =
            stored.names().map(SiteName::as_str).filter(|name| self.get(name).is_none()).collect();
        if !extra.is_empty() {
            let why = format!(
                "it has tensors that the program does not have: {}; take what fits with `params.take_from(…)`",
                extra.join(", ")
            );
            return Err(Error::Io { path: path.into(), why });
        }
        for (name, value) in stored.iter() {
            self.set(name.clone(), value.clone())?;
        }
        Ok(())
    }
}

/// Writes parameters to a file, and beside them the tensors of a training.
pub(crate) fn write(path: &Path, params: &Params, training: Option<&Params>) -> Result<()> {
    let refused = |why: String| Error::Io { path: path.into(), why };
    let mut prefix = "training/".to_string();
    while params.names().any(|name| name.as_str().starts_with(&prefix)) {
        prefix.insert(0, '_');
    }
    let of_training =
        training.into_iter().flat_map(Params::iter).map(|(name, value)| (format!("{prefix}{name}"), value));
    let all = params.iter().map(|(name, value)| (to_key(name.as_str()), value)).chain(of_training);
    let bytes: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = all
        .map(|(key, value)| {
            let (dtype, bytes) = match value {
                AnyVar::F32(value) => (Dtype::F32, to_bytes(value, |x| x.to_le_bytes())?),
                AnyVar::F64(value) => (Dtype::F64, to_bytes(value, |x| x.to_le_bytes())?),
            };
            Ok((key, dtype, value.dims().to_vec(), bytes))
        })
        .collect::<Result<_>>()?;
    let views = bytes
        .iter()
        .map(|(key, dtype, dims, bytes)| {
            let view =
                TensorView::new(*dtype, dims.clone(), bytes).map_err(|why| refused(why.to_string()))?;
            Ok((key.as_str(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    let names = || params.names().map(SiteName::as_str);
    let mut metadata = HashMap::from([
        ("format".to_string(), "ed".to_string()),
        (ORDER.into(), to_lines(names())),
        (STATE.into(), to_lines(names().filter(|name| params.is_state(name)))),
    ]);
    if training.is_some() {
        metadata.insert(TRAINING.into(), prefix);
    }
    let file = serialize(views, Some(metadata)).map_err(|why| refused(why.to_string()))?;
    atomic_file::write(path, &file).map_err(|why| refused(why.to_string()))
}

/// The parameters of a file, and the tensors of the training that it holds, if it does.
pub(crate) fn read(path: &Path) -> Result<(Params, Option<Params>)> {
    let refused = |why: String| Error::Io { path: path.into(), why };
    let file = std::fs::read(path).map_err(|why| refused(why.to_string()))?;
    let damaged = |why: safetensors::SafeTensorError| {
        refused(format!("this is no safetensors file, or a damaged one ({why})"))
    };
    let (_, header) = SafeTensors::read_metadata(&file).map_err(damaged)?;
    let tensors = SafeTensors::deserialize(&file).map_err(damaged)?;
    let text = |key: &str| header.metadata().as_ref().and_then(|metadata| metadata.get(key));
    let names = |key: &str| text(key).map(|text| from_lines(text)).unwrap_or_default();
    let place: HashMap<String, usize> = names(ORDER).into_iter().zip(0..).collect();
    let state: HashSet<String> = names(STATE).into_iter().collect();
    let prefix = text(TRAINING);
    let mut params = Params::new();
    let mut training = prefix.map(|_| Params::new());
    let mut keys = tensors.names();
    keys.sort_by_cached_key(|key| (place.get(from_key(key)).copied().unwrap_or(usize::MAX), key.to_string()));
    for key in keys {
        let view = tensors.tensor(key).map_err(damaged)?;
        if view.shape().len() > MAX_RANK {
            return Err(refused(format!(
                "the tensor `{key}` has {} axes, and at most {MAX_RANK} fit",
                view.shape().len()
            )));
        }
        let dims: Dims = view.shape().iter().copied().collect();
        let value = match view.dtype() {
            Dtype::F32 => AnyVar::F32(from_bytes(view.data(), dims, f32::from_le_bytes)?),
            Dtype::F64 => AnyVar::F64(from_bytes(view.data(), dims, f64::from_le_bytes)?),
            other => {
                return Err(refused(format!("the tensor `{key}` is of type {other:?}; expected F32 or F64")));
            }
        };
        let name = from_key(key).to_string();
        match (prefix.and_then(|prefix| key.strip_prefix(prefix.as_str())), &mut training) {
            (Some(name), Some(training)) => training.insert(name.to_string(), value)?,
            _ if state.contains(&name) => params.insert_state(name, value)?,
            _ => params.insert(name, value)?,
        }
    }
    Ok((params, training))
}

/// The one key of a safetensors header that is no tensor.
const METADATA: &str = "__metadata__";

/// A name as a key of the file: itself, but for the one that the format takes and those that are made from it.
fn to_key(name: &str) -> String {
    match name.strip_prefix(METADATA) {
        Some(rest) if rest.bytes().all(|byte| byte == b'_') => format!("{name}_"),
        _ => name.into(),
    }
}

fn from_key(key: &str) -> &str {
    match key.strip_prefix(METADATA) {
        Some(rest) if !rest.is_empty() && rest.bytes().all(|byte| byte == b'_') => &key[..key.len() - 1],
        _ => key,
    }
}

/// Names, a line each, in which line breaks and backslashes are escaped.
fn to_lines<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let escaped = |name: &str| name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    names.map(|name| escaped(name) + "\n").collect()
}

fn from_lines(text: &str) -> Vec<String> {
    let plain = |line: &str| {
        let mut name = String::new();
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            name.push(match character {
                '\\' => match characters.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some(other) => other,
                    None => '\\',
                },
                other => other,
            });
        }
        name
    };
    text.lines().map(plain).collect()
}

fn to_bytes<E: Float, const N: usize>(value: &Value<E>, bytes: impl Fn(E) -> [u8; N]) -> Result<Vec<u8>> {
    Ok(value.detach().as_slice()?.iter().flat_map(|&x| bytes(x)).collect())
}

fn from_bytes<E: Float, const N: usize>(
    bytes: &[u8],
    dims: Dims,
    number: impl Fn([u8; N]) -> E,
) -> Result<Value<E>> {
    Value::from_vec(bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect(), dims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::Var;

    fn folder(name: &str) -> std::path::PathBuf {
        atomic_file::test_folder(name)
    }

    #[test]
    fn keeps_order_precision_bits_and_state() -> Result<()> {
        let path = folder("checkpoint").join("a.safetensors");
        let mut params = Params::new();
        params.insert("z", Var::from([f64::MIN_POSITIVE, -0.0, f64::NAN]))?;
        params.insert("a/kernel", Var::from_vec(vec![1.5f32; 6], (2usize, 3usize))?)?;
        params.insert_state("a/moving_mean", Var::<(), f32>::scalar(7.0))?;
        params.save(&path)?;
        let loaded = Params::load(&path)?;
        assert_eq!(
            loaded.names().map(SiteName::as_str).collect::<Vec<_>>(),
            ["z", "a/kernel", "a/moving_mean"]
        );
        assert_eq!(loaded.num_parameters(), 9);
        assert!(loaded.is_state("a/moving_mean"));
        let z = loaded.required("z")?.to_vec()?;
        assert_eq!((z[0], z[1].is_sign_negative(), z[2].is_nan()), (f64::MIN_POSITIVE, true, true));
        let mut again = params.clone();
        again.set("a/kernel", Var::from_vec(vec![0.0f32; 6], (2usize, 3usize))?)?;
        again.restore(&path)?;
        assert_eq!(again.required("a/kernel")?.to_vec()?, [1.5; 6]);
        Ok(())
    }

    #[test]
    fn any_string_is_a_name() -> Result<()> {
        let path = folder("checkpoint_names").join("a.safetensors");
        let names = [
            "z",
            "two\nlines",
            "two\\nlines",
            "a\r",
            "a\r\nb",
            "",
            "\n",
            "\\",
            "\"quoted\"",
            "\0",
            "__metadata__",
            "__metadata___",
            "training/history",
            "_training/x",
            "order",
            "ü 重み 🎲",
            "a",
        ];
        let mut params = Params::new();
        for (i, name) in names.into_iter().enumerate() {
            match i % 2 {
                0 => params.insert(name, Var::<(), f64>::scalar(i as f64))?,
                _ => params.insert_state(name, Var::<(), f64>::scalar(i as f64))?,
            }
        }
        let mut training = Params::new();
        training.insert("history", Var::from([0.5f64]))?;
        write(&path, &params, Some(&training))?;
        let (loaded, resumed) = read(&path)?;
        let in_order: Vec<&str> = loaded.names().map(SiteName::as_str).collect();
        assert_eq!(in_order, names);
        for (i, name) in names.into_iter().enumerate() {
            assert_eq!(
                (loaded.required(name)?.item()?, loaded.is_state(name)),
                (i as f64, i % 2 == 1),
                "{name:?}"
            );
        }
        let resumed = resumed.unwrap_or_default();
        assert_eq!((resumed.len(), resumed.required("history")?.item()?), (1, 0.5));
        params.save(&path)?;
        assert!(read(&path)?.1.is_none(), "parameters alone");
        Ok(())
    }

    #[test]
    fn says_what_is_missing_left_over_or_damaged() -> Result<()> {
        let path = folder("checkpoint_refusals").join("a.safetensors");
        let mut params = Params::new();
        params.insert("kernel", Var::from([1.0f32, 2.0]))?;
        params.save(&path)?;
        let mut more = params.clone();
        more.insert("bias", Var::from([1.0f32]))?;
        let missing = more.restore(&path).unwrap_err().to_string();
        assert!(missing.contains("`bias`") && missing.contains("`kernel`"), "{missing}");
        let left_over = Params::new().restore(&path).unwrap_err().to_string();
        assert!(left_over.contains("kernel"), "{left_over}");
        let bytes = std::fs::read(&path).unwrap_or_default();
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length])
                .map_err(|why| Error::Io { path: path.clone(), why: why.to_string() })?;
            let damaged = Params::load(&path).unwrap_err().to_string();
            assert!(damaged.contains("damaged"), "{length} bytes: {damaged}");
        }
        assert!(Params::load(path.with_extension("none")).is_err());
        Ok(())
    }
}
