//! Rules read from syntax: lengths of functions, proofs of unwraps, unfinished code.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::Visit;

use super::source::{self, Comments, Source};
use super::{Finding, Rule};

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name, without its type.
    pub(crate) name: String,
    /// The line of its `fn`.
    pub(crate) line: usize,
    /// Lines from its signature to its closing brace.
    pub(crate) lines: usize,
}

/// Every function outside tests.
pub(crate) fn functions(source: &Source) -> Vec<Function> {
    let mut functions = Functions(Vec::new());
    functions.visit_file(&source.file);
    functions.0
}

struct Functions(Vec<Function>);

impl Functions {
    fn push(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.span().start().line;
        let lines = block.span().end().line + 1 - line;
        self.0.push(Function { name: signature.ident.to_string(), line, lines });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !source::is_test_only(source::attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.push(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !source::is_test_only(&function.attrs) {
            self.push(&function.sig, &function.block);
            syn::visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.push(&function.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}

/// Every `unwrap` and `expect` outside tests that has no proof, macro calls included.
pub(crate) fn unproven(source: &Source, findings: &mut Vec<Finding>) {
    let scan =
        Unwraps { source, comments: source.comments(), own_expect: source.text.contains("fn expect(") };
    scan.tokens(source.tokens.clone(), findings);
}

/// Scans tokens, not syntax: a call inside `assert!(..)` or a `macro_rules!` body counts like any other.
struct Unwraps<'a> {
    source: &'a Source,
    comments: Comments<'a>,
    /// The file defines its own method `expect`, as parsers do: calls without a message are calls of that.
    own_expect: bool,
}

impl Unwraps<'_> {
    fn tokens(&self, tokens: TokenStream, findings: &mut Vec<Finding>) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            if let TokenTree::Group(group) = token {
                self.tokens(group.stream(), findings);
            }
            let TokenTree::Ident(name) = token else { continue };
            let before = index.checked_sub(1).and_then(|before| tokens.get(before));
            let called = is_punct(before, '.') || is_punct(before, ':');
            let line = name.span().start().line;
            if !called || self.source.is_test_line(line) {
                continue;
            }
            let name = name.to_string();
            if let Some(message) = self.fault(&name, tokens.get(index + 1), line) {
                findings.push(self.source.finding(Rule::Unproven, line, &name, 1, message));
            }
        }
    }

    fn fault(&self, name: &str, arguments: Option<&TokenTree>, line: usize) -> Option<String> {
        let proven = self.comments.says_something(line) || line > 1 && self.comments.is_comment(line - 1);
        match name {
            "unwrap" | "unwrap_err" | "unwrap_unchecked" if !proven => Some(format!(
                "`{name}` without a proof: say why it holds in a comment on this line or the line above"
            )),
            "expect" | "expect_err" => match expectation(arguments) {
                Expectation::Proof => None,
                Expectation::Other if self.own_expect => None,
                _ if proven => None,
                _ => Some(format!(
                    "`{name}` without a proof: its message, of two words at least, says why it holds"
                )),
            },
            _ => None,
        }
    }
}

enum Expectation {
    /// One string literal of two words or more.
    Proof,
    /// One string literal of less.
    Empty,
    /// Something else.
    Other,
}

fn expectation(arguments: Option<&TokenTree>) -> Expectation {
    let Some(TokenTree::Group(group)) = arguments else { return Expectation::Other };
    if group.delimiter() != Delimiter::Parenthesis {
        return Expectation::Other;
    }
    match syn::parse2::<syn::LitStr>(group.stream()) {
        Ok(literal) if literal.value().split_whitespace().count() >= 2 => Expectation::Proof,
        Ok(_) => Expectation::Empty,
        Err(_) => Expectation::Other,
    }
}

/// Lints that hold a law in every crate.
const LAWFUL: &[&str] = &["incompatible_msrv", "undocumented_unsafe_blocks"];

/// Lints that keep a pure crate pure.
const PURE: &[&str] = &["disallowed_methods", "disallowed_types"];

/// Attributes outside tests that name a lint which is law: naming one can only mean switching it off. The examples of a
/// pure crate are programs of their own, and may read the clock.
pub(crate) fn bypasses(source: &Source, findings: &mut Vec<Finding>) {
    let pure = source.path.contains("/src/") && source.room().is_some_and(|room| room.pure);
    each_ident(source.tokens.clone(), &mut |name, line| {
        let lint = name.as_str();
        if (LAWFUL.contains(&lint) || pure && PURE.contains(&lint)) && !source.is_test_line(line) {
            let message = format!("`{lint}` is law here, and is not switched off");
            findings.push(source.finding(Rule::Bypass, line, lint, 1, message));
        }
    });
}

fn each_ident(tokens: TokenStream, show: &mut impl FnMut(String, usize)) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => each_ident(group.stream(), show),
            TokenTree::Ident(name) => show(name.to_string(), name.span().start().line),
            _ => {}
        }
    }
}

/// Macros that mark unfinished work, tests included.
pub(crate) fn unfinished(source: &Source, findings: &mut Vec<Finding>) {
    unfinished_tokens(source, source.tokens.clone(), findings);
}

fn unfinished_tokens(source: &Source, tokens: TokenStream, findings: &mut Vec<Finding>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => unfinished_tokens(source, group.stream(), findings),
            TokenTree::Ident(name) if is_call(tokens.get(index + 1), tokens.get(index + 2)) => {
                let name = name.to_string();
                if matches!(name.as_str(), "todo" | "unimplemented" | "dbg") {
                    let message = format!("`{name}!` has no place in what we commit");
                    let line = token.span().start().line;
                    findings.push(source.finding(Rule::Unfinished, line, &name, 1, message));
                }
            }
            _ => {}
        }
    }
}

/// `!(..)`, and not `!= ..`.
fn is_call(bang: Option<&TokenTree>, arguments: Option<&TokenTree>) -> bool {
    let is_bang = matches!(bang, Some(TokenTree::Punct(mark)) if mark.as_char() == '!' && mark.spacing() == Spacing::Alone);
    is_bang && matches!(arguments, Some(TokenTree::Group(_)))
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse("crates/a/src/a.rs", text.to_owned()).unwrap()
    }

    fn lines_unproven(text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        unproven(&source(text), &mut findings);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn functions_are_measured_from_signature_to_brace() {
        let text = "/// Doc.\n#[inline]\nfn a(\n    x: u8,\n) {\n    x;\n}\n\nimpl B {\n    fn c() {}\n}\n\
                    trait D {\n    fn e();\n    fn f() {\n    }\n}\n#[cfg(test)]\nfn g() {}\n";
        let found: Vec<_> = functions(&source(text)).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("a".into(), 3, 5), ("c".into(), 10, 1), ("f".into(), 14, 2)]);
    }

    #[test]
    fn an_unwrap_needs_a_comment() {
        assert_eq!(lines_unproven("fn a() {\n    b.unwrap();\n}\n"), [2]);
        assert_eq!(lines_unproven("fn a() {\n    b.unwrap(); // checked by c\n}\n"), Vec::<usize>::new());
        assert_eq!(
            lines_unproven("fn a() {\n    // Checked by c.\n    b.unwrap();\n}\n"),
            Vec::<usize>::new()
        );
        assert_eq!(lines_unproven("fn a() {\n    c(); // not about b\n    b.unwrap();\n}\n"), [3]);
        assert_eq!(lines_unproven("fn a() {\n    b.map(Option::unwrap);\n}\n"), [2]);
        assert_eq!(lines_unproven("fn a() { b.unwrap_or(1); unwrap(); }\n"), Vec::<usize>::new());
    }

    #[test]
    fn an_expect_needs_a_message() {
        assert_eq!(lines_unproven("fn a() { b.expect(\"checked by the caller\"); }"), Vec::<usize>::new());
        assert_eq!(lines_unproven("fn a() { b.expect(\"b\"); }"), [1]);
        assert_eq!(lines_unproven("fn a() { b.expect(MESSAGE); }"), [1]);
        assert_eq!(lines_unproven("fn expect(b: u8) {}\nfn a() { s.expect(b'x'); s.expect(\"x\"); }"), [2]);
    }

    #[test]
    fn macro_calls_hide_nothing_and_tests_may_unwrap() {
        assert_eq!(lines_unproven("fn a() {\n    assert!(b.unwrap());\n}\n"), [2]);
        assert_eq!(
            lines_unproven("#[cfg(test)]\nmod tests {\n    fn a() { b.unwrap(); }\n}\n"),
            Vec::<usize>::new()
        );
    }

    #[test]
    fn a_lint_that_is_law_is_not_switched_off() {
        let found = |path: &str, text: &str| {
            let mut findings = Vec::new();
            bypasses(&Source::parse(path, text.to_owned()).unwrap(), &mut findings);
            findings.len()
        };
        let allow = "#[allow(clippy::disallowed_types)]\nfn a() {}\n";
        assert_eq!(found("crates/wire/src/a.rs", allow), 1);
        assert_eq!(found("crates/net/src/a.rs", allow), 0);
        assert_eq!(found("crates/wire/examples/a.rs", allow), 0);
        assert_eq!(found("crates/net/src/a.rs", "#![expect(clippy::incompatible_msrv)]\n"), 1);
        assert_eq!(found("crates/wire/src/a.rs", &format!("#[cfg(test)]\n{allow}")), 0);
        assert_eq!(found("crates/wire/src/a.rs", "#[allow(dead_code)]\nfn a() {}\n"), 0);
    }

    #[test]
    fn unfinished_macros_are_found_everywhere() {
        let text = "#[cfg(test)]\nmod t {\n    fn a() { if todo != 1 { todo!() } assert!(dbg!(x)); }\n}\n";
        let mut findings = Vec::new();
        unfinished(&source(text), &mut findings);
        let names: Vec<_> = findings.iter().map(|finding| finding.item.as_str()).collect();
        assert_eq!(names, ["todo", "dbg"]);
    }
}
