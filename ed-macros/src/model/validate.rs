//! The rules of a model. Every violation is reported, each at the user's own token.

use super::flow::{Flow, Leaves, Paths};
use super::parse::{Binding, Call, Input, Word, is_associated, names_something, transparent};
use crate::errors::Errors;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Ident, Item, Local, Pat, ReturnType, Type};

/// A name of the model, at its first place in the body.
pub struct Site {
    pub name: Ident,
    pub word: Word,
    /// Whether it stands in a loop, so that there is one for each turn.
    pub indexed: bool,
}

/// Checks all rules and lists the names in the order of the body.
pub fn check(input: &Input) -> syn::Result<Vec<Site>> {
    let mut errors = Errors::new();
    check_signature(input, &mut errors);
    let mut body = Body {
        model: input.function.sig.ident.to_string(),
        errors,
        sites: Vec::new(),
        paths: Paths::new(),
        loops: 0,
        forbidden: None,
    };
    body.visit_block(&input.function.block);
    body.errors.check()?;
    Ok(body.sites)
}

fn check_signature(input: &Input, errors: &mut Errors) {
    let sig = &input.function.sig;
    if !input.args.is_empty() {
        errors.push_spanned(&input.args, "`#[model]` takes no arguments: write `#[model]`");
    }
    if let Some(receiver) = sig.receiver() {
        errors.push_spanned(
            receiver,
            "`#[model]` stands on a free function, not on a method: \
             move it out of the `impl` and write the receiver as an ordinary argument",
        );
    } else if is_associated(&input.function) {
        errors.push(
            sig.ident.span(),
            "`#[model]` stands on a free function: move it out of the `impl` and write the type for `Self`",
        );
    }
    if let Some(token) = &sig.asyncness {
        errors.push(
            token.span,
            "a model is an ordinary function, since the tracers of its run belong to one thread: remove `async`",
        );
    }
    if let Some(token) = &sig.constness {
        errors.push(token.span, "a model runs under tracers, which exist only at run time: remove `const`");
    }
    let returns_nothing = match &sig.output {
        ReturnType::Default => true,
        ReturnType::Type(_, of_type) => matches!(&**of_type, Type::Tuple(tuple) if tuple.elems.is_empty()),
    };
    if returns_nothing {
        errors.push(
            sig.ident.span(),
            "a model returns a `Result`, so that `?` can be used: write `-> Result<()>` and end with `Ok(())`",
        );
    }
}

/// A place where no word may stand.
#[derive(Clone, Copy)]
enum Forbidden {
    Closure,
    AsyncBlock,
    WhileCondition,
}

impl Forbidden {
    fn message(self, word: &str) -> String {
        match self {
            Forbidden::Closure => format!(
                "`{word}` cannot stand in a closure, which may run any number of times under one name: \
                 use a `for` loop or `plate`"
            ),
            Forbidden::AsyncBlock => format!(
                "`{word}` cannot stand in an `async` block, which may run on another thread than the model: \
                 move it out of the block"
            ),
            Forbidden::WhileCondition => format!(
                "`{word}` cannot stand in the condition of a `while`, which runs once more than the body: \
                 write `loop {{ ... }}` with a `break`"
            ),
        }
    }
}

struct Body {
    model: String,
    errors: Errors,
    sites: Vec<Site>,
    paths: Paths,
    /// How many loops are around the place being visited.
    loops: usize,
    forbidden: Option<Forbidden>,
}

impl Body {
    /// Checks the number of the arguments.
    fn check_arguments(&mut self, call: &Call<'_>) {
        let text = call.word.text();
        if let Some(turbofish) = call.turbofish {
            self.errors.push_spanned(
                turbofish,
                format!("`{text}` takes no type arguments: write `let name: Type = {text}(...);`"),
            );
        }
        let wanted = call.word.arguments();
        if call.args.len() != wanted.len() {
            let count = match wanted.len() {
                1 => "one argument",
                2 => "two arguments",
                _ => "three arguments",
            };
            let found = call.args.len();
            let wanted = wanted.join(", ");
            self.errors.push(
                call.ident.span(),
                format!("`{text}` takes {count} and found {found}: write `let name = {text}({wanted});`"),
            );
        }
    }

    /// Visits the arguments; the closure of a plate is part of the model.
    fn visit_arguments(&mut self, call: &Call<'_>) {
        let plate = matches!(call.word, Word::Plate | Word::SubsampledPlate);
        for arg in call.args {
            match transparent(arg) {
                Expr::Closure(closure) if plate && closure.asyncness.is_none() => {
                    self.paths.enter(Leaves::Closure);
                    self.visit_expr(&closure.body);
                    self.paths.leave();
                }
                arg => self.visit_expr(arg),
            }
        }
    }

    /// Enters the name of a binding, unless it is taken.
    fn register(&mut self, name: &Ident, word: Word) {
        let text = name.unraw().to_string();
        let indexed = self.loops > 0;
        let model = &self.model;
        let first = self.sites.iter().find(|site| site.name.unraw() == name.unraw());
        let fault = match first {
            Some(first) if first.indexed != indexed => Some(format!(
                "`{text}` is named both inside and outside a loop in `{model}`, \
                 where it is both `{text}` and `{text}[0]`: write another name for one of them"
            )),
            Some(first) if first.word.kind() != word.kind() => Some(format!(
                "`{text}` is both a {} and a {} in `{model}`: write another name for one of them",
                first.word.kind().noun(),
                word.kind().noun(),
            )),
            Some(_) if self.paths.has_taken(&text) => {
                let noun = word.kind().noun();
                Some(format!(
                    "the {noun} `{text}` is named twice in `{model}`: \
                     each name stands for one {noun}, so write another name here"
                ))
            }
            _ => None,
        };
        match fault {
            Some(fault) => self.errors.push(name.span(), fault),
            None if first.is_none() => self.sites.push(Site { name: name.clone(), word, indexed }),
            None => {}
        }
        self.paths.take(text);
    }

    /// Visits a place where no word may stand.
    fn forbidding(&mut self, place: Forbidden, visit: impl FnOnce(&mut Self)) {
        let outer = self.forbidden.replace(place);
        visit(self);
        self.forbidden = outer;
    }

    /// Visits the body of a loop.
    fn visit_turns(&mut self, body: &Block) {
        let indexed = usize::from(names_something(body));
        self.loops += indexed;
        self.paths.enter(Leaves::Loop);
        self.visit_block(body);
        self.paths.leave();
        self.loops -= indexed;
    }

    /// Checks a `let` that names something.
    fn visit_binding(&mut self, local: &Local, binding: &Binding<'_>) {
        let Call { word, ident, .. } = binding.call;
        let text = word.text();
        match (self.forbidden, binding.name()) {
            (Some(place), _) => self.errors.push(ident.span(), place.message(text)),
            (None, Some(name)) => self.register(name, word),
            (None, None) => {
                let makes = word.makes();
                let message = match binding.pattern {
                    Pat::Wild(_) => {
                        format!("{makes} needs a name, which `_` is not: write `let name = {text}(...);`")
                    }
                    _ => format!(
                        "{makes} needs one name, not a pattern: write `let name = {text}(...);` \
                         and take it apart after that"
                    ),
                };
                self.errors.push_spanned(binding.pattern, message);
            }
        }
        self.check_arguments(&binding.call);
        self.visit_arguments(&binding.call);
        if let Some((token, _)) = local.init.as_ref().and_then(|init| init.diverge.as_ref()) {
            self.errors.push(
                token.span,
                format!(
                    "`{text}` always gives a value, so there is no `else`: write `let name = {text}(...);`"
                ),
            );
        }
    }

    /// Visits a `let` that names nothing.
    fn visit_plain(&mut self, local: &Local) {
        let Some(init) = &local.init else { return };
        self.visit_expr(&init.expr);
        if let Some((_, otherwise)) = &init.diverge {
            let matched = self.paths.now().clone();
            self.visit_expr(otherwise);
            self.paths.join(matched);
        }
    }

    /// Looks for words in the tokens of a macro call, which cannot be rewritten.
    fn search_macro(&mut self, tokens: TokenStream) {
        let mut before = None;
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match &token {
                TokenTree::Ident(ident) => {
                    let called = matches!(tokens.peek(), Some(TokenTree::Group(group))
                        if group.delimiter() == Delimiter::Parenthesis);
                    // `dist.sample(key)`, `rng::sample(key)` and `fn sample(key)` are other functions.
                    let other = matches!(&before, Some(TokenTree::Punct(punct)) if matches!(punct.as_char(), '.' | ':'))
                        || matches!(&before, Some(TokenTree::Ident(ident)) if ident == "fn");
                    if let Some(word) = Word::from_ident(ident).filter(|_| called && !other) {
                        let text = word.text();
                        self.errors.push(
                            ident.span(),
                            format!(
                                "`#[model]` does not see `{text}` inside a macro call: \
                                 write `let name = {text}(...);` before it and use `name` here"
                            ),
                        );
                    }
                }
                TokenTree::Group(group) => self.search_macro(group.stream()),
                _ => {}
            }
            before = Some(token);
        }
    }
}

impl<'ast> Visit<'ast> for Body {
    fn visit_local(&mut self, local: &'ast Local) {
        let before = self.paths.now().clone();
        match Binding::of(local) {
            Some(binding) => self.visit_binding(local, &binding),
            None => self.visit_plain(local),
        }
        // `#[cfg(...)] let x` and `#[cfg(not(...))] let x` are alternatives; which one there is, is not known here.
        if local.attrs.iter().any(|attr| attr.path().is_ident("cfg")) {
            self.paths.replace(before);
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let Some(call) = Call::of(call) else {
            visit::visit_expr_call(self, call);
            return;
        };
        let (text, makes) = (call.word.text(), call.word.makes());
        let message = match self.forbidden {
            Some(place) => place.message(text),
            None => format!("{makes} needs a name: write `let name = {text}(...);`"),
        };
        self.errors.push(call.ident.span(), message);
        self.visit_arguments(&call);
    }

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        self.visit_expr(&node.cond);
        let before = self.paths.now().clone();
        self.visit_block(&node.then_branch);
        let then = self.paths.replace(before);
        if let Some((_, otherwise)) = &node.else_branch {
            self.visit_expr(otherwise);
        }
        self.paths.join(then);
    }

    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        self.visit_expr(&node.expr);
        let before = self.paths.now().clone();
        let mut after: Option<Flow> = None;
        for arm in &node.arms {
            self.paths.replace(before.clone());
            self.visit_arm(arm);
            if let Some(after) = after.take() {
                self.paths.join(after);
            }
            after = Some(self.paths.now().clone());
        }
    }

    fn visit_expr_for_loop(&mut self, node: &'ast syn::ExprForLoop) {
        self.visit_expr(&node.expr);
        self.visit_turns(&node.body);
    }

    fn visit_expr_while(&mut self, node: &'ast syn::ExprWhile) {
        self.forbidding(Forbidden::WhileCondition, |body| body.visit_expr(&node.cond));
        self.visit_turns(&node.body);
    }

    fn visit_expr_loop(&mut self, node: &'ast syn::ExprLoop) {
        self.visit_turns(&node.body);
    }

    fn visit_expr_return(&mut self, node: &'ast syn::ExprReturn) {
        visit::visit_expr_return(self, node);
        self.paths.end(Leaves::Closure);
    }

    fn visit_expr_break(&mut self, node: &'ast syn::ExprBreak) {
        visit::visit_expr_break(self, node);
        // A label may belong to a block, whose end is reached with the names of this path.
        if node.label.is_none() {
            self.paths.end(Leaves::Loop);
        }
    }

    fn visit_expr_continue(&mut self, node: &'ast syn::ExprContinue) {
        if node.label.is_none() {
            self.paths.end(Leaves::Loop);
        }
    }

    fn visit_expr_closure(&mut self, node: &'ast syn::ExprClosure) {
        self.forbidding(Forbidden::Closure, |body| {
            body.paths.enter(Leaves::Closure);
            body.visit_expr(&node.body);
            body.paths.leave();
        });
    }

    fn visit_expr_async(&mut self, node: &'ast syn::ExprAsync) {
        self.forbidding(Forbidden::AsyncBlock, |body| body.visit_block(&node.block));
    }

    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        self.search_macro(node.tokens.clone());
    }

    /// The functions inside a model are not part of it.
    fn visit_item(&mut self, _: &'ast Item) {}
}
