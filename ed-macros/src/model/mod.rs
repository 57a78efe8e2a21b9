//! `#[model]`: parse, validate, expand.

mod expand;
mod flow;
mod parse;
mod validate;

use proc_macro2::TokenStream;

/// The tokens that `#[model(args)] item` stands for. A mistake becomes a compile error together with the rest
/// of the item, so that it is not followed by errors about a missing function.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let input = match parse::Input::from_tokens(args, item.clone()) {
        Ok(input) => input,
        Err(error) => return expand::with_errors(error, item),
    };
    match validate::check(&input) {
        Ok(sites) => expand::model(input, &sites),
        Err(error) => expand::with_errors(error, expand::stub(input)),
    }
}
