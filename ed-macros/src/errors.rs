//! Collects every mistake of one input, so that the user sees all of them in one compilation.

use proc_macro2::Span;
use std::fmt::Display;

/// The mistakes found so far. It must be emptied with [`Errors::check`]: dropping it unread panics.
pub struct Errors {
    collected: Option<Vec<syn::Error>>,
}

impl Errors {
    pub fn new() -> Self {
        Errors { collected: Some(Vec::new()) }
    }

    /// Adds a mistake that points to `span`.
    pub fn push(&mut self, span: Span, message: impl Display) {
        self.add(syn::Error::new(span, message));
    }

    /// Adds a mistake that underlines all of `tokens`.
    pub fn push_spanned(&mut self, tokens: impl quote::ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    /// All mistakes as one error, or `Ok` if there are none.
    pub fn check(mut self) -> syn::Result<()> {
        let all = self.collected.take().into_iter().flatten();
        match all.reduce(|mut all, error| {
            all.combine(error);
            all
        }) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    fn add(&mut self, error: syn::Error) {
        self.collected.get_or_insert_default().push(error);
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if self.collected.is_some() && !std::thread::panicking() {
            panic!("the collected errors were not checked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_mistake_in_order() {
        let mut errors = Errors::new();
        errors.push(Span::call_site(), "first");
        errors.push_spanned(quote::quote!(a + b), "second");
        let messages: Vec<String> =
            errors.check().unwrap_err().into_iter().map(|error| error.to_string()).collect();
        assert_eq!(messages, ["first", "second"]);
    }

    #[test]
    fn no_mistake_is_ok() {
        assert!(Errors::new().check().is_ok());
    }

    #[test]
    #[should_panic(expected = "not checked")]
    fn panics_if_the_mistakes_are_forgotten() {
        let _forgotten = Errors::new();
    }
}
