//! `--exclude`: patterns as GNU tar reads them.
//!
//! A pattern stands for one or more whole names of a path, and matches wherever a name begins. What is below a match is
//! left out as well. Wildcards are those of the shell, but they match slashes too. `./a` and `/a` match only at the
//! beginning of a path in the archive, as with `tar -c .` and `tar -cP /`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// All patterns of a command line.
pub(super) struct Excluded<'p> {
    patterns: Vec<Pattern<'p>>,
}

struct Pattern<'p> {
    text: &'p str,
    globs: GlobSet,
    was_used: AtomicBool,
}

impl<'p> Excluded<'p> {
    pub(super) fn new(patterns: &'p [String]) -> Result<Self> {
        let patterns = patterns.iter().map(|text| {
            let globs = globs(text).with_context(|| format!("--exclude {text:?}"))?;
            Ok(Pattern { text, globs, was_used: AtomicBool::new(false) })
        });
        Ok(Excluded { patterns: patterns.collect::<Result<_>>()? })
    }

    /// Whether a member of this path is left out, given that nothing above it is.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        // All are asked, so that each one that matches anything is known.
        self.patterns.iter().filter(|pattern| pattern.matches(path)).count() > 0
    }

    /// Whether this path, or anything above it, is left out.
    pub(super) fn has_any_of(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        let mut above = path.ancestors().map(|path| path.as_os_str().as_bytes()).filter(|path| !path.is_empty());
        above.any(|path| self.has(path))
    }

    /// Patterns that nothing matched so far.
    pub(super) fn unused(&self) -> impl Iterator<Item = &'p str> {
        self.patterns.iter().filter(|pattern| !pattern.was_used.load(Ordering::Relaxed)).map(|pattern| pattern.text)
    }
}

impl Pattern<'_> {
    fn matches(&self, path: &[u8]) -> bool {
        let matches = self.globs.is_match(Path::new(OsStr::from_bytes(path)));
        if matches {
            self.was_used.store(true, Ordering::Relaxed);
        }
        matches
    }
}

fn globs(pattern: &str) -> Result<GlobSet> {
    let anchored = pattern.strip_prefix("./").or(pattern.strip_prefix('/'));
    let named = anchored.unwrap_or(pattern).trim_end_matches('/');
    // As of a variable that is not set.
    ensure!(!named.is_empty(), "a pattern without a name would exclude nothing: leave it away, or write the name");
    let glob = glob(named)?;
    let mut globs = GlobSetBuilder::new();
    let mut add = |glob: &str| -> Result<()> {
        globs.add(GlobBuilder::new(glob).literal_separator(false).backslash_escape(true).build()?);
        Ok(())
    };
    add(&glob)?;
    if anchored.is_none() {
        add(&format!("*/{glob}"))?;
    }
    Ok(globs.build()?)
}

/// A pattern of fnmatch(3) in the language of `globset`, to which braces and `**` are something special.
fn glob(pattern: &str) -> Result<String> {
    let mut glob = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '*' => rest.len() - rest.trim_start_matches('*').len(),
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '[' => class_len(rest).unwrap_or(1),
            other => other.len_utf8(),
        };
        match &rest[..len] {
            class if class.contains("[:") => {
                bail!("character classes such as {class} are not supported: write the characters one by one, as [abc]")
            }
            "[" | "{" | "}" => glob += &format!("[{first}]"),
            _ if first == '*' => glob.push('*'),
            other => glob += other,
        }
        rest = &rest[len..];
    }
    Ok(glob)
}

/// The length of `[…]`, brackets included; `]` may be the first character in it. What does not end is no class.
fn class_len(pattern: &str) -> Option<usize> {
    let inside = pattern[1..].trim_start_matches(['!', '^']);
    let start = pattern.len() - inside.len() + usize::from(inside.starts_with(']'));
    pattern.get(start..)?.find(']').map(|end| start + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_paths_and_beginnings() {
        for (pattern, matched, others) in [
            ("*.o", &["a/b.o", "b.o"][..], &["b.ox", "b.o/c"][..]),
            ("a/b", &["a/b", "x/a/b"], &["xa/b", "a", "a/bc"]),
            ("./a", &["a"], &["x/a"]),
            ("/a/", &["a"], &["x/a"]),
            ("a*c", &["abc", "a/b/c", "x/ac"], &["abcd"]),
            ("a/**", &["a/b", "a/b/c", "x/a/b"], &["a"]),
            ("[!b-z]?", &["a1", "x/a/"], &["b1"]),
            ("{a,b}", &["{a,b}"], &["a", "b"]),
            (r"\*[]]", &["*]"], &["a]"]),
            ("a[b", &["a[b"], &["ab"]),
        ] {
            let patterns = [pattern.to_owned()];
            let excluded = Excluded::new(&patterns).unwrap();
            assert_eq!(excluded.unused().collect::<Vec<_>>(), [pattern]);
            for path in others {
                assert!(!excluded.has(path.as_bytes()), "{pattern} {path}");
            }
            for path in matched {
                assert!(excluded.has(path.as_bytes()), "{pattern} {path}");
            }
            assert_eq!(excluded.unused().count(), 0);
        }
        for wrong in ["[[:alpha:]]", "", "/", "./", "//"] {
            assert!(Excluded::new(&[wrong.to_owned()]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_lies_above_a_path_counts_as_well() {
        let patterns = ["b".to_owned()];
        let excluded = Excluded::new(&patterns).unwrap();
        assert!(excluded.has_any_of(b"a/b/c") && !excluded.has_any_of(b"a/c"));
    }
}
