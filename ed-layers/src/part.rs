//! [`Part`]: a layer of a network, alone, under the name that it has there.

use ed_core::{Error, Result};

use crate::layer::{Apply, Layer};
use crate::scope::{self, Identity};

/// A layer of a network under the name that it has there, made by [`Layer::part`].
#[derive(Clone, Debug)]
pub struct Part<'p, L> {
    identity: Identity,
    layer: &'p L,
}

impl<'p, L: Layer> Part<'p, L> {
    /// The place of a layer in a network.
    ///
    /// # Errors
    /// See [`Layer::part`].
    pub(crate) fn of(whole: &dyn Layer, part: &'p L) -> Result<Part<'p, L>> {
        let own = |layer: &dyn Layer| layer.identity().map(Identity::own_name).unwrap_or_default();
        let mut search = Search { part, there: Vec::new(), same: Vec::new(), all: Vec::new() };
        search.visit(whole, own(whole));
        let path = match (search.there.as_slice(), search.same.as_slice()) {
            ([path, ..], _) | ([], [path]) => path.clone(),
            ([], []) => {
                let has = search.all.join(", ");
                let why = format!("it is no layer of this {}, whose layers are: {has}", whole.kind());
                return Err(Error::Algorithm { of: part.kind(), why });
            }
            ([], several) => {
                let places = several.join(", ");
                let why =
                    format!("it is in several places of the network: {places}; pass a reference to one");
                return Err(Error::Algorithm { of: part.kind(), why });
            }
        };
        let identity = part.identity().cloned().unwrap_or_else(Identity::anonymous);
        Ok(Part { identity: if path.is_empty() { identity } else { identity.named(path) }, layer: part })
    }

    /// The layer.
    pub fn layer(&self) -> &'p L {
        self.layer
    }

    /// Its name in the network: `encoder/0`.
    pub fn name(&self) -> String {
        self.identity.own_name()
    }

    /// Runs a program in which the layer has its name, for layers with more ways to run than one, such as a recurrent
    /// cell that steps.
    ///
    /// # Errors
    /// The program's.
    pub fn run<T>(&self, program: impl FnOnce(&'p L) -> Result<T>) -> Result<T> {
        scope::among(self.layer, self.name(), || program(self.layer))
    }
}

/// The paths of a layer in a tree of layers.
struct Search<'p, L> {
    part: &'p L,
    /// Where it lies itself.
    there: Vec<String>,
    /// Where it or a clone lies.
    same: Vec<String>,
    all: Vec<String>,
}

impl<L: Layer> Search<'_, L> {
    fn visit(&mut self, layer: &dyn Layer, path: String) {
        // A layer and its first field may lie in one place.
        let alike = layer.kind() == self.part.kind() && size_of_val(layer) == size_of::<L>();
        if alike && scope::place(layer).is_some_and(|place| Some(place) == scope::place(self.part)) {
            self.there.push(path.clone());
        }
        let number = |layer: &dyn Layer| layer.identity().map(Identity::number);
        if alike && number(layer).is_some() && number(layer) == number(self.part) {
            self.same.push(path.clone());
        }
        if !layer.is_list() && !path.is_empty() {
            self.all.push(format!("`{path}`"));
        }
        layer.children(&mut |name, child| {
            let name = child.identity().and_then(Identity::explicit_name).unwrap_or_else(|| name.to_string());
            let path = match (path.as_str(), name.as_str()) {
                ("", name) | (name, "") => name.to_string(),
                (path, name) => format!("{path}/{name}"),
            };
            self.visit(child, path);
        });
    }
}

impl<L: Layer> Layer for Part<'_, L> {
    fn kind(&self) -> &'static str {
        self.layer.kind()
    }
    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
    fn settings(&self) -> String {
        self.layer.settings()
    }
    fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        self.layer.children(visit);
    }
    fn is_list(&self) -> bool {
        self.layer.is_list()
    }
}

impl<X, L: Apply<X>> Apply<X> for Part<'_, L> {
    type Output = L::Output;
    fn apply(&self, input: X) -> Result<L::Output> {
        self.layer.apply(input)
    }
}
