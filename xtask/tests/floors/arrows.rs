//! From the paths in the code to arrows between modules.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::source::Module;

/// Re-exports of re-exports beyond this many are taken for a circle of names.
const MAX_REEXPORTS: usize = 16;

/// One module names something that another defines.
#[derive(Clone)]
pub(crate) struct Arrow {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) names: String,
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.names)
    }
}

/// The first arrow from each module to each other.
pub(crate) fn arrows(modules: &[Module]) -> BTreeMap<(usize, usize), Arrow> {
    let mut arrows = BTreeMap::new();
    for (from, module) in modules.iter().enumerate() {
        for mention in &module.mentions {
            let Some(to) = defined_in(modules, from, &mention.path, MAX_REEXPORTS) else { continue };
            if to != from {
                arrows.entry((from, to)).or_insert_with(|| Arrow {
                    from,
                    to,
                    names: mention.path.join("::"),
                    file: module.file.clone(),
                    line: mention.line,
                });
            }
        }
    }
    arrows
}

/// The same between rooms: modules at the crate's root, each with all that is below it.
///
/// A room goes by the index of its first module. The crate's root is in none.
pub(crate) fn between_rooms(
    modules: &[Module],
    arrows: &BTreeMap<(usize, usize), Arrow>,
) -> BTreeMap<(usize, usize), Arrow> {
    let room_of = |module: usize| modules[0].children.get(modules[module].room()).copied();
    let mut between = BTreeMap::new();
    for arrow in arrows.values() {
        if let (Some(from), Some(to)) = (room_of(arrow.from), room_of(arrow.to))
            && from != to
        {
            between.entry((from, to)).or_insert_with(|| Arrow { from, to, ..arrow.clone() });
        }
    }
    between
}

/// The module that defines what `path` stands for in `module`; none where it is another crate's or a local name.
///
/// A name that a module only re-exports is followed to where it is defined.
fn defined_in(modules: &[Module], module: usize, path: &[String], reexports: usize) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    let start = match first.as_str() {
        "crate" => 0,
        "self" => module,
        "super" => modules[module].parent?,
        // A type or a function of the module itself, or of none of ours.
        name if !modules[module].children.contains_key(name) && !modules[module].imports.contains_key(name) => {
            return None;
        }
        _ => return step(modules, module, path, reexports),
    };
    step(modules, start, rest, reexports)
}

fn step(modules: &[Module], module: usize, path: &[String], reexports: usize) -> Option<usize> {
    let Some((first, rest)) = path.split_first() else { return Some(module) };
    if first == "super" {
        return step(modules, modules[module].parent?, rest, reexports);
    }
    if let Some(child) = modules[module].children.get(first) {
        return step(modules, *child, rest, reexports);
    }
    match modules[module].imports.get(first) {
        Some(import) => {
            let path: Vec<String> = import.iter().chain(rest).cloned().collect();
            defined_in(modules, module, &path, reexports.checked_sub(1)?)
        }
        None => Some(module),
    }
}
