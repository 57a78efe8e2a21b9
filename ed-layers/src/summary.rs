//! [`summary`]: a table of a network's layers and parameters.

use ed_core::SiteName;
use ed_core::params::Params;
use ed_core::table::{Cell, Table};
use ed_core::tensor::AnyVar;

use crate::layer::Layer;
use crate::scope::Identity;

/// A table with a row for each layer that has parameters: its path, what it is, its parameters with their shapes, and
/// how many trainable numbers it has; and their sum. A layer whose parameters are not in the store says so, and a last row
/// has what belongs to no layer: names that do not match show here. A part of a network is
/// [`net.part(&…)`](crate::Layer::part).
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
    let (mut owned, mut elsewhere) = (vec![Vec::new(); layers.len()], Vec::new());
    for (name, value) in params.iter() {
        // The innermost layer whose path the name begins with.
        let owner = (0..layers.len())
            .filter(|&place| layers[place].may_own(name))
            .max_by_key(|&place| layers[place].path.len());
        match owner {
            Some(owner) => owned[owner].push((name, value)),
            None => elsewhere.push((name, value)),
        }
    }
    let mut push = |path: &str, kind: &str, params_of: &[(&SiteName, &AnyVar)]| {
        let listed: Vec<String> = params_of
            .iter()
            .map(|(name, value)| format!("{} {}", inside(name, path).unwrap_or(name.as_str()), value.dims()))
            .collect();
        let listed = if listed.is_empty() { "none in this store".into() } else { listed.join(", ") };
        let trained = params_of.iter().filter(|(name, _)| !params.is_state(name.as_str()));
        let count: usize = trained.map(|(_, value)| value.dims().num_elements()).sum();
        let path = if path.is_empty() { "-" } else { path };
        table.push([Cell::from(path), Cell::from(kind), Cell::from(listed), Cell::from(count)]);
    };
    for (layer, params_of) in layers.iter().zip(&owned) {
        let below = |path: &str| !layer.path.is_empty() && path.starts_with(&format!("{}/", layer.path));
        let inner = layers.iter().zip(&owned).any(|(other, of)| !of.is_empty() && below(&other.path));
        if !params_of.is_empty() || (layer.has_params && !inner) {
            push(&layer.path, &layer.kind, params_of);
        }
    }
    if !elsewhere.is_empty() {
        push("", "in no layer of this network", &elsewhere);
    }
    table.push([Cell::from("all"), Cell::from(""), Cell::from(""), Cell::from(params.num_parameters())]);
    table
}

impl Row {
    /// Whether a parameter may be the layer's. A network without a name has only what has no path.
    fn may_own(&self, name: &SiteName) -> bool {
        let Some(rest) = inside(name, &self.path) else { return false };
        !self.path.is_empty() || self.has_params || !self.has_children || !rest.contains('/')
    }
}

/// What is left of a name behind a path.
fn inside<'n>(name: &'n SiteName, path: &str) -> Option<&'n str> {
    match path {
        "" => Some(name.as_str()),
        path => name.as_str().strip_prefix(path)?.strip_prefix('/'),
    }
}

/// A layer of the network.
struct Row {
    path: String,
    kind: String,
    /// Whether it may have parameters of its own.
    has_params: bool,
    /// Whether it is made of layers.
    has_children: bool,
}

fn collect(layer: &dyn Layer, path: String, layers: &mut Vec<Row>) {
    if !layer.is_list() {
        let kind = match layer.settings() {
            settings if settings.is_empty() => layer.kind().to_string(),
            settings => format!("{}({settings})", layer.kind()),
        };
        let has_params = layer.identity().is_some_and(Identity::has_params);
        let mut has_children = false;
        layer.children(&mut |_, _| has_children = true);
        layers.push(Row { path: path.clone(), kind, has_params, has_children });
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
