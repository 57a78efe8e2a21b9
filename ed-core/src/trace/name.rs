//! Names of random variables, as values and as items that a misspelling does not compile against.

use std::fmt;
use std::ops::Div;
use std::sync::Arc;

/// The name of a random variable: `coeffs`, `z[3]`, `encoder/weights`.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// assert_eq!(SiteName::indexed("z", &[3, 0]).to_string(), "z[3][0]");
/// assert_eq!(SiteName::from("encoder/weights"), *"encoder/weights");
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteName(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Text {
    fn as_str(&self) -> &str {
        match self {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl SiteName {
    /// A name that stands alone.
    pub const fn plain(name: &'static str) -> SiteName {
        SiteName(Text::Static(name))
    }

    /// A name inside loops: `z[0][2]`.
    pub fn indexed(name: &'static str, indices: &[usize]) -> SiteName {
        let mut text = String::from(name);
        for index in indices {
            text += &format!("[{index}]");
        }
        SiteName(Text::Shared(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name inside a scope.
    pub(crate) fn inside(&self, prefix: &str) -> SiteName {
        if prefix.is_empty() {
            return self.clone();
        }
        SiteName(Text::Shared(format!("{prefix}{}", self.as_str()).into()))
    }
}

impl From<&'static str> for SiteName {
    fn from(name: &'static str) -> SiteName {
        SiteName::plain(name)
    }
}

impl From<String> for SiteName {
    fn from(name: String) -> SiteName {
        SiteName(Text::Shared(name.into()))
    }
}

impl From<&SiteName> for SiteName {
    fn from(name: &SiteName) -> SiteName {
        name.clone()
    }
}

impl PartialEq<str> for SiteName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for SiteName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a random variable inside a loop, before the loop's index.
#[derive(Clone, Copy, Debug)]
pub struct IndexedSite(&'static str);

impl IndexedSite {
    /// The name without an index.
    pub const fn new(name: &'static str) -> IndexedSite {
        IndexedSite(name)
    }

    /// The random variable of one turn of the loop: `z[3]`.
    pub fn at(&self, index: usize) -> SiteName {
        SiteName::indexed(self.0, &[index])
    }

    /// The random variable of one turn of nested loops: `z[3][0]`.
    pub fn at_all(&self, indices: &[usize]) -> SiteName {
        SiteName::indexed(self.0, indices)
    }
}

/// The prefix that a sub-model's names get: `scope / sub_model::site`.
#[derive(Clone, Debug)]
pub struct Scope(SiteName);

impl Scope {
    /// A prefix.
    pub const fn new(name: &'static str) -> Scope {
        Scope(SiteName::plain(name))
    }
}

impl Div<SiteName> for Scope {
    type Output = SiteName;
    fn div(self, site: SiteName) -> SiteName {
        site.inside(&format!("{}/", self.0))
    }
}

impl Div<Scope> for Scope {
    type Output = Scope;
    fn div(self, inner: Scope) -> Scope {
        Scope(inner.0.inside(&format!("{}/", self.0)))
    }
}

/// The prefix of a sub-model that is called in a loop, before the loop's index.
#[derive(Clone, Copy, Debug)]
pub struct IndexedScope(&'static str);

impl IndexedScope {
    /// The prefix without an index.
    pub const fn new(name: &'static str) -> IndexedScope {
        IndexedScope(name)
    }

    /// The prefix of one turn of the loop.
    pub fn at(&self, index: usize) -> Scope {
        Scope(SiteName::indexed(self.0, &[index]))
    }

    /// The prefix of one turn of nested loops.
    pub fn at_all(&self, indices: &[usize]) -> Scope {
        Scope(SiteName::indexed(self.0, indices))
    }
}

/// The name of a plate.
#[derive(Clone, Debug)]
pub struct PlateName(SiteName);

impl PlateName {
    /// A plate's name.
    pub const fn new(name: &'static str) -> PlateName {
        PlateName(SiteName::plain(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}
