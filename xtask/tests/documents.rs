//! What documents name is there: files behind links, tests, quoted code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

#[test]
fn links_lead_to_files() -> Result<()> {
    let workspace = workspace()?;
    let mut missing = Vec::new();
    for document in files_of("md")? {
        let text = fs::read_to_string(&document)?;
        let folder = document.parent().context("a document lies in a folder")?;
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
        let paths = targets.filter(|target| !target.is_empty() && !target.contains("://"));
        let shown = document.strip_prefix(&workspace)?.display();
        missing.extend(paths.filter(|path| !folder.join(path).exists()).map(|path| format!("{shown}: {path}")));
    }
    ensure!(missing.is_empty(), "no such file:\n{}", missing.join("\n"));
    Ok(())
}

#[test]
fn tests_that_prove_the_protocol_are_there() -> Result<()> {
    let mut there = BTreeSet::new();
    for file in files_of("rs")? {
        there.insert(file.file_name().context("a file has a name")?.to_string_lossy().into_owned());
        let text = fs::read_to_string(&file)?;
        there.extend(text.split("fn ").skip(1).filter_map(|rest| Some(rest.split_once(['(', '<'])?.0.to_owned())));
    }
    let text = fs::read_to_string(workspace()?.join("docs/protocol.md"))?;
    let is_test = |word: &&str| word.matches('_').count() > 2 || word.ends_with(".rs");
    let named: Vec<&str> = quoted(&text).filter(|word| is_word(word)).filter(is_test).collect();
    ensure!(named.len() > 20, "only {} tests are named", named.len());
    let missing: Vec<&&str> = named.iter().filter(|name| !there.contains(**name)).collect();
    ensure!(missing.is_empty(), "no such test: {missing:?}");
    Ok(())
}

/// A block of Rust behind a link to a file stands in that file.
#[test]
fn examples_of_style_are_the_codes_own() -> Result<()> {
    let workspace = workspace()?;
    let text = fs::read_to_string(workspace.join("CONTRIBUTING.md"))?;
    let parts: Vec<&str> = text.split("```").collect();
    let examples = parts.windows(2).filter_map(|pair| Some((pair[0], pair[1].strip_prefix("rust\n")?)));
    let mut count = 0;
    for (before, example) in examples {
        let path = before.rsplit("](").next().and_then(|rest| rest.split(')').next()).context("no link before it")?;
        let code = fs::read_to_string(workspace.join(path)).with_context(|| path.to_owned())?;
        ensure!(without_indent(&code).contains(&without_indent(example)), "{path} does not have:\n{example}");
        count += 1;
    }
    ensure!(count == 3, "{count} examples were found");
    Ok(())
}

#[test]
fn what_the_architecture_names_is_there() -> Result<()> {
    let workspace = workspace()?;
    let text = fs::read_to_string(workspace.join("ARCHITECTURE.md"))?;
    let missing: Vec<&str> =
        quoted(&text).filter(|word| word.contains('/') && !workspace.join(word).exists()).collect();
    ensure!(missing.is_empty(), "no such file or folder: {missing:?}");
    Ok(())
}

/// A stranger's walk: from each file of an answer, the name of the next one leads there.
#[test]
fn every_answer_is_at_most_three_files_away() -> Result<()> {
    let workspace = workspace()?;
    let text = fs::read_to_string(workspace.join("ARCHITECTURE.md"))?;
    let answers = text.lines().filter(|line| line.starts_with("| ") && line.contains("? | `"));
    let mut count = 0;
    for answer in answers {
        let steps: Vec<&Path> = quoted(answer).map(Path::new).collect();
        ensure!((1..=3).contains(&steps.len()), "{} files: {answer}", steps.len());
        for pair in steps.windows(2) {
            let here = fs::read_to_string(workspace.join(pair[0]))?;
            let next = pair[1].file_stem().context("a file has a name")?.to_string_lossy().replace('_', "");
            let is_named = here.to_lowercase().replace('_', "").contains(&next);
            ensure!(is_named, "{} does not name {}", pair[0].display(), pair[1].display());
        }
        count += 1;
    }
    ensure!(count >= 10, "{count} questions");
    Ok(())
}

/// Each page of `docs` is in the book, and what the book lists is there.
#[test]
fn the_book_has_all_pages() -> Result<()> {
    let folder = workspace()?.join("docs");
    let summary = fs::read_to_string(folder.join("SUMMARY.md"))?;
    let listed: BTreeSet<String> =
        summary.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect();
    let mut there = BTreeSet::new();
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        there.extend(Some(name).filter(|name| name.ends_with(".md") && name != "SUMMARY.md"));
    }
    ensure!(listed == there, "not in both of SUMMARY.md and the folder: {:?}", listed.symmetric_difference(&there));
    Ok(())
}

/// A stranger finds there how to install it, and how its tests are run.
#[test]
fn the_readme_is_short_and_says_what_is_needed_first() -> Result<()> {
    let text = fs::read_to_string(workspace()?.join("README.md"))?;
    ensure!(text.lines().count() <= 200, "it has {} lines: more belongs into docs", text.lines().count());
    for words in ["cargo install --path ckpt-cli", "ckpt doctor", "`cargo xtask test`", "docs/tutorial.md"] {
        ensure!(text.contains(words), "README.md does not say {words}");
    }
    Ok(())
}

fn without_indent(code: &str) -> String {
    code.lines().map(|line| line.trim_start().to_owned() + "\n").collect()
}

/// What stands between backticks in a line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
}

/// All files of this ending, except what cargo builds.
fn files_of(ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![workspace()?];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn workspace() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?.to_owned())
}
