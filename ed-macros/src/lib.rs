//! The macros of `ed`: [`macro@model`], which names the random variables of a function, and [`macro@Layer`], which names
//! the layers of a struct.
//!
//! The macro parses the function (`model/parse.rs`), checks every rule and reports all violations together
//! (`model/validate.rs`), and writes the function that names its sites (`model/expand.rs`).

// The examples use the whole of `ed`, and so they run as tests of the facade.

mod errors;
mod layer;
mod model;
mod paths;

use proc_macro::TokenStream;

/// Names the random variables of a model after their `let` bindings.
///
/// A model is an ordinary function that returns a `Result`. Inside it these words are calls whose name is the
/// variable that they are bound to, and whose error leaves the function, so that no `?` is needed:
///
/// | word | what it makes | item in the module of names |
/// |---|---|---|
/// | `sample(distribution)` | a random variable, drawn or taken from the tracers | `SiteName` |
/// | `observe(distribution, value)` | a random variable whose value is known | `SiteName` |
/// | `deterministic(value)` | a value that the trace records | `SiteName` |
/// | `factor(log_weight)` | a term of the log-density, in nats | `SiteName` |
/// | `nested(model(...))` | a sub-model; its sites get the prefix `name/` | `Scope` |
/// | `plate(size, \|plate\| { ... })` | independent sites, which keep their own names | `PlateName` |
/// | `subsampled_plate(size, batch, \|plate\| { ... })` | the same on a random batch of the plate | `PlateName` |
///
#[cfg_attr(not(doctest), doc = include_str!("model.md"))]
///
/// # Names
///
/// Beside the function stands a module of the same name and visibility with one constant for each name:
/// `eight_schools::mu`, `eight_schools::tau`, … `use path::eight_schools;` imports both.
///
/// - In documentation a link to the function reads `` [`eight_schools()`] ``, since the bare name is ambiguous.
/// - Name the constants by their path and do not import them: a constant `mu` in scope makes `let mu = ...`
///   a pattern.
/// - Two modules of one name cannot meet: in `mod radon;`, whose file has the model `radon`, give one of them
///   another name, or call the model `radon::radon`.
/// - A word must be all of the right-hand side of a `let` with one name: `let mu = sample(...);`. A type,
///   `mut` and an own `?` may be added. A raw identifier `r#type` is the name `type`.
/// - A name is given once on each path through the function. The branches of an `if` or `match` may share
///   a name, and so share its constant.
/// - In a `for`, `while` or `loop` a name stands for one site in each turn: `z[0]`, `z[1]`, …, and `z[0][2]`
///   in nested loops. Its constant is an `IndexedSite` (for `nested`, an `IndexedScope`), whose `at(i)` is the
///   site of turn `i`. Turns are counted from zero, whatever the loop runs over, and `continue` counts.
/// - The closure of a `plate` is part of the model. Other closures, `async` blocks and the arguments of macros
///   cannot contain a word; functions defined in the model are left alone.
/// - A word is a bare call: `dist.sample(key)` and `rng::sample(key)` mean what they always mean. A function
///   or closure that is itself called `sample` must be called by a path or under another name.
///
/// # Signature
///
/// Any free function that is neither `async` nor `const`: generics, lifetimes, bounds, visibility,
/// documentation and other attributes stay as they are; `#[cfg]` and `#[doc(hidden)]` hold for the names too.
#[proc_macro_attribute]
pub fn model(args: TokenStream, item: TokenStream) -> TokenStream {
    model::attribute(args.into(), item.into()).into()
}

/// Makes a layer of a struct of layers: each field is a child by its name.
///
/// A parameter of the field `readout` is then called `readout/kernel`, a list's `blocks/0/kernel`. A field that holds no
/// layer is marked `#[layer(skip)]`. An enum has the layers of its variant. What the layer does with an input is said
/// by `impl Apply<…>`. `Debug` has to be derived, too.
///
#[cfg_attr(not(doctest), doc = include_str!("derive_layer.md"))]
#[proc_macro_derive(Layer, attributes(layer))]
pub fn derive_layer(item: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(item as syn::DeriveInput);
    layer::derive(input).unwrap_or_else(syn::Error::into_compile_error).into()
}
