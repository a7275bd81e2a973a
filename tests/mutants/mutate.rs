//! Small changes to a source file, each of which a test should notice.

use std::ops::Range;

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, Ident, ItemFn, Pat, ReturnType, Signature, Stmt, Token};

/// A source file with one change.
pub struct Mutant {
    /// What was changed, in words.
    pub what: String,
    /// The whole file.
    pub source: String,
}

/// All changes to `source`, but for functions that `before` has, too.
pub fn mutants(source: &str, before: &str) -> syn::Result<Vec<Mutant>> {
    let mut mutator = Mutator {
        source,
        before,
        function: String::new(),
        mutants: Vec::new(),
    };
    mutator.visit_file(&syn::parse_file(source)?);
    Ok(mutator.mutants)
}

struct Mutator<'a> {
    source: &'a str,
    before: &'a str,
    /// The function that is visited.
    function: String,
    mutants: Vec<Mutant>,
}

impl Mutator<'_> {
    fn text(&self, span: Span) -> &str {
        &self.source[span.byte_range()]
    }

    /// Adds a mutant with `new` in the place of `old`.
    fn replace(&mut self, old: Span, new: &str) {
        self.replace_range(old.byte_range(), new);
    }

    fn replace_range(&mut self, old: Range<usize>, new: &str) {
        let shown = |text: &str| {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            match text.char_indices().nth(80) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        };
        let text = &self.source[old.clone()];
        let what = format!("{}: `{}` -> `{}`", self.function, shown(text), shown(new));
        let source = [&self.source[..old.start], new, &self.source[old.end..]].concat();
        self.mutants.push(Mutant { what, source });
    }

    /// Adds a mutant for each part of a list: all but that.
    fn drop_each(&mut self, whole: Span, parts: &[Span], separator: &str) {
        for dropped in 0..parts.len() {
            let rest = parts.iter().enumerate().filter(|(n, _)| *n != dropped);
            let rest: Vec<_> = rest.map(|(_, part)| self.text(*part)).collect();
            let rest = rest.join(separator);
            self.replace(whole, &rest);
        }
    }

    /// What a function returns if it does nothing, and if all that it does is ignored.
    fn mutate_body(&mut self, signature: &Signature, block: &Block) {
        let ReturnType::Type(_, kind) = &signature.output else {
            return;
        };
        let nothing = match self.text(kind.span()) {
            "Result<()>" | "io::Result<()>" => "Ok(())",
            "Result<ExitCode>" => "Ok(ExitCode::SUCCESS)",
            "String" => "String::new()",
            _ => return,
        };
        self.replace(block.span(), &format!("{{ {nothing} }}"));
        if let (Some(Stmt::Expr(tail, None)), "Ok(())") = (block.stmts.last(), nothing) {
            let ignored = format!("({}).ok(); Ok(())", self.text(tail.span()));
            self.replace(tail.span(), &ignored);
        }
    }
}

/// A statement that can go without the rest failing to compile.
fn is_action(statement: &Stmt) -> bool {
    match statement {
        Stmt::Expr(Expr::If(_), _) | Stmt::Expr(_, Some(_)) => true,
        Stmt::Macro(call) => call.semi_token.is_some(),
        _ => false,
    }
}

/// The inside of `matches!(value, pattern)`, which is but tokens to syn.
struct Matches(Pat);

impl Parse for Matches {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        input.parse::<Expr>()?;
        input.parse::<Token![,]>()?;
        Ok(Self(Pat::parse_multi(input)?))
    }
}

impl<'ast> Visit<'ast> for Mutator<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if self.before.contains(self.text(function.span())) {
            return;
        }
        self.function = function.sig.ident.to_string();
        self.mutate_body(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function = function.sig.ident.to_string();
        self.mutate_body(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_item_const(&mut self, constant: &'ast syn::ItemConst) {
        if !self.before.contains(self.text(constant.span())) {
            self.function = constant.ident.to_string();
            visit::visit_item_const(self, constant);
        }
    }

    fn visit_block(&mut self, block: &'ast Block) {
        for statement in block.stmts.iter().filter(|statement| is_action(statement)) {
            self.replace(statement.span(), "");
        }
        for pair in block.stmts.windows(2) {
            if pair.iter().all(is_action) {
                let [one, other] = [pair[0].span(), pair[1].span()];
                let swapped = [self.text(other), self.text(one)].join("\n");
                let both = one.byte_range().start..other.byte_range().end;
                self.replace_range(both, &swapped);
            }
        }
        visit::visit_block(self, block);
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::Try(tried) => {
                let ignored = format!("{}.unwrap_or_default()", self.text(tried.expr.span()));
                self.replace(tried.span(), &ignored);
            }
            Expr::MethodCall(call) => {
                let new = match call.method.to_string().as_str() {
                    // Without its `ok()` a result would still be ignored.
                    "ok" => ".unwrap()",
                    "context" | "with_context" => ".map_err(anyhow::Error::from)",
                    _ => "",
                };
                let [rest, all] = [call.receiver.span(), call.span()].map(|s| s.byte_range());
                self.replace_range(rest.end..all.end, new);
            }
            Expr::Binary(binary) => self.mutate_binary(binary),
            Expr::Unary(unary) => {
                let inner = self.text(unary.expr.span()).to_owned();
                self.replace(unary.span(), &inner);
            }
            Expr::If(choice) if !matches!(*choice.cond, Expr::Let(_)) => {
                self.replace(choice.cond.span(), "true");
                self.replace(choice.cond.span(), "false");
            }
            Expr::Array(array) => {
                let parts: Vec<_> = array.elems.iter().map(Spanned::span).collect();
                let inside = array.elems.span();
                self.drop_each(inside, &parts, ", ");
            }
            Expr::Match(choice) => {
                for arm in &choice.arms {
                    self.replace(arm.span(), "");
                    if let Some((_, guard)) = &arm.guard {
                        self.replace(guard.span(), "true");
                        self.replace(guard.span(), "false");
                    }
                }
            }
            _ => {}
        }
        visit::visit_expr(self, expression);
    }

    fn visit_pat_or(&mut self, pattern: &'ast syn::PatOr) {
        let parts: Vec<_> = pattern.cases.iter().map(Spanned::span).collect();
        self.drop_each(pattern.span(), &parts, " | ");
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let (true, Ok(inside)) = (call.path.is_ident("matches"), call.parse_body::<Matches>()) {
            self.visit_pat(&inside.0);
        }
    }

    fn visit_lit_int(&mut self, number: &'ast syn::LitInt) {
        let next = number.base10_parse::<u64>().unwrap_or_default() + 1;
        self.replace(number.span(), &next.to_string());
    }

    fn visit_ident(&mut self, name: &'ast Ident) {
        if name == "SIGKILL" {
            self.replace(name.span(), "SIGTERM");
        }
    }
}

impl Mutator<'_> {
    fn mutate_binary(&mut self, binary: &syn::ExprBinary) {
        let sides = [binary.left.span(), binary.right.span()];
        match binary.op {
            BinOp::BitOr(_) | BinOp::And(_) | BinOp::Or(_) => {
                self.drop_each(binary.span(), &sides, "");
            }
            BinOp::Eq(operator) => self.replace(operator.span(), "!="),
            BinOp::Ne(operator) => self.replace(operator.span(), "=="),
            BinOp::Add(operator) => self.replace(operator.span(), "-"),
            _ => {}
        }
    }
}
