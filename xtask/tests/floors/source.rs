//! The modules of a crate as its files declare them, read without building anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::names::{self, FileNames, Mention};

/// One file of a crate.
pub(crate) struct Module {
    /// `checkpoint::dump`, or `lib` and `main` of the crate's root.
    pub(crate) name: String,
    /// Seen from the workspace.
    pub(crate) file: PathBuf,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    /// What its `use` declarations bring in, by the name that they give it.
    pub(crate) imports: BTreeMap<String, Vec<String>>,
    /// The paths in its code.
    pub(crate) mentions: Vec<Mention>,
}

impl Module {
    /// The module at the crate's root that it is, or lies in.
    pub(crate) fn room(&self) -> &str {
        self.name.split("::").next().unwrap_or(&self.name)
    }
}

/// Every module of the crate whose lib.rs or main.rs is `root`, a path below `workspace`; the root comes first.
pub(crate) fn read_crate(workspace: &Path, root: &str) -> Result<Vec<Module>> {
    let root = Path::new(root);
    let name = root.file_stem().and_then(|stem| stem.to_str()).context("a root file has a name")?;
    let folder = root.parent().context("a root file lies in a folder")?;
    let mut crate_files = CrateFiles { workspace, modules: Vec::new() };
    crate_files.read(name.to_owned(), root, folder, None)?;
    Ok(crate_files.modules)
}

struct CrateFiles<'a> {
    workspace: &'a Path,
    modules: Vec<Module>,
}

impl CrateFiles<'_> {
    /// Reads a module and those that it declares, whose files are in `folder`.
    fn read(&mut self, name: String, file: &Path, folder: &Path, parent: Option<usize>) -> Result<usize> {
        let text =
            fs::read_to_string(self.workspace.join(file)).with_context(|| format!("cannot read {}", file.display()))?;
        let FileNames { declared, imports, mentions } =
            names::read(&text).with_context(|| format!("cannot parse {}", file.display()))?;
        let index = self.modules.len();
        let prefix = if parent.is_some() { format!("{name}::") } else { String::new() };
        self.modules.push(Module { name, file: file.to_owned(), parent, children: BTreeMap::new(), imports, mentions });
        for child in declared {
            let child_file = folder.join(format!("{child}.rs"));
            let child_index = self.read(format!("{prefix}{child}"), &child_file, &folder.join(&child), Some(index))?;
            self.modules[index].children.insert(child, child_index);
        }
        Ok(index)
    }
}
