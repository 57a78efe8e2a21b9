//! The code that a checked model stands for. Nothing here can fail.

use super::parse::{Binding, Input, Kind, is_associated, names_something};
use super::validate::Site;
use crate::paths;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use std::mem;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{
    AttrStyle, Attribute, Block, Expr, ExprBlock, Ident, Item, ItemFn, Local, Pat, Stmt, parse_quote,
    parse_quote_spanned,
};

/// The function with its words named, and the module of its names.
pub fn model(input: Input, sites: &[Site]) -> TokenStream {
    let mut function = input.function;
    let names = names(&function, sites);
    Namer { indices: Vec::new() }.visit_block_mut(&mut function.block);
    // Errors of other types than `ed`'s pass by a trait.
    let fallback = paths::private("Unlocated", Span::mixed_site());
    function.block.stmts.insert(0, parse_quote!(#[allow(unused_imports)] use #fallback as _;));
    quote!(#function #names)
}

/// `item` and the compile errors about it.
pub fn with_errors(error: syn::Error, item: TokenStream) -> TokenStream {
    let errors = error.into_compile_error();
    quote!(#errors #item)
}

/// A function of the same signature and a module without names, so that the rest of the program still finds
/// both.
pub fn stub(input: Input) -> TokenStream {
    let mut function = input.function;
    // A module cannot stand in an `impl`, where a method comes from.
    let names = (!is_associated(&function)).then(|| names(&function, &[]));
    // No body of unknown type fits every `impl Trait`.
    if returns_impl(&function) {
        return names.into_token_stream();
    }
    // The user's `?` and `sample` would be further errors; a loop has every type.
    *function.block = parse_quote!({ loop {} });
    quote!(#[allow(warnings)] #function #names)
}

fn returns_impl(function: &ItemFn) -> bool {
    struct Search {
        found: bool,
    }
    impl<'ast> Visit<'ast> for Search {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.found = true;
        }
    }
    let mut search = Search { found: false };
    search.visit_return_type(&function.sig.output);
    search.found
}

/// The module of the function's name that holds one item for each site.
fn names(function: &ItemFn, sites: &[Site]) -> TokenStream {
    let ItemFn { vis, sig, attrs, .. } = function;
    let ident = &sig.ident;
    let inherited = attrs.iter().filter(|attr| shared_with_names(attr));
    let text = ident.unraw().to_string();
    // rustdoc knows no disambiguated link to a raw identifier.
    let doc = if *ident == text {
        format!("The sites of the model [`{text}`](fn@{text}), by their names.")
    } else {
        format!("The sites of the model `{text}`, by their names.")
    };
    let items = sites.iter().map(item);
    // A model's user may need none of its names, and they keep the spelling of the variables.
    quote! {
        #(#inherited)*
        #[doc = #doc]
        #[allow(non_upper_case_globals, non_snake_case, dead_code, unreachable_pub)]
        #vis mod #ident { #(#items)* }
    }
}

/// Whether the attribute says where the function exists, which holds for its names too.
fn shared_with_names(attr: &Attribute) -> bool {
    let hidden = || attr.parse_args::<Ident>().is_ok_and(|word| word == "hidden");
    attr.path().is_ident("cfg") || (attr.path().is_ident("doc") && hidden())
}

fn item(site: &Site) -> TokenStream {
    let ident = &site.name;
    let text = ident.unraw().to_string();
    let (of_type, new) = match (site.word.kind(), site.indexed) {
        (Kind::Site, false) => ("SiteName", "plain"),
        (Kind::Site, true) => ("IndexedSite", "new"),
        (Kind::Scope, false) => ("Scope", "new"),
        (Kind::Scope, true) => ("IndexedScope", "new"),
        (Kind::Plate, _) => ("PlateName", "new"),
    };
    let of_type = paths::public(of_type);
    let new = Ident::new(new, Span::mixed_site());
    let what = match site.word.kind() {
        Kind::Site => "Site",
        Kind::Scope => "Sub-model",
        Kind::Plate => "Plate",
    };
    let doc = match site.indexed {
        false => format!("{what} `{text}`."),
        true => format!("{what} `{text}`, one for each turn of its loop: `{text}[0]`, `{text}[1]`, …"),
    };
    quote! {
        #[doc = #doc]
        pub const #ident: #of_type = #of_type::#new(#text);
    }
}

/// Names the words of a body.
struct Namer {
    /// The index variables of the loops around the place that is being visited, outermost first.
    indices: Vec<Ident>,
}

impl Namer {
    /// The call that names a word: `sample(D)` becomes `::ed::__private::sample(NAME, D)?`.
    fn call(&self, binding: &Binding<'_>, name: &Ident) -> TokenStream {
        let span = paths::generated(binding.call.ident.span());
        let function = paths::private(binding.call.word.text(), binding.call.ident.span());
        let name = self.name(name);
        let args = binding.call.args.iter();
        let args = match binding.call.word.kind() {
            Kind::Scope => quote_spanned!(span=> || #(#args)*),
            Kind::Plate => quote!(#(#args),*),
            Kind::Site => {
                let args = args.map(|arg| located(arg.clone(), &name));
                quote!(#(#args),*)
            }
        };
        let question = binding.question.map_or_else(|| quote_spanned!(span=> ?), ToTokens::to_token_stream);
        quote_spanned!(span=> #function(#name, #args)#question)
    }

    fn name(&self, name: &Ident) -> TokenStream {
        let site_name = paths::private("SiteName", Span::mixed_site());
        let text = name.unraw().to_string();
        let indices = &self.indices;
        match indices.is_empty() {
            true => quote!(#site_name::plain(#text)),
            false => quote!(#site_name::indexed(#text, &[#(#indices),*])),
        }
    }

    /// Visits the body of a loop and returns the variable that holds its index, counted from the outermost.
    fn enter(&mut self, body: &mut Block) -> Ident {
        let index = format_ident!("__ed_index_{}", self.indices.len(), span = Span::mixed_site());
        self.indices.push(index.clone());
        self.visit_block_mut(body);
        self.indices.pop();
        index
    }

    /// Counts the turns of a `while` or `loop`.
    fn count(&mut self, attrs: &mut Vec<Attribute>, body: &mut Block) -> Counter {
        let index = self.enter(body);
        let variable = format_ident!("__ed_counter_{}", self.indices.len(), span = Span::mixed_site());
        // At the start of the body, where neither `continue` nor `break` can skip it.
        body.stmts.splice(0..0, [parse_quote!(let #index = #variable;), parse_quote!(#variable += 1;)]);
        // Attributes on an expression are stable only where it is a statement, which the block still is.
        let (outer, inner) = attrs.drain(..).partition(|attr| matches!(attr.style, AttrStyle::Outer));
        *attrs = inner;
        Counter { variable, attrs: outer }
    }
}

/// An argument whose errors name the site: each `?` on the way to its value, as in `Normal::new(a, b)?.expand(n)?`.
fn located(mut arg: Expr, name: &TokenStream) -> Expr {
    match &mut arg {
        Expr::Try(tried) => {
            let span = paths::generated(tried.question_token.span());
            let wrapper = paths::private("Located", span);
            let inner = located((*tried.expr).clone(), name);
            *tried.expr = Expr::Verbatim(quote_spanned!(span=> #wrapper(#inner).__ed_at_site(|| #name)));
        }
        Expr::MethodCall(call) => *call.receiver = located((*call.receiver).clone(), name),
        Expr::Reference(reference) => *reference.expr = located((*reference.expr).clone(), name),
        Expr::Paren(paren) => *paren.expr = located((*paren.expr).clone(), name),
        _ => {}
    }
    arg
}

/// A statement that uses the variable which `local` names and does nothing.
fn usage(local: &Local) -> Option<Stmt> {
    let binding = Binding::of(local)?;
    let name = binding.name()?;
    let cfg = local.attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    let span = paths::generated(name.span());
    Some(parse_quote_spanned!(span=> #(#cfg)* let _ = &#name;))
}

/// The variable of a counted loop, and the attributes that stood on the loop.
struct Counter {
    variable: Ident,
    attrs: Vec<Attribute>,
}

impl Counter {
    /// The block that declares the variable and runs the loop.
    fn around(self, counted: &Expr) -> Expr {
        let Counter { variable, attrs } = self;
        let block = parse_quote!({ let mut #variable: usize = 0; #counted });
        Expr::Block(ExprBlock { attrs, label: None, block })
    }
}

impl VisitMut for Namer {
    fn visit_block_mut(&mut self, block: &mut Block) {
        let mut stmts = Vec::with_capacity(block.stmts.len());
        for mut stmt in mem::take(&mut block.stmts) {
            // The name is used as a site even if the variable is not. Allowing unused variables instead would
            // allow them in the whole closure of a plate.
            let usage = match &stmt {
                Stmt::Local(local) => usage(local),
                _ => None,
            };
            self.visit_stmt_mut(&mut stmt);
            stmts.push(stmt);
            stmts.extend(usage);
        }
        block.stmts = stmts;
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        visit_mut::visit_local_mut(self, local);
        let Some(binding) = Binding::of(local) else { return };
        let Some(name) = binding.name() else { return };
        let call = self.call(&binding, name);
        if let Some(init) = &mut local.init {
            *init.expr = Expr::Verbatim(call);
        }
        // A factor or plate may be a unit, and still needs its name.
        local.attrs.push(parse_quote!(#[allow(clippy::let_unit_value)]));
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::ForLoop(each) if names_something(&each.body) => {
                self.visit_expr_mut(&mut each.expr);
                let index = self.enter(&mut each.body);
                let pattern = &each.pat;
                *each.pat = Pat::Verbatim(quote!((#index, #pattern)));
                let items = &each.expr;
                let span = paths::generated(items.span());
                *each.expr = Expr::Verbatim(quote_spanned! {span=>
                    ::core::iter::Iterator::enumerate(::core::iter::IntoIterator::into_iter(#items))
                });
            }
            Expr::While(repeated) if names_something(&repeated.body) => {
                self.visit_expr_mut(&mut repeated.cond);
                let counter = self.count(&mut repeated.attrs, &mut repeated.body);
                *expr = counter.around(expr);
            }
            Expr::Loop(repeated) if names_something(&repeated.body) => {
                let counter = self.count(&mut repeated.attrs, &mut repeated.body);
                *expr = counter.around(expr);
            }
            other => visit_mut::visit_expr_mut(self, other),
        }
    }

    /// The functions inside a model are not part of it.
    fn visit_item_mut(&mut self, _: &mut Item) {}
}
