//! Every `pub` has its documentation.
//!
//! Stricter than rustc's `missing_docs`, which sees only what can be reached from outside the crate: a `pub` that is not
//! reachable should be `pub(crate)`, or is about to be re-exported and needs its words anyway.

use std::collections::BTreeSet;

use syn::visit::Visit;

use super::source::{self, Source};
use super::{Finding, Rule};

/// Every undocumented `pub` outside tests. `documented` holds the paths of files that open with `//!`: such a page is the
/// documentation of a `pub mod`.
pub(crate) fn undocumented(source: &Source, documented: &BTreeSet<String>) -> Vec<Finding> {
    let mut visit = Undocumented { source, documented, found: Vec::new() };
    let root = source.path.ends_with("src/lib.rs") || source.path.ends_with("src/main.rs");
    if root && !source.has_front_page() {
        visit.miss(1, "crate", "front page");
    }
    visit.visit_file(&source.file);
    visit.found
}

struct Undocumented<'a> {
    source: &'a Source,
    documented: &'a BTreeSet<String>,
    found: Vec<Finding>,
}

impl Undocumented<'_> {
    fn miss(&mut self, line: usize, kind: &str, name: &str) {
        let message = format!("{kind} `{name}` is pub and undocumented");
        self.found.push(self.source.finding(Rule::Undocumented, line, name, 1, message));
    }

    fn want(
        &mut self,
        visibility: &syn::Visibility,
        attributes: &[syn::Attribute],
        kind: &str,
        name: &syn::Ident,
    ) {
        if is_pub(visibility) {
            self.want_docs(attributes, kind, name);
        }
    }

    fn want_docs(&mut self, attributes: &[syn::Attribute], kind: &str, name: &syn::Ident) {
        if !attributes.iter().any(|attribute| attribute.path().is_ident("doc")) {
            self.miss(name.span().start().line, kind, &name.to_string());
        }
    }

    fn item(&mut self, item: &syn::Item) {
        use syn::Item;
        match item {
            Item::Const(item) => self.want(&item.vis, &item.attrs, "const", &item.ident),
            Item::Enum(item) => self.want(&item.vis, &item.attrs, "enum", &item.ident),
            Item::Fn(item) => self.want(&item.vis, &item.attrs, "fn", &item.sig.ident),
            Item::Macro(item) => self.exported_macro(item),
            Item::Mod(item) => self.module(item),
            Item::Static(item) => self.want(&item.vis, &item.attrs, "static", &item.ident),
            Item::Struct(item) => self.want(&item.vis, &item.attrs, "struct", &item.ident),
            Item::Trait(item) => self.want(&item.vis, &item.attrs, "trait", &item.ident),
            Item::Type(item) => self.want(&item.vis, &item.attrs, "type", &item.ident),
            Item::Union(item) => self.want(&item.vis, &item.attrs, "union", &item.ident),
            _ => {}
        }
    }

    fn exported_macro(&mut self, item: &syn::ItemMacro) {
        let exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
        if let (true, Some(name)) = (exported, &item.ident) {
            self.want_docs(&item.attrs, "macro", name);
        }
    }

    fn module(&mut self, module: &syn::ItemMod) {
        let path = self.source.module(&module.ident.to_string());
        let has_page = [format!("{path}.rs"), format!("{path}/mod.rs")]
            .iter()
            .any(|file| self.documented.contains(file));
        if !has_page {
            self.want(&module.vis, &module.attrs, "mod", &module.ident);
        }
    }
}

impl<'ast> Visit<'ast> for Undocumented<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !source::is_test_only(source::attributes(item)) {
            self.item(item);
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if !is_pub(&item.vis) {
            return;
        }
        for variant in item.variants.iter().filter(|variant| !source::is_test_only(&variant.attrs)) {
            self.want_docs(&variant.attrs, "variant", &variant.ident);
            for field in &variant.fields {
                // What a positional field means is said by its variant.
                if let Some(name) = &field.ident {
                    self.want_docs(&field.attrs, "field", name);
                }
            }
        }
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        if is_pub(&item.vis) {
            for part in &item.items {
                match part {
                    syn::TraitItem::Const(part) => self.want_docs(&part.attrs, "const", &part.ident),
                    syn::TraitItem::Fn(part) => self.want_docs(&part.attrs, "fn", &part.sig.ident),
                    syn::TraitItem::Type(part) => self.want_docs(&part.attrs, "type", &part.ident),
                    _ => {}
                }
            }
        }
        syn::visit::visit_item_trait(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        if source::is_test_only(source::impl_attributes(item)) {
            return;
        }
        match item {
            syn::ImplItem::Const(item) => self.want(&item.vis, &item.attrs, "const", &item.ident),
            syn::ImplItem::Fn(item) => self.want(&item.vis, &item.attrs, "fn", &item.sig.ident),
            syn::ImplItem::Type(item) => self.want(&item.vis, &item.attrs, "type", &item.ident),
            _ => {}
        }
        syn::visit::visit_impl_item(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let (Some(name), false) = (&field.ident, source::is_test_only(&field.attrs)) {
            self.want(&field.vis, &field.attrs, "field", name);
        }
    }
}

/// `pub`, and not `pub(crate)` or narrower.
fn is_pub(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(text: &str) -> Vec<String> {
        let source = Source::parse("crates/a/src/a.rs", text.to_owned()).unwrap();
        let documented = BTreeSet::from(["crates/a/src/a/paged.rs".to_owned()]);
        undocumented(&source, &documented).into_iter().map(|finding| finding.item).collect()
    }

    #[test]
    fn every_kind_of_pub_counts() {
        let text = "pub const A: u8 = 1; pub enum B { C, D { e: u8 } } pub fn f() {} pub mod g {} pub static H: u8 = 1;\
                    pub struct I { pub j: u8, k: u8 } pub trait L { const M: u8; type N; fn o(); } pub type P = u8;\
                    impl I { pub fn q() {} fn r() {} } #[macro_export] macro_rules! s { () => {} }";
        let expected = "A B C D e f g H I j L M N o P q s".split(' ').collect::<Vec<_>>();
        assert_eq!(missing(text), expected);
    }

    #[test]
    fn what_is_documented_or_not_public_passes() {
        let text = "/// A.\npub struct A(pub u8); pub(crate) struct B { pub(crate) c: u8 } enum D { E }\n\
                    #[cfg(test)]\npub fn f() {}\npub use g::h;\npub mod paged;\nimpl I for J { fn k() {} }\n";
        assert_eq!(missing(text), Vec::<String>::new());
    }

    #[test]
    fn a_crate_has_a_front_page() {
        let source = Source::parse("crates/a/src/lib.rs", "mod b;\n".to_owned()).unwrap();
        assert_eq!(undocumented(&source, &BTreeSet::new())[0].item, "front page");
    }
}
