//! `--html`: an archive as a page for a browser.
//!
//! The page asks nobody for anything: it has no scripts, no images, no fonts, and forbids them. Words of the archive are
//! escaped twice: what does not print, by `printable`; what means something in HTML, by maud.

mod changes;
mod facts;
mod processes;
mod rights;
mod say;
mod squarify;
mod treemap;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use ckpt_core::archive::Import;
use ckpt_core::inspect::{Picture, picture};
use ckpt_core::output::Output;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::messages::print_text;
use crate::spool;
use say::text;

/// Nothing may be loaded from anywhere; styles are in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Writes the page of the archive `import` to `path`, or to standard output for `-`.
pub(super) fn write(path: &Path, import: &Import, environment: bool) -> Result<()> {
    let page = page(&picture(import, &spool::folder(), environment)?).into_string();
    if path == Path::new("-") {
        return print_text(page);
    }
    // It may have secrets of the container: like the archive, it is for nobody else.
    let output = Output::create(path)?;
    output.file().write_all(page.as_bytes()).with_context(|| format!("write {}", path.display()))?;
    Ok(output.publish_unsynced()?)
}

fn page(picture: &Picture) -> Markup {
    let inspection = &picture.inspection;
    let processes = inspection.inside.processes.as_deref().unwrap_or_default();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (text(&inspection.name)) " – checkpoint" }
                style { (PreEscaped(include_str!("page/style.css"))) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header { (facts::header(picture)) }
                nav aria-label="Parts of this page" {
                    a href="#bytes" { "Bytes" }
                    a href="#processes" { "Processes" }
                    a href="#rights" { "Rights" }
                    a href="#mounts" { "Mounts" }
                    a href="#changes" { "Changes" }
                    a href="#making" { "Making" }
                }
                main #main {
                    (treemap::section(&picture.shares))
                    (processes::section(processes))
                    (rights::section(picture))
                    (rights::mounts(picture))
                    (changes::section(&picture.changes))
                    (facts::making(picture))
                }
                footer { "Made by " code { "ckpt inspect --html" } ". This page loads nothing from anywhere." }
            }
        }
    }
}

#[cfg(test)]
mod tests;
