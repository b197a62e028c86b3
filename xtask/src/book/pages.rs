//! The pages of the book: those of `docs`, the README, and what these link to elsewhere in the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

const CONFIGURATION: &str = include_str!("book.toml");

/// Puts all pages below `folder` as they lie below `root`, so that links between them lead where they lead there, with a
/// table of contents and the configuration of mdbook. What was in `folder` is gone.
pub(super) fn gather(root: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let contents = read(&root.join("docs/SUMMARY.md"))?;
    let mut wanted = vec![PathBuf::from("README.md")];
    wanted.extend(links(&contents).map(|page| Path::new("docs").join(page)));
    let listed: BTreeSet<PathBuf> = wanted.iter().cloned().collect();
    let mut gathered = BTreeSet::new();
    while let Some(path) = wanted.pop() {
        if gathered.contains(&path) {
            continue;
        }
        copy(&root.join(&path), &folder.join(&path))?;
        if is_page(&path) {
            let beside = path.parent().unwrap_or(Path::new(""));
            let targets = links(&read(&root.join(&path))?).map(|link| plain(&beside.join(link))).collect::<Vec<_>>();
            wanted.extend(targets.into_iter().filter(|target| root.join(target).is_file()));
        }
        gathered.insert(path);
    }
    let others = gathered.difference(&listed).filter(|path| is_page(path));
    let summary = summary(&contents, others, root)?;
    write(&folder.join("SUMMARY.md"), &summary)?;
    write(&folder.join("book.toml"), CONFIGURATION)
}

/// The README, the contents of `docs`, and the `others`.
fn summary<'p>(contents: &str, others: impl Iterator<Item = &'p PathBuf>, root: &Path) -> Result<String> {
    let mut summary = contents.replace("](", "](docs/").replacen("\n\n", "\n\n[ckpt](README.md)\n", 1);
    summary += "\n# From the repository\n\n";
    for path in others {
        let page = read(&root.join(path))?;
        let title = page.lines().find_map(|line| line.strip_prefix("# ")).context("a page has a title")?;
        summary += &format!("- [{title}]({})\n", path.display());
    }
    Ok(summary)
}

/// Where `page` links to within the repository, without what stands behind a `#`.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://"))
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// Without `..`, which leaves out the name before it.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let parent = to.parent().context("a page lies in a folder")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {}", from.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_links_to_comes_along_and_keeps_its_place() -> Result<()> {
        let (root, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
        for (path, text) in [
            ("README.md", "# tool\n[a](docs/a.md#part) [b](https://example.com/x.md) [c](src/lib.rs)"),
            ("docs/SUMMARY.md", "# Summary\n\n[A](a.md)\n"),
            ("docs/a.md", "# A\n[more](../part/docs/more.md) ![picture](a.svg) [folder](../src)"),
            ("docs/a.svg", "<svg/>"),
            ("docs/unnamed.md", "# Nobody links to it"),
            ("part/docs/more.md", "# More\n[back](../../docs/a.md)"),
            ("src/lib.rs", "//! Code."),
        ] {
            fs::create_dir_all(root.path().join(path).parent().context("a folder")?)?;
            write(&root.path().join(path), text)?;
        }
        gather(root.path(), folder.path())?;
        for there in ["README.md", "docs/a.md", "docs/a.svg", "part/docs/more.md", "src/lib.rs", "book.toml"] {
            assert!(folder.path().join(there).is_file(), "{there}");
        }
        assert!(!folder.path().join("docs/unnamed.md").exists());
        let summary = read(&folder.path().join("SUMMARY.md"))?;
        let expected =
            "# Summary\n\n[ckpt](README.md)\n[A](docs/a.md)\n\n# From the repository\n\n- [More](part/docs/more.md)\n";
        assert_eq!(summary, expected);
        Ok(())
    }
}
