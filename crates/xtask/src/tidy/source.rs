//! One Rust file: its text, its syntax, its tokens, and which of its lines are tests.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::Visit;

use super::{Finding, Rule};
use crate::Result;
use crate::rooms::{self, Room};

/// A parsed Rust file.
pub(crate) struct Source {
    /// Its path below the root, `/`-separated.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
    /// Its syntax tree.
    pub(crate) file: syn::File,
    /// Its tokens: what stands inside macro calls is seen only here.
    pub(crate) tokens: TokenStream,
    /// The lines (from 1) that belong to test-only items.
    test_lines: BTreeSet<usize>,
    /// Modules whose own file is test-only, by name.
    test_modules: Vec<String>,
}

impl Source {
    /// Parses one file; `path` is named in errors.
    pub(crate) fn parse(path: &str, text: String) -> Result<Source> {
        let failed = |line: usize, why: String| format!("{path}:{line}: {why}");
        let file =
            syn::parse_file(&text).map_err(|error| failed(error.span().start().line, error.to_string()))?;
        let tokens = text
            .parse::<TokenStream>()
            .map_err(|error| failed(error.span().start().line, error.to_string()))?;
        let mut tests = TestItems::default();
        tests.visit_file(&file);
        let path = path.to_owned();
        Ok(Source { path, text, file, tokens, test_lines: tests.lines, test_modules: tests.modules })
    }

    /// A finding in this file.
    pub(crate) fn finding(
        &self,
        rule: Rule,
        line: usize,
        item: &str,
        measure: usize,
        message: String,
    ) -> Finding {
        Finding { rule, file: self.path.clone(), line, item: item.to_owned(), measure, message }
    }

    /// Lines of the file less those of its test-only items.
    pub(crate) fn production_lines(&self) -> usize {
        self.text.lines().count() - self.test_lines.len()
    }

    /// Whether a line (from 1) belongs to a test-only item.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.test_lines.contains(&line)
    }

    /// Whether the file opens with `//!`.
    pub(crate) fn has_front_page(&self) -> bool {
        self.file.attrs.iter().any(|attribute| attribute.path().is_ident("doc"))
    }

    /// Whether the file is a table or code written by a program: it says `@generated` in its first lines.
    pub(crate) fn is_generated(&self) -> bool {
        self.text
            .lines()
            .take(5)
            .any(|line| line.trim_start().starts_with("//") && line.contains("@generated"))
    }

    /// Whether the file belongs to fuzzing, benchmarks or interop: programs that check the project, outside its crates.
    pub(crate) fn is_harness(&self) -> bool {
        ["fuzz/", "bench/", "interop/"].iter().any(|directory| self.path.starts_with(directory))
    }

    /// The room of the crate the file belongs to, if it is in one.
    pub(crate) fn room(&self) -> Option<&'static Room> {
        rooms::room_of(self.path.strip_prefix("crates/")?.split('/').next()?)
    }

    /// Whether the whole file is a test: in `tests/` or `benches/`, or below a test-only module.
    pub(crate) fn is_test(&self, test_modules: &BTreeSet<String>) -> bool {
        let directories = self.path.split('/').rev().skip(1);
        if directories.into_iter().any(|name| name == "tests" || name == "benches") {
            return true;
        }
        let stem = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        test_modules.iter().any(|module| stem == module || stem.starts_with(&format!("{module}/")))
    }

    /// Paths, without `.rs` or `/mod.rs`, of the test-only modules this file declares.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        self.test_modules.iter().map(|name| self.module(name)).collect()
    }

    /// Path, without `.rs` or `/mod.rs`, of a module this file declares.
    pub(crate) fn module(&self, name: &str) -> String {
        let stem = self.path.trim_end_matches(".rs");
        let (directory, last) = stem.rsplit_once('/').unwrap_or(("", stem));
        let owner = if matches!(last, "lib" | "main" | "mod") { directory } else { stem };
        format!("{owner}/{name}")
    }

    /// For each line, its comment: what stands after the line's last token.
    pub(crate) fn comments(&self) -> Comments<'_> {
        let mut ends = BTreeMap::new();
        collect_ends(self.tokens.clone(), &mut ends);
        Comments { lines: self.text.lines().collect(), ends }
    }
}

/// The `//` comments of a file, told apart from `//` in strings and from documentation.
pub(crate) struct Comments<'a> {
    lines: Vec<&'a str>,
    /// Line to the column after its last token.
    ends: BTreeMap<usize, usize>,
}

impl Comments<'_> {
    /// Whether the line (from 1) ends in a comment of at least two words, or is one.
    pub(crate) fn says_something(&self, line: usize) -> bool {
        let Some(text) = line.checked_sub(1).and_then(|index| self.lines.get(index)) else { return false };
        let after: String = text.chars().skip(self.ends.get(&line).copied().unwrap_or(0)).collect();
        after.split_once("//").is_some_and(|(_, comment)| comment.split_whitespace().count() >= 2)
    }

    /// Whether the line (from 1) is nothing but such a comment.
    pub(crate) fn is_comment(&self, line: usize) -> bool {
        !self.ends.contains_key(&line) && self.says_something(line)
    }
}

fn collect_ends(tokens: TokenStream, ends: &mut BTreeMap<usize, usize>) {
    for token in tokens {
        // A string or a comment may span lines; every line but its last is full of it.
        let (start, end) = (token.span().start(), token.span().end());
        if !matches!(token, TokenTree::Group(_)) {
            for line in start.line..end.line {
                ends.insert(line, usize::MAX);
            }
        }
        if let TokenTree::Group(group) = &token {
            let open = group.span_open().end();
            let entry = ends.entry(open.line).or_default();
            *entry = open.column.max(*entry);
            collect_ends(group.stream(), ends);
        }
        let entry = ends.entry(end.line).or_default();
        *entry = end.column.max(*entry);
    }
}

/// Whether attributes make an item test-only: `#[cfg(test)]`, `#[cfg(all(test, ..))]`, `#[test]`, `#[tokio::test]`.
pub(crate) fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        if path.is_ident("cfg") {
            return attribute.parse_args::<syn::Meta>().is_ok_and(|predicate| needs_test(&predicate));
        }
        path.segments.last().is_some_and(|last| last.ident == "test")
    })
}

/// Whether a `cfg` predicate can hold only in a test build.
fn needs_test(predicate: &syn::Meta) -> bool {
    match predicate {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) => {
            type Parts = syn::punctuated::Punctuated<syn::Meta, syn::Token![,]>;
            let Ok(parts) = list.parse_args_with(Parts::parse_terminated) else { return false };
            match list.path.get_ident().map(ToString::to_string).as_deref() {
                Some("all") => parts.iter().any(needs_test),
                Some("any") => !parts.is_empty() && parts.iter().all(needs_test),
                _ => false,
            }
        }
        _ => false,
    }
}

/// The attributes of any item.
pub(crate) fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item;
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The attributes of an item of an `impl`.
pub(crate) fn impl_attributes(item: &syn::ImplItem) -> &[syn::Attribute] {
    match item {
        syn::ImplItem::Const(item) => &item.attrs,
        syn::ImplItem::Fn(item) => &item.attrs,
        syn::ImplItem::Macro(item) => &item.attrs,
        syn::ImplItem::Type(item) => &item.attrs,
        _ => &[],
    }
}

#[derive(Default)]
struct TestItems {
    lines: BTreeSet<usize>,
    modules: Vec<String>,
}

impl TestItems {
    fn take(&mut self, spanned: &impl Spanned) {
        let span = spanned.span();
        self.lines.extend(span.start().line..=span.end().line);
    }
}

impl<'ast> Visit<'ast> for TestItems {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test_only(attributes(item)) {
            return syn::visit::visit_item(self, item);
        }
        self.take(item);
        if let syn::Item::Mod(module) = item
            && module.content.is_none()
        {
            self.modules.push(module.ident.to_string());
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        if !is_test_only(impl_attributes(item)) {
            return syn::visit::visit_impl_item(self, item);
        }
        self.take(item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if is_test_only(&field.attrs) {
            self.take(field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if is_test_only(&variant.attrs) {
            self.take(variant);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !is_test_only(&local.attrs) {
            return syn::visit::visit_local(self, local);
        }
        self.take(local);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::parse(path, text.to_owned()).unwrap()
    }

    #[test]
    fn test_items_are_not_counted() {
        let text = "//! Page.\nfn a() {}\n\n/// Doc.\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(source("src/a.rs", text).production_lines(), 3);
        let text = "fn a() {}\n#[cfg(all(test, unix))]\nfn b() {}\n#[cfg(any(test, unix))]\nfn c() {}\n";
        assert_eq!(source("src/a.rs", text).production_lines(), 3);
        let text = "impl A {\n    #[cfg(test)]\n    fn b() {\n    }\n    fn c() {}\n}\n";
        assert_eq!(source("src/a.rs", text).production_lines(), 3);
        assert_eq!(source("src/a.rs", "#[cfg(not(test))]\nfn a() {}\n").production_lines(), 2);
    }

    #[test]
    fn test_modules_in_their_own_files_are_tests() {
        let declares = source("crates/a/src/lib.rs", "#[cfg(test)]\nmod tests;\nmod real;\n");
        let tests: BTreeSet<String> = declares.test_modules().into_iter().collect();
        assert!(source("crates/a/src/tests.rs", "").is_test(&tests));
        assert!(source("crates/a/src/tests/mod.rs", "").is_test(&BTreeSet::new()));
        assert!(!source("crates/a/src/real.rs", "").is_test(&tests));
        let declares = source("crates/a/src/picker.rs", "#[cfg(test)] mod model;");
        let tests: BTreeSet<String> = declares.test_modules().into_iter().collect();
        assert!(source("crates/a/src/picker/model.rs", "").is_test(&tests));
        assert!(source("crates/a/src/picker/model/deep.rs", "").is_test(&tests));
        assert!(!source("crates/a/src/model.rs", "").is_test(&tests));
    }

    #[test]
    fn comments_are_told_from_strings() {
        let file = source(
            "a.rs",
            "fn a() {\n    b(\"http://x y z\");\n    c(); // because of this\n    // a full line\n    d(); // x\n}\n",
        );
        let comments = file.comments();
        let says: Vec<bool> = (1..=6).map(|line| comments.says_something(line)).collect();
        assert_eq!(says, [false, false, true, true, false, false]);
        assert!(comments.is_comment(4) && !comments.is_comment(3));
    }

    #[test]
    fn generated_files_say_so() {
        assert!(source("a.rs", "// @generated by x\n").is_generated());
        assert!(!source("a.rs", "const A: &str = \"@generated\";\n").is_generated());
    }
}
