//! The paths of the `ed` crate that generated code names.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

/// `::ed::__private::name`: the functions behind the words of a model, and the names that they take.
///
/// The path is located at `span`, so that a type error in a model points to the word that the user wrote,
/// but it is resolved where this macro is defined.
pub fn private(name: &str, span: Span) -> TokenStream {
    let span = generated(span);
    let name = syn::Ident::new(name, span);
    quote_spanned!(span=> ::ed::__private::#name)
}

/// `::ed::name`: the types of the items that stand next to a model, and so in its user's documentation.
pub fn public(name: &str) -> TokenStream {
    let span = Span::mixed_site();
    let name = syn::Ident::new(name, span);
    quote_spanned!(span=> ::ed::#name)
}

/// The place of `span` with the hygiene of generated code.
pub fn generated(span: Span) -> Span {
    span.resolved_at(Span::mixed_site())
}
