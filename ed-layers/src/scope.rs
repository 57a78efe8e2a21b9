//! Which layer is called what: names of fields and places, looked up while a layer runs.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use ed_core::Result;
use ed_core::params::claim;
use ed_core::trace::{SiteName, full_name, nested_as};

use crate::layer::Layer;

/// Who a layer is: a number that no other layer has but its clones, and possibly a name.
///
/// A clone is the same layer at another place; under one name they share their parameters.
#[derive(Clone, Debug)]
pub struct Identity {
    number: u64,
    name: Option<SiteName>,
    default: Option<&'static str>,
}

impl Identity {
    /// A layer with parameters, called `default` if nothing else gives it a name.
    pub fn of(default: &'static str) -> Identity {
        Identity { default: Some(default), ..Identity::anonymous() }
    }

    /// A layer without parameters of its own, which has no name if nothing gives it one.
    pub fn anonymous() -> Identity {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Identity { number: NEXT.fetch_add(1, Ordering::Relaxed), name: None, default: None }
    }

    /// The same, with a name.
    pub fn named(self, name: impl Into<SiteName>) -> Identity {
        Identity { name: Some(name.into()), ..self }
    }

    /// The number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the layer may have parameters of its own.
    pub(crate) fn has_params(&self) -> bool {
        self.default.is_some()
    }

    /// The name that it was given.
    pub(crate) fn explicit_name(&self) -> Option<String> {
        self.name.as_ref().map(SiteName::to_string)
    }

    /// What it is called if nothing around it has a name for it; empty for a nameless one.
    pub(crate) fn own_name(&self) -> String {
        self.explicit_name().or(self.default.map(str::to_string)).unwrap_or_default()
    }
}

/// The children of a running layer: where each lies in memory, and its name. They are borrowed while it runs, so that
/// their places cannot change.
type Names = Vec<(usize, String)>;

thread_local! {
    static RUNNING: RefCell<Vec<Names>> = const { RefCell::new(Vec::new()) };
}

/// Where a layer lies; `None` for one without fields, which may share its place with another.
pub(crate) fn place<L: Layer + ?Sized>(layer: &L) -> Option<usize> {
    (size_of_val(layer) > 0).then_some(std::ptr::from_ref(layer).cast::<u8>().addr())
}

fn collect(layer: &dyn Layer, prefix: &str, names: &mut Names) {
    layer.children(&mut |name, child| {
        let name = match (prefix, name) {
            ("", name) | (name, "") => name.to_string(),
            (prefix, name) => format!("{prefix}/{name}"),
        };
        if child.is_list() {
            collect(child, &name, names);
        } else if let Some(place) = place(child) {
            names.push((place, name));
        }
    });
}

/// Runs `program` as a part of a layer: with the layer's name in front of all names, and its children known by theirs.
///
/// [`Layer::forward`] does this; a layer with more ways to run than one (a cell that steps) calls it for each.
///
/// # Errors
/// The program's; [`Error::Algorithm`](ed_core::Error::Algorithm) if another layer has the same name.
pub fn enter<L: Layer, T>(layer: &L, program: impl FnOnce() -> Result<T>) -> Result<T> {
    if layer.is_list() && RUNNING.with(|running| !running.borrow().is_empty()) {
        // The layer around it knows its members by their full names.
        return program();
    }
    let identity = layer.identity();
    let explicit = || identity?.explicit_name();
    let by_place = || {
        let place = place(layer)?;
        RUNNING.with(|running| {
            let running = running.borrow();
            Some(running.last()?.iter().find(|(other, _)| *other == place)?.1.clone())
        })
    };
    let by_kind = || identity?.default.map(str::to_string);
    let name = explicit().or_else(by_place).or_else(by_kind);
    let run = || {
        enter_unnamed(layer, program).map_err(|error| {
            let path = full_name(&SiteName::from(""));
            match path.as_str().trim_end_matches('/') {
                "" => error,
                path => error.in_layer(path, layer.kind()),
            }
        })
    };
    match name {
        Some(name) => nested_as(name, run),
        None => run(),
    }
}

/// Runs `program` where a layer has this full name, whatever name it was given.
///
/// # Errors
/// As [`enter`].
pub(crate) fn among<L: Layer, T>(layer: &L, path: String, program: impl FnOnce() -> Result<T>) -> Result<T> {
    let (front, own) = match path.rsplit_once('/') {
        Some((front, own)) => (Some(front.to_string()), own.to_string()),
        None => (None, path),
    };
    let run = || {
        let names = place(layer).map(|place| (place, own)).into_iter().collect();
        RUNNING.with(|running| running.borrow_mut().push(names));
        let _leave = Leave;
        program()
    };
    match front {
        Some(front) => nested_as(front, run),
        None => run(),
    }
}

/// A layer that runs, on every way out.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        RUNNING.with(|running| running.borrow_mut().pop());
    }
}

fn enter_unnamed<L: Layer, T>(layer: &L, program: impl FnOnce() -> Result<T>) -> Result<T> {
    let owner = layer.identity().filter(|identity| identity.has_params());
    let _owning = owner.map(|identity| claim(identity.number, layer.kind())).transpose()?;
    let mut names = Names::new();
    collect(layer, "", &mut names);
    RUNNING.with(|running| running.borrow_mut().push(names));
    let _leave = Leave;
    program()
}
