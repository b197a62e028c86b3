//! Paths from an untrusted archive, as plain names that cannot leave the directory they start in.

use std::borrow::Borrow;
use std::sync::Arc;

/// Bytes of the longest path that is used: as long as a pax header may be ([`PAX_BODY_LIMIT`](crate::PAX_BODY_LIMIT)).
const LONGEST: usize = 1 << 20;

/// Why a path from an archive is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// It holds a NUL byte, which no name can.
    #[error("it holds a NUL byte")]
    Nul,
    /// One of its components is `..`.
    #[error("it has a component \"..\"")]
    DotDot,
    /// It is longer than 1 MiB, as no reader takes it from a pax header.
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
}

/// A path of plain names below the root: relative, without `.`, `..`, empty components or NUL; empty for the root.
/// Clones share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SafePath(Arc<[u8]>);

impl SafePath {
    /// `path` with leading slashes and `.` taken off, as GNU tar does.
    pub(crate) fn new(path: &[u8]) -> Result<Self, BadPath> {
        if path.is_empty() {
            return Err(BadPath::Empty);
        }
        if path.contains(&0) {
            return Err(BadPath::Nul);
        }
        let mut plain = Vec::with_capacity(path.len().min(LONGEST));
        for name in path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b".")) {
            if name == b".." {
                return Err(BadPath::DotDot);
            }
            if !plain.is_empty() {
                plain.push(b'/');
            }
            plain.extend_from_slice(name);
        }
        if plain.len() > LONGEST { Err(BadPath::TooLong) } else { Ok(SafePath(plain.into())) }
    }

    /// Directory and name; `None` for the root.
    pub(crate) fn split(&self) -> Option<(&[u8], &[u8])> {
        if self.0.is_empty() {
            return None;
        }
        match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => Some((&self.0[..slash], &self.0[slash + 1..])),
            None => Some((b"", &self.0)),
        }
    }

    /// `name`, itself a safe path, below this directory.
    pub(crate) fn join(&self, name: &[u8]) -> Self {
        let slash: &[u8] = if self.0.is_empty() { b"" } else { b"/" };
        SafePath([&self.0[..], slash, name].concat().into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for SafePath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_what_leads_nowhere() {
        let long = vec![b'x'; LONGEST + 1];
        type Case<'a> = (&'a [u8], Result<&'a [u8], BadPath>);
        let cases: [Case<'_>; 11] = [
            (b"a/b", Ok(b"a/b")),
            (b"/a//./b/", Ok(b"a/b")),
            (b".", Ok(b"")),
            (b"/", Ok(b"")),
            (b"..", Err(BadPath::DotDot)),
            (b"a/../b", Err(BadPath::DotDot)),
            (b"", Err(BadPath::Empty)),
            (b"a\0b", Err(BadPath::Nul)),
            (b"..a/b..", Ok(b"..a/b..")),
            (&long, Err(BadPath::TooLong)),
            (&long[1..], Ok(&long[1..])),
        ];
        for (path, expected) in cases {
            assert_eq!(SafePath::new(path).as_ref().map(SafePath::as_bytes).map_err(|bad| *bad), expected, "{path:?}");
        }
    }
}
