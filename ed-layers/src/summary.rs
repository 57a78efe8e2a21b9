//! [`summary`]: a table of a network's layers and parameters.

use ed_core::SiteName;
use ed_core::params::Params;
use ed_core::table::{Cell, Table};

use crate::layer::Layer;

/// A table with a row for each layer that has parameters: its path, what it is, its parameters with their shapes, and
/// how many trainable numbers it has; and their sum.
///
/// # Examples
/// ```
/// use ed::layers::summary;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let net = sequential![Dense::<Flipout>::new(16).relu(), Dense::new(3)].named("net");
/// let mut params = Params::new();
/// let x: Var<_, f32> = Var::ones((5usize, 4usize));
/// seed(0, || net.init(&mut params, &x))?;
/// let table = summary(&net, &params).to_string();
/// assert!(table.contains("Dense(16, Flipout, relu)") && table.contains("kernel/loc [4, 16]"), "{table}");
/// // 2 · 4 · 16 + 16, and 16 · 3 + 3.
/// assert!(table.contains("144") && table.contains("51") && table.contains("195"), "{table}");
/// # Ok(()) }
/// ```
pub fn summary(layer: &dyn Layer, params: &Params) -> Table {
    let mut layers = Vec::new();
    collect(layer, layer.identity().map(|identity| identity.own_name()).unwrap_or_default(), &mut layers);
    let mut table = Table::new(["layer", "kind", "parameters", "trainable"]);
    let mut owned = vec![Vec::new(); layers.len()];
    for (name, value) in params.iter() {
        // The innermost layer whose path the name begins with.
        let owner = (0..layers.len())
            .filter(|&place| inside(name, &layers[place].0).is_some())
            .max_by_key(|&place| layers[place].0.len());
        if let Some(owner) = owner {
            owned[owner].push((name, value));
        }
    }
    for ((path, kind), params_of) in layers.iter().zip(owned) {
        if params_of.is_empty() {
            continue;
        }
        let listed: Vec<String> = params_of
            .iter()
            .map(|(name, value)| format!("{} {}", inside(name, path).unwrap_or(name.as_str()), value.dims()))
            .collect();
        let trained = params_of.iter().filter(|(name, _)| !params.is_state(name.as_str()));
        let count: usize = trained.map(|(_, value)| value.dims().num_elements()).sum();
        let path = if path.is_empty() { "-" } else { path };
        table.push([
            Cell::from(path),
            Cell::from(kind.as_str()),
            Cell::from(listed.join(", ")),
            Cell::from(count),
        ]);
    }
    table.push([Cell::from("all"), Cell::from(""), Cell::from(""), Cell::from(params.num_parameters())]);
    table
}

/// What is left of a name behind a path.
fn inside<'n>(name: &'n SiteName, path: &str) -> Option<&'n str> {
    match path {
        "" => Some(name.as_str()),
        path => name.as_str().strip_prefix(path)?.strip_prefix('/'),
    }
}

fn collect(layer: &dyn Layer, path: String, layers: &mut Vec<(String, String)>) {
    if !layer.is_list() {
        let kind = match layer.settings() {
            settings if settings.is_empty() => layer.kind().to_string(),
            settings => format!("{}({settings})", layer.kind()),
        };
        layers.push((path.clone(), kind));
    }
    layer.children(&mut |name, child| {
        let name = child.identity().and_then(|identity| identity.explicit_name()).unwrap_or(name.to_string());
        let path = match (path.as_str(), name.as_str()) {
            ("", name) | (name, "") => name.to_string(),
            (path, name) => format!("{path}/{name}"),
        };
        collect(child, path, layers);
    });
}
