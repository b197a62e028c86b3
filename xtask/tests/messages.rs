//! Every message of an error stands in `docs/messages.md`, under what to do about it, and reads like the others.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, LitStr, Macro};

const PAGE: &str = "docs/messages.md";

/// Crates whose words people see.
const CRATES: [&str; 4] = ["aligntar", "layerfs", "ckpt-core", "ckpt-cli"];

/// The longest message that a person reads to its end.
const LONGEST: usize = 330;

#[test]
fn each_message_is_explained() -> Result<()> {
    let said = messages()?;
    ensure!(said.len() > 300, "only {} messages were found", said.len());
    let page = fs::read_to_string(workspace()?.join(PAGE))?;
    let items: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("- ")).map(unquoted).collect();
    let explained: BTreeSet<String> = items.iter().map(|item| (*item).to_owned()).collect();
    ensure!(explained.len() == items.len(), "{PAGE} has a message twice");
    let missing: Vec<&String> = said.difference(&explained).collect();
    ensure!(missing.is_empty(), "put each of these into {PAGE}, under what to do about it:\n{}", listed(&missing));
    let stale: Vec<&String> = explained.difference(&said).collect();
    ensure!(stale.is_empty(), "nothing says these any more, take them out of {PAGE}:\n{}", listed(&stale));
    Ok(())
}

/// As `docs/messages.md` is arranged: no part without advice.
#[test]
fn each_part_of_the_page_says_what_to_do() -> Result<()> {
    let page = fs::read_to_string(workspace()?.join(PAGE))?;
    for part in page.split("\n## ").skip(1) {
        let (title, rest) = part.split_once('\n').context("a part has lines")?;
        ensure!(rest.trim_start().find("- `").is_some_and(|advice| advice > 80), "{title} gives no advice");
    }
    Ok(())
}

#[test]
fn messages_read_alike() -> Result<()> {
    let mut odd = Vec::new();
    for message in messages()? {
        let lower = message.to_lowercase();
        let rules = [
            (message.ends_with(['.', '!', ':']), "ends with a mark"),
            (["failed to ", "unable to ", "error:", "oops"].iter().any(|word| lower.contains(word)), "says nothing"),
            (message.contains('\n') && !message.contains("pax record"), "has more than one line"),
            (message.chars().count() > LONGEST, "is too long"),
            (begins_a_sentence(&message), "begins with a capital"),
        ];
        odd.extend(rules.iter().filter(|(is_so, _)| *is_so).map(|(_, what)| format!("{what}: {message}")));
    }
    ensure!(odd.is_empty(), "{}", odd.join("\n"));
    Ok(())
}

/// Names such as CRIU and FICLONERANGE have more than one capital.
fn begins_a_sentence(message: &str) -> bool {
    let mut characters = message.chars();
    characters.next().is_some_and(char::is_uppercase) && characters.next().is_some_and(char::is_lowercase)
}

fn listed(messages: &[&String]) -> String {
    messages.iter().map(|message| format!("- `{message}`")).collect::<Vec<_>>().join("\n")
}

/// What stands between backticks, of which there are two where there is one in it.
fn unquoted(item: &str) -> &str {
    match item.strip_prefix("``") {
        Some(rest) => rest.strip_prefix(' ').unwrap_or(rest).trim_end_matches(" ``"),
        None => item.trim_matches('`'),
    }
}

/// All messages, with an ellipsis for each name or number in them; those without a word of their own are left out.
fn messages() -> Result<BTreeSet<String>> {
    let mut found = Found::default();
    for name in CRATES {
        for file in files_below(&workspace()?.join(name))? {
            found.is_command = file.to_string_lossy().contains("/ckpt-cli/src/");
            let text = fs::read_to_string(&file)?;
            found.visit_file(&syn::parse_file(&text).with_context(|| file.display().to_string())?);
        }
    }
    Ok(found.messages.iter().map(|message| shortened(message)).filter(|message| has_words(message)).collect())
}

#[derive(Default)]
struct Found {
    messages: Vec<String>,
    /// Whether this is the command itself, whose messages stand in macros.
    is_command: bool,
}

impl<'ast> Visit<'ast> for Found {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("error")
            && let Ok(list) = attribute.meta.require_list()
        {
            self.messages.extend(first_text(&list.tokens));
        }
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        let is_error = ["bail", "anyhow", "ensure"].iter().any(|name| called.path.is_ident(name));
        if self.is_command && is_error {
            self.messages.extend(first_text(&called.tokens));
        }
        visit::visit_macro(self, called);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !module.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")) || module.content.is_none() {
            visit::visit_item_mod(self, module);
        }
    }
}

/// The first string that is no part of a group.
fn first_text(tokens: &TokenStream) -> Option<String> {
    tokens.clone().into_iter().find_map(|token| match token {
        TokenTree::Literal(literal) => syn::parse_str::<LitStr>(&literal.to_string()).ok().map(|text| text.value()),
        _ => None,
    })
}

/// `{name}` as `…`, `{{` as `{`.
fn shortened(message: &str) -> String {
    let mut short = String::new();
    let mut rest = message;
    while let Some(at) = rest.find(['{', '}']) {
        short += &rest[..at];
        let brace = &rest[at..];
        rest = if brace.starts_with("{{") || brace.starts_with("}}") {
            short += &brace[..1];
            &brace[2..]
        } else {
            short.push('…');
            brace.split_once('}').map_or("", |(_, rest)| rest)
        };
    }
    short + rest
}

fn has_words(message: &str) -> bool {
    message.chars().any(|character| character.is_ascii_lowercase())
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_code = !path.ends_with("tests") && !path.ends_with("examples") && !path.ends_with("benches");
        if path.is_dir() && is_code {
            found.extend(files_below(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

fn workspace() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?.to_owned())
}
