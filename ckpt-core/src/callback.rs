//! Calls of this very program by podman's runtime, by CRIU and by itself, told apart by `argv[0]`.
//!
//! | called as | by | to |
//! |---|---|---|
//! | `criu` | the OCI runtime, which finds it first in PATH | execute the real criu with a configuration of ours |
//! | `ckpt-hook` | CRIU, as its action script | ask the waiting run for a verdict |
//! | `ckpt-thaw` | that script, before a dump, and this program | thaw the container when they have ended |
//! | `ckpt-pages` | this program | serve the memory of a container that it restores |
//! | `ckpt-child` | this program | become podman, which ends with us |
//! | `ckpt-read-only` | this program | enter a container and make its root read-only |

use std::env;
use std::path::PathBuf;

use crate::criu::{hook, page_server, real_criu};
use crate::host::{child, frozen, read_only};

/// Does what this program was called for, if it is one of these calls; gives the exit status then.
///
/// Call it first in `main`.
pub fn run_callback() -> Option<u8> {
    let program = PathBuf::from(env::args_os().next()?);
    match program.file_name()?.to_str()? {
        "criu" => Some(real_criu::execute()),
        hook::HOOK => Some(hook::ask_for_verdict(program.parent()?)),
        page_server::CALLED_AS => Some(page_server::serve()),
        frozen::GUARD => Some(frozen::guard()),
        child::CALLED_AS => Some(child::become_program()),
        read_only::CALLED_AS => Some(read_only::remount()),
        _ => None,
    }
}
