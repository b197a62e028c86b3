//! What the container has changed in its image's files.

use ckpt_core::inspect::Changes;
use indicatif::HumanBytes;
use maud::{Markup, html};

use super::say::{count, counted};
use crate::commands::inspect::words::path_words;

/// Largest files that are shown.
const SHOWN: usize = 25;

pub(super) fn section(changes: &Changes) -> Markup {
    let Changes { files, directories, others, deleted, largest, deleted_paths } = changes;
    html! {
        section #changes {
            h2 { "What it has changed" }
            p.lead {
                "Written: " (counted(*files, "file", "files")) ", "
                (counted(*directories, "directory", "directories")) ", " (counted(*others, "other", "others"))
                ". Deleted: " (counted(*deleted, "path of the image", "paths of the image")) "."
            }
            @if !largest.is_empty() {
                h3 { "The largest files" }
                div.scroll { table {
                    @for file in largest.iter().take(SHOWN) {
                        tr { td.break { (path_words(&file.path.0)) } td.number { (HumanBytes(file.bytes)) } }
                    }
                } }
            }
            @if !deleted_paths.is_empty() {
                details {
                    summary { "Deleted paths" }
                    ul.plain { @for path in deleted_paths { li { code.break { (path_words(&path.0)) } } } }
                    @if *deleted > deleted_paths.len() as u64 {
                        p.note { "And " (count(*deleted - deleted_paths.len() as u64)) " more." }
                    }
                }
            }
        }
    }
}
