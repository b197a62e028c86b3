//! Names of any bytes, for people and for JSON.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use aligntar::ShownName;
use ckpt_core::BytePath;

/// A name in full length that keeps to its line: what is no printable text is escaped as in C.
pub(crate) fn printable(name: &[u8]) -> String {
    ShownName::whole(name).to_string()
}

/// A name that keeps its bytes in JSON.
pub(crate) fn json_bytes(bytes: &[u8]) -> BytePath {
    OsStr::from_bytes(bytes).into()
}
