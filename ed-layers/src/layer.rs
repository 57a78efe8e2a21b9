//! What a layer is: a function with parameters, and a place in a tree of names.

use std::fmt::Debug;

use ed_core::distributions::Distribution;
use ed_core::params::{Params, make_params};
use ed_core::tensor::{Float, Var};
use ed_core::{RandomVariable, Result};

use dfdx::shapes::Shape;

use crate::part::Part;
use crate::scope::{self, Identity};

/// A node in a tree of layers.
///
/// A layer holds no numbers. Its parameters are read by name from the [`Params`](ed_core::params::Params) in force, and
/// made, in the sizes that fit the input, the first time that it runs; its weights are random variables with names,
/// which every handler sees. The name of a layer is the one that it was given with `named`, or else its field's in the
/// struct around it (`#[derive(Layer)]`) or its place in a [`sequential!`](crate::sequential), or else its kind's:
/// `net/0/kernel`, `encoder/attention/query/kernel`, `dense/bias`.
///
/// What it does with an input is said by [`Apply`]; [`Layer::forward`] calls that under the layer's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    note = "mark a field that holds no layer with `#[layer(skip)]`"
)]
pub trait Layer: Debug {
    /// What it is called where it is described: `Dense`, `Conv2d`.
    fn kind(&self) -> &'static str;

    /// Who it is, if it may have parameters or a name of its own.
    fn identity(&self) -> Option<&Identity> {
        None
    }

    /// Its settings in a few words, for summaries.
    fn settings(&self) -> String {
        String::new()
    }

    /// Calls `visit` with the name and each of the layers that it is made of, in order.
    fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        let _ = visit;
    }

    /// Whether it only holds its children, which run without it (a list of layers): then their names are its name and
    /// theirs.
    fn is_list(&self) -> bool {
        false
    }

    /// Applies the layer, under its name.
    ///
    /// A layer that is applied twice in a run is one layer: its weights have one draw and one divergence. For several draws
    /// see [`draws`](ed_core::handlers::draws), [`predict`](ed_core::inference::predict) and
    /// [`Train::samples`](ed_core::inference::Train::samples).
    ///
    /// Parameters come from the store in force, which must have them all, unless the layer is being trained or made
    /// ([`Layer::init`]). Where there is no store, as under [`seed`](ed_core::handlers::seed) alone, they are where they
    /// start, drawn anew with the key in force.
    ///
    /// # Errors
    /// The layer's, with the path of the innermost layer where it happened: a misfit of shapes; a parameter in the store of
    /// another shape. [`Error::MissingParameters`](ed_core::Error::MissingParameters) at the end of a run whose store lacks
    /// some; [`Error::Unseeded`](ed_core::Error::Unseeded) or
    /// [`Error::UnmadeParameter`](ed_core::Error::UnmadeParameter) if something has to be drawn and no key is in force.
    fn forward<I: Input>(&self, input: I) -> Result<<Self as Apply<I::Owned>>::Output>
    where
        Self: Apply<I::Owned> + Sized,
    {
        scope::enter(self, || self.apply(input.into_owned()))
    }

    /// A layer inside of this one, for using it alone under the name that it has here: the decoder of an autoencoder that
    /// was trained as a whole.
    ///
    /// `part` is a reference to the layer where it lies, or to a clone of it if that has only one place.
    ///
    /// # Errors
    /// [`Error::Algorithm`](ed_core::Error::Algorithm), with the paths that there are, if it is nowhere or in several places.
    ///
    /// # Examples
    /// ```
    /// use ed::layers::summary;
    /// use ed::prelude::*;
    ///
    /// #[derive(Layer, Debug)]
    /// struct Auto {
    ///     enc: Dense,
    ///     dec: Dense,
    /// }
    ///
    /// impl Apply<Var<(usize, usize), f32>> for Auto {
    ///     type Output = Var<(usize, usize), f32>;
    ///     fn apply(&self, x: Var<(usize, usize), f32>) -> Result<Self::Output> {
    ///         self.dec.forward(self.enc.forward(x)?)
    ///     }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let net = Auto { enc: Dense::new(2), dec: Dense::new(5) };
    /// let mut params = Params::new();
    /// seed(0, || net.init(&mut params, Var::ones((3usize, 5usize))))?;
    /// let z: Var<_, f32> = Var::ones((3usize, 2usize));
    /// // Alone, the decoder is called `dense`; as a part, `dec`.
    /// let error = predict(&params, 1, 0, || net.dec.forward(&z)).unwrap_err().to_string();
    /// assert!(error.contains("`dense/kernel` is its `dec/kernel`"), "{error}");
    /// let decoded = predict(&params, 2, 0, || net.part(&net.dec)?.forward(&z))?;
    /// assert_eq!(decoded[0].to_vec()?, decoded[1].to_vec()?);
    /// assert!(summary(&net.part(&net.dec)?, &params).to_string().contains("dec"));
    /// # Ok(()) }
    /// ```
    fn part<'p, L: Layer>(&self, part: &'p L) -> Result<Part<'p, L>>
    where
        Self: Sized,
    {
        Part::of(self, part)
    }

    /// Applies the layer once, to make the parameters that `params` lacks in the sizes that fit the input. Inference and
    /// training do so by themselves.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    fn init<I: Input>(&self, params: &mut Params, input: I) -> Result<<Self as Apply<I::Owned>>::Output>
    where
        Self: Apply<I::Owned> + Sized,
    {
        make_params(params, || self.forward(input))
    }
}

/// What a layer does with an input of type `X`.
///
/// Implement this; call [`Layer::forward`].
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// /// Halves what passes.
/// #[derive(Clone, Debug, Layer)]
/// struct Halved {
///     inner: Dense,
/// }
///
/// impl Apply<Var<(usize, usize)>> for Halved {
///     type Output = Var<(usize, usize)>;
///     fn apply(&self, x: Var<(usize, usize)>) -> Result<Self::Output> {
///         Ok(self.inner.forward(x)? * 0.5)
///     }
/// }
///
/// let net = sequential![Dense::new(8).relu(), Halved { inner: Dense::new(3) }];
/// let x: Var<_, f32> = Var::ones((5usize, 4usize));
/// let mut params = Params::new();
/// assert_eq!(seed(0, || net.init(&mut params, &x))?.shape(), &(5, 3));
/// assert!(params.get("1/inner/kernel").is_some());
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "the layer `{Self}` does not take a `{X}`",
    note = "tensors are passed as `Var<Shape, f32>`, by value or by reference"
)]
pub trait Apply<X>: Layer {
    /// What comes out.
    type Output;

    /// The output for an input, with the layer's name already in force.
    ///
    /// # Errors
    /// See [`Layer::forward`].
    fn apply(&self, input: X) -> Result<Self::Output>;
}

/// What can be passed to a layer: a tensor or a random variable, by value or by reference, and pairs of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be passed to a layer",
    label = "a tensor or a random variable is needed here",
    note = "pass a tensor: `Var::from_vec(numbers, (rows, columns))?`, by value or by reference"
)]
pub trait Input {
    /// The type that the layer gets.
    type Owned;
    /// The input itself; tensors are shared and not copied.
    fn into_owned(self) -> Self::Owned;
}

impl<S: Shape, E: Float> Input for Var<S, E> {
    type Owned = Var<S, E>;
    fn into_owned(self) -> Var<S, E> {
        self
    }
}

impl<S: Shape, E: Float> Input for &Var<S, E> {
    type Owned = Var<S, E>;
    fn into_owned(self) -> Var<S, E> {
        self.clone()
    }
}

impl<D: Distribution> Input for RandomVariable<D> {
    type Owned = RandomVariable<D>;
    fn into_owned(self) -> RandomVariable<D> {
        self
    }
}

impl<D: Distribution> Input for &RandomVariable<D> {
    type Owned = RandomVariable<D>;
    fn into_owned(self) -> RandomVariable<D> {
        self.clone()
    }
}

impl<A: Input, B: Input> Input for (A, B) {
    type Owned = (A::Owned, B::Owned);
    fn into_owned(self) -> Self::Owned {
        (self.0.into_owned(), self.1.into_owned())
    }
}

macro_rules! lists {
    ($([$($generics:tt)*] $list:ty;)+) => {$(
        impl<$($generics)*> Layer for $list {
            fn kind(&self) -> &'static str {
                "list"
            }
            fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
                for (place, layer) in self.iter().enumerate() {
                    visit(&place.to_string(), layer);
                }
            }
            fn is_list(&self) -> bool {
                true
            }
        }
    )+};
}

lists! {
    [L: Layer] Vec<L>;
    [L: Layer, const N: usize] [L; N];
}

/// The layers of a list one after the other.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let blocks: Vec<_> = (0..3).map(|_| Residual(Dense::new(4).relu())).collect();
/// let net = sequential![Dense::new(4), blocks, Dense::new(1)];
/// let mut params = Params::new();
/// let x: Var<_, f32> = Var::ones((5usize, 2usize));
/// assert_eq!(seed(0, || net.init(&mut params, &x))?.shape(), &(5, 1));
/// assert!(params.get("1/2/inner/kernel").is_some());
/// # Ok(()) }
/// ```
impl<X, L: Apply<X, Output = X>> Apply<X> for Vec<L> {
    type Output = X;
    fn apply(&self, input: X) -> Result<X> {
        self.iter().try_fold(input, |x, layer| scope::enter(layer, || layer.apply(x)))
    }
}

impl<X, L: Apply<X, Output = X>, const N: usize> Apply<X> for [L; N] {
    type Output = X;
    fn apply(&self, input: X) -> Result<X> {
        self.iter().try_fold(input, |x, layer| scope::enter(layer, || layer.apply(x)))
    }
}

impl<L: Layer> Layer for Option<L> {
    fn kind(&self) -> &'static str {
        self.as_ref().map_or("none", Layer::kind)
    }
    fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        if let Some(layer) = self {
            visit("", layer);
        }
    }
    fn is_list(&self) -> bool {
        true
    }
}
