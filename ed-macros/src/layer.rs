//! `#[derive(Layer)]`: the names of the layers that a struct is made of.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Field, Fields, Ident, Member};

use crate::errors::Errors;

/// A field that holds a layer.
struct Child<'a> {
    member: Member,
    field: &'a Field,
}

/// The implementation of `Layer` for a struct or an enum.
pub fn derive(input: DeriveInput) -> syn::Result<TokenStream> {
    let mut errors = Errors::new();
    let mut bounds = Vec::new();
    let body = match &input.data {
        Data::Struct(data) => {
            let children = children(&data.fields, &mut errors);
            bounds.extend(children.iter().map(|child| child.field.ty.clone()));
            let visits = children.iter().map(|Child { member, .. }| {
                let name = name(member);
                quote!(visit(#name, &self.#member);)
            });
            quote!(#(#visits)*)
        }
        Data::Enum(data) => {
            let arms = data.variants.iter().map(|variant| {
                let children = children(&variant.fields, &mut errors);
                bounds.extend(children.iter().map(|child| child.field.ty.clone()));
                let names: Vec<String> = children.iter().map(|child| name(&child.member)).collect();
                let places: Vec<Ident> = (0..children.len())
                    .map(|place| Ident::new(&format!("layer_{place}"), Span::mixed_site()))
                    .collect();
                let members = children.iter().map(|child| &child.member);
                let variant = &variant.ident;
                quote!(Self::#variant { #(#members: #places,)* .. } => { #(visit(#names, #places);)* })
            });
            let arms: Vec<TokenStream> = arms.collect();
            // The reference has an arm for an enum without variants, too.
            quote!(match self { #(#arms)* #[allow(unreachable_patterns)] _ => {} })
        }
        Data::Union(data) => {
            errors.push(data.union_token.span, "a union cannot be a layer: make it a struct or an enum");
            TokenStream::new()
        }
    };
    errors.check()?;
    let kind = input.ident.to_string();
    let ident = &input.ident;
    let (generics, types, clause) = input.generics.split_for_impl();
    let mut clause = clause.cloned();
    if !input.generics.params.is_empty() {
        let clause = clause.get_or_insert_with(|| syn::parse_quote!(where));
        clause.predicates.push(syn::parse_quote!(Self: ::core::fmt::Debug));
        for bound in bounds {
            clause.predicates.push(syn::parse_quote!(#bound: ::ed::layers::Layer));
        }
    }
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::ed::layers::Layer for #ident #types #clause {
            fn kind(&self) -> &'static str {
                #kind
            }
            #[allow(unused_variables)]
            fn children(&self, visit: &mut dyn ::core::ops::FnMut(&str, &dyn ::ed::layers::Layer)) {
                #body
            }
        }
    })
}

/// The name of a field as a layer's.
fn name(member: &Member) -> String {
    match member {
        Member::Named(ident) => syn::ext::IdentExt::unraw(ident).to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

fn children<'a>(fields: &'a Fields, errors: &mut Errors) -> Vec<Child<'a>> {
    let members = fields.members();
    let mut kept = Vec::new();
    for (member, field) in members.zip(fields) {
        if !is_skipped(field, errors) {
            kept.push(Child { member, field });
        }
    }
    kept
}

/// Whether a field has `#[layer(skip)]`.
fn is_skipped(field: &Field, errors: &mut Errors) -> bool {
    let mut skipped = false;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("layer")) {
        match attribute.parse_args::<Ident>() {
            Ok(word) if word == "skip" => skipped = true,
            _ => errors.push_spanned(
                attribute.to_token_stream(),
                "expected `#[layer(skip)]`, which marks a field that holds no layer",
            ),
        }
    }
    skipped
}
