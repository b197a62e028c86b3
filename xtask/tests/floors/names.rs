//! What one file declares, imports and mentions. Code under `#[cfg(test)]` does not count: tests may look anywhere.

use std::collections::BTreeMap;

use anyhow::Result;
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, Macro, Meta, UseTree, Visibility};

#[derive(Default)]
pub(crate) struct FileNames {
    /// Modules that are files of their own.
    pub(crate) declared: Vec<String>,
    /// What each name stands for that a `use` declaration brings in.
    pub(crate) imports: BTreeMap<String, Vec<String>>,
    pub(crate) mentions: Vec<Mention>,
}

/// A path as the code spells it, and the line where it does.
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

pub(crate) fn read(text: &str) -> Result<FileNames> {
    let mut names = FileNames::default();
    names.visit_file(&syn::parse_file(text)?);
    Ok(names)
}

impl FileNames {
    fn import(&mut self, tree: &UseTree, path: &mut Vec<String>, is_reexport: bool) {
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.import(&step.tree, path, is_reexport);
                path.pop();
            }
            UseTree::Name(last) if last.ident == "self" => {
                let name = path.last().cloned().unwrap_or_default();
                self.bind(name, path.clone(), last.ident.span().start().line, is_reexport);
            }
            UseTree::Name(last) => {
                let name = last.ident.to_string();
                self.bind(name.clone(), joined(path, name), last.ident.span().start().line, is_reexport);
            }
            UseTree::Rename(last) => {
                let path = joined(path, last.ident.to_string());
                self.bind(last.rename.to_string(), path, last.ident.span().start().line, is_reexport);
            }
            UseTree::Glob(all) => {
                let line = all.star_token.span.start().line;
                self.mentions.push(Mention { path: path.clone(), line });
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, path, is_reexport);
                }
            }
        }
    }

    fn bind(&mut self, name: String, path: Vec<String>, line: usize, is_reexport: bool) {
        // A table of contents is not a user of what it lists.
        if !is_reexport {
            self.mentions.push(Mention { path: path.clone(), line });
        }
        self.imports.insert(name, path);
    }

    /// Paths in the words of a macro or an attribute, which have no grammar of their own.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) if !path.is_empty() && colons == 2 => path.push(word.to_string()),
                TokenTree::Ident(word) => {
                    self.mention(&mut path, line);
                    line = word.span().start().line;
                    path = vec![word.to_string()];
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.mention(&mut path, line);
                    self.scan(group.stream());
                }
                _ => self.mention(&mut path, line),
            }
            colons = 0;
        }
        self.mention(&mut path, line);
    }

    /// A single word in a macro may be anything, a path of several is one.
    fn mention(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.mentions.push(Mention { path, line });
        }
    }
}

impl<'ast> Visit<'ast> for FileNames {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.content.is_none() {
            self.declared.push(module.ident.to_string());
        }
        visit::visit_item_mod(self, module);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, &mut Vec::new(), is_reexport);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let (None, Some(first)) = (path.leading_colon, path.segments.first()) {
            self.mentions.push(Mention { path: words, line: first.ident.span().start().line });
        }
        visit::visit_path(self, path);
    }

    /// `pub(in path)` says who may look in, not what is used.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.scan(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.scan(list.tokens.clone());
        }
    }
}

fn joined(path: &[String], last: String) -> Vec<String> {
    path.iter().cloned().chain([last]).collect()
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

fn attributes(item: &syn::Item) -> &[Attribute] {
    match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        _ => &[],
    }
}
