//! The syntax of a model: the words, and where they stand.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprCall, FnArg, Ident, Item, ItemFn, Local, Pat, PathArguments, Token};

/// `#[model(args)] function`, as written.
pub struct Input {
    pub args: TokenStream,
    pub function: ItemFn,
}

impl Input {
    /// Parses the attribute's arguments and the item that it stands on, which must be a function.
    pub fn from_tokens(args: TokenStream, item: TokenStream) -> syn::Result<Self> {
        match syn::parse2(item)? {
            Item::Fn(function) => Ok(Input { args, function }),
            other => Err(not_a_function(&other)),
        }
    }
}

fn not_a_function(item: &Item) -> syn::Error {
    let message = "`#[model]` stands on a function: write `#[model] fn name(...) -> Result<...> { ... }`";
    match item {
        Item::Struct(item) => syn::Error::new(item.ident.span(), message),
        Item::Enum(item) => syn::Error::new(item.ident.span(), message),
        Item::Trait(item) => syn::Error::new(item.ident.span(), message),
        Item::Mod(item) => syn::Error::new(item.ident.span(), message),
        Item::Const(item) => syn::Error::new(item.ident.span(), message),
        Item::Static(item) => syn::Error::new(item.ident.span(), message),
        Item::Impl(item) => syn::Error::new_spanned(item.impl_token, message),
        other => syn::Error::new_spanned(other, message),
    }
}

/// A call that `#[model]` gives a name to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    Sample,
    Observe,
    Deterministic,
    Factor,
    Nested,
    Plate,
    SubsampledPlate,
}

/// What a name stands for: the type of its item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Site,
    Scope,
    Plate,
}

impl Word {
    pub const ALL: [Word; 7] = [
        Word::Sample,
        Word::Observe,
        Word::Deterministic,
        Word::Factor,
        Word::Nested,
        Word::Plate,
        Word::SubsampledPlate,
    ];

    /// The word as the user writes it, and the name of the function behind it.
    pub fn text(self) -> &'static str {
        match self {
            Word::Sample => "sample",
            Word::Observe => "observe",
            Word::Deterministic => "deterministic",
            Word::Factor => "factor",
            Word::Nested => "nested",
            Word::Plate => "plate",
            Word::SubsampledPlate => "subsampled_plate",
        }
    }

    /// What the word makes, for messages.
    pub fn makes(self) -> &'static str {
        match self {
            Word::Sample => "a random variable",
            Word::Observe => "an observation",
            Word::Deterministic => "a recorded value",
            Word::Factor => "a factor",
            Word::Nested => "a sub-model",
            Word::Plate | Word::SubsampledPlate => "a plate",
        }
    }

    /// The arguments of the word, for messages.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Word::Sample => &["distribution"],
            Word::Observe => &["distribution", "value"],
            Word::Deterministic => &["value"],
            Word::Factor => &["log_weight"],
            Word::Nested => &["model(...)"],
            Word::Plate => &["size", "|plate| { ... }"],
            Word::SubsampledPlate => &["size", "batch", "|plate| { ... }"],
        }
    }

    pub fn kind(self) -> Kind {
        match self {
            Word::Sample | Word::Observe | Word::Deterministic | Word::Factor => Kind::Site,
            Word::Nested => Kind::Scope,
            Word::Plate | Word::SubsampledPlate => Kind::Plate,
        }
    }

    pub fn from_ident(ident: &Ident) -> Option<Word> {
        Word::ALL.into_iter().find(|word| ident == word.text())
    }
}

impl Kind {
    /// What the name is, for messages.
    pub fn noun(self) -> &'static str {
        match self {
            Kind::Site => "site",
            Kind::Scope => "sub-model",
            Kind::Plate => "plate",
        }
    }
}

/// A call of a word: `sample(...)`. A path of several segments or a method is somebody else's function.
pub struct Call<'a> {
    pub word: Word,
    pub ident: &'a Ident,
    /// `::<T>`, which no word takes.
    pub turbofish: Option<&'a PathArguments>,
    pub args: &'a Punctuated<Expr, Token![,]>,
}

impl<'a> Call<'a> {
    pub fn of(call: &'a ExprCall) -> Option<Self> {
        let Expr::Path(function) = transparent(&call.func) else { return None };
        if function.qself.is_some() || function.path.leading_colon.is_some() {
            return None;
        }
        let segment = function.path.segments.first().filter(|_| function.path.segments.len() == 1)?;
        Some(Call {
            word: Word::from_ident(&segment.ident)?,
            ident: &segment.ident,
            turbofish: (!segment.arguments.is_none()).then_some(&segment.arguments),
            args: &call.args,
        })
    }
}

/// `let pattern = word(...);` or `let pattern = word(...)?;`.
pub struct Binding<'a> {
    pub pattern: &'a Pat,
    pub call: Call<'a>,
    /// The user's own `?`.
    pub question: Option<&'a Token![?]>,
}

impl<'a> Binding<'a> {
    pub fn of(local: &'a Local) -> Option<Self> {
        let init = transparent(&local.init.as_ref()?.expr);
        let (init, question) = match init {
            Expr::Try(tried) => (transparent(&tried.expr), Some(&tried.question_token)),
            init => (init, None),
        };
        let Expr::Call(call) = init else { return None };
        let pattern = match &local.pat {
            Pat::Type(typed) => &*typed.pat,
            pattern => pattern,
        };
        Some(Binding { pattern, call: Call::of(call)?, question })
    }

    /// The one name that the pattern binds, if that is all it does.
    pub fn name(&self) -> Option<&'a Ident> {
        match self.pattern {
            Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => Some(&name.ident),
            _ => None,
        }
    }
}

/// The expression inside parentheses and inside the invisible groups that `macro_rules!` leaves.
pub fn transparent(mut expr: &Expr) -> &Expr {
    loop {
        expr = match expr {
            Expr::Paren(paren) => &paren.expr,
            Expr::Group(group) => &group.expr,
            _ => return expr,
        }
    }
}

/// Whether a word is called in `block`, outside the functions that are defined there.
pub fn names_something(block: &Block) -> bool {
    struct Search {
        found: bool,
    }
    impl<'ast> Visit<'ast> for Search {
        fn visit_expr_call(&mut self, call: &'ast ExprCall) {
            self.found |= Call::of(call).is_some();
            visit::visit_expr_call(self, call);
        }
        fn visit_item(&mut self, _: &'ast Item) {}
    }
    let mut search = Search { found: false };
    search.visit_block(block);
    search.found
}

/// Whether the function is written for an `impl`: it has a receiver or names `Self`.
pub fn is_associated(function: &ItemFn) -> bool {
    fn names_self(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == "Self",
            TokenTree::Group(group) => names_self(group.stream()),
            _ => false,
        })
    }
    matches!(function.sig.inputs.first(), Some(FnArg::Receiver(_)))
        || names_self(function.sig.to_token_stream())
}
