//! The stand-in for the crate `ed`: the paths that generated code names.

pub type Result<T> = std::result::Result<T, String>;

#[derive(Debug, PartialEq)]
pub struct SiteName(pub &'static str);
#[derive(Debug, PartialEq)]
pub struct IndexedSite(pub &'static str);
#[derive(Debug, PartialEq)]
pub struct Scope(pub &'static str);
#[derive(Debug, PartialEq)]
pub struct IndexedScope(pub &'static str);
#[derive(Debug, PartialEq)]
pub struct PlateName(pub &'static str);

impl SiteName {
    pub const fn plain(name: &'static str) -> Self {
        SiteName(name)
    }
}
impl IndexedSite {
    pub const fn new(name: &'static str) -> Self {
        IndexedSite(name)
    }
}
impl Scope {
    pub const fn new(name: &'static str) -> Self {
        Scope(name)
    }
}
impl IndexedScope {
    pub const fn new(name: &'static str) -> Self {
        IndexedScope(name)
    }
}
impl PlateName {
    pub const fn new(name: &'static str) -> Self {
        PlateName(name)
    }
}

pub mod __private {
    use super::Result;
    use std::cell::RefCell;

    /// An error among the arguments of a word gets the name in front.
    pub struct Located<R>(pub R);

    impl<T> Located<Result<T>> {
        pub fn __ed_at_site(self, name: impl FnOnce() -> SiteName) -> Result<T> {
            self.0.map_err(|error| format!("at {}: {error}", name().0))
        }
    }

    pub trait Unlocated {
        type Inner;
        fn __ed_at_site(self, name: impl FnOnce() -> SiteName) -> Self::Inner;
    }

    impl<R> Unlocated for Located<R> {
        type Inner = R;
        fn __ed_at_site(self, _: impl FnOnce() -> SiteName) -> R {
            self.0
        }
    }

    pub struct SiteName(String);

    impl SiteName {
        pub fn plain(name: &'static str) -> Self {
            SiteName(name.to_owned())
        }
        pub fn indexed(name: &'static str, indices: &[usize]) -> Self {
            let indices: String = indices.iter().map(|index| format!("[{index}]")).collect();
            SiteName(format!("{name}{indices}"))
        }
    }

    thread_local! {
        static NAMES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
        static PREFIX: RefCell<String> = const { RefCell::new(String::new()) };
    }

    fn record(word: &str, SiteName(name): &SiteName) {
        let prefix = PREFIX.with_borrow(String::clone);
        NAMES.with_borrow_mut(|names| names.push(format!("{word} {prefix}{name}")));
    }

    /// What `run` recorded, in order.
    pub fn names_of<T>(run: impl FnOnce() -> Result<T>) -> (Result<T>, Vec<String>) {
        let value = run();
        (value, NAMES.with_borrow_mut(std::mem::take))
    }

    /// A negative "distribution" has no value.
    pub fn sample(name: SiteName, loc: f64) -> Result<f64> {
        record("sample", &name);
        if loc < 0.0 { Err(format!("{}: negative", name.0)) } else { Ok(loc) }
    }
    pub fn observe<V: Copy>(name: SiteName, _: f64, value: &V) -> Result<V> {
        record("observe", &name);
        Ok(*value)
    }
    pub fn deterministic<V>(name: SiteName, value: V) -> Result<V> {
        record("deterministic", &name);
        Ok(value)
    }
    pub fn factor(name: SiteName, _: f64) -> Result<()> {
        record("factor", &name);
        Ok(())
    }
    pub fn nested<T>(name: SiteName, model: impl FnOnce() -> Result<T>) -> Result<T> {
        let outer = PREFIX.with_borrow(String::clone);
        PREFIX.with_borrow_mut(|prefix| *prefix += &format!("{}/", name.0));
        let value = model();
        PREFIX.set(outer);
        value
    }
    pub fn plate<T>(name: SiteName, size: usize, body: impl FnOnce(usize) -> Result<T>) -> Result<T> {
        record("plate", &name);
        body(size)
    }
    pub fn subsampled_plate<T>(
        name: SiteName,
        _: usize,
        batch: usize,
        body: impl FnOnce(usize) -> Result<T>,
    ) -> Result<T> {
        record("subsampled_plate", &name);
        body(batch)
    }
}
