//! Reading a posterior's data and reference.

use std::path::PathBuf;

use serde_json::Value;

/// One posterior: its data and its reference moments.
pub struct Posterior {
    name: &'static str,
    json: Value,
}

/// Mean and standard deviation of one scalar over independent draws.
pub struct Moments {
    pub name: String,
    pub mean: f64,
    pub sd: f64,
    pub draws: f64,
}

impl Posterior {
    /// Reads the file of a posterior; `None`, with a sentence on the output, if no folder is named.
    pub fn read(name: &'static str) -> Option<Posterior> {
        let Some(folder) = std::env::var_os("ED_POSTERIORDB") else {
            println!("{name} is skipped: ED_POSTERIORDB names no folder with the reference posteriors");
            return None;
        };
        let path = PathBuf::from(folder).join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        Some(Posterior { name, json: serde_json::from_str(&text).unwrap() })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A number of the data.
    pub fn number(&self, name: &str) -> f64 {
        self.json["data"][name].as_f64().unwrap_or_else(|| panic!("{}: no number `{name}`", self.name))
    }

    /// A vector of the data.
    pub fn vector(&self, name: &str) -> Vec<f64> {
        self.array(name).iter().map(|x| x.as_f64().unwrap()).collect()
    }

    /// A matrix of the data, row after row.
    pub fn matrix(&self, name: &str) -> Vec<f64> {
        let rows = self.array(name).iter();
        rows.flat_map(|row| row.as_array().unwrap()).map(|x| x.as_f64().unwrap()).collect()
    }

    fn array(&self, name: &str) -> &[Value] {
        self.json["data"][name].as_array().unwrap_or_else(|| panic!("{}: no array `{name}`", self.name))
    }

    /// The reference moments of every scalar.
    pub fn reference(&self) -> Vec<Moments> {
        let scalars = self.json["reference"].as_object().unwrap().iter();
        scalars
            .map(|(name, row)| Moments {
                name: name.clone(),
                mean: row["mean"].as_f64().unwrap(),
                sd: row["sd"].as_f64().unwrap(),
                draws: row["draws"].as_f64().unwrap(),
            })
            .collect()
    }
}
