//! The configuration that CRIU reads when this program has it work: the administrator's lines, those of the run, and
//! options that make CRIU take what it refuses by default, or leave out what nobody needs.
//!
//! CRIU parses `/etc/criu/default.conf`, then `~/.criu/default.conf`, then the file that `CRIU_CONFIG_FILE` names; of
//! an option that occurs twice it takes the last (CRIU, `criu/config.c`, `next_config`). Ours is the third, so it
//! leaves out whatever one of the administrator's files mentions.

use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Names the file that CRIU reads last.
pub(crate) const VARIABLE: &str = "CRIU_CONFIG_FILE";

/// The line that has CRIU take memory which comes later.
pub(crate) const LAZY_PAGES: &str = "lazy-pages\n";

/// Options without which CRIU refuses some dumps. They cost nothing where they are not needed.
///
/// `ghost-limit`: a deleted file that is still open goes into an image of its own. CRIU takes those of up to 1 MiB;
/// this is as much as a disk of some speed copies in a second or two, during which the container stands still.
///
/// `link-remap`: of a file that is open under a name that is gone, but has another, CRIU makes a third name
/// (`link_remap.N`, next to the old one) and removes it when the file is open again.
const ALLOWANCES: [(&str, &str); 2] = [("ghost-limit", "ghost-limit 1G\n"), ("link-remap", "link-remap\n")];

/// Keeps no packet away from the container while CRIU dumps it. CRIU does that for established TCP connections only, whose
/// packets would meet a kernel that no longer knows them (CRIU, `Documentation/criu.txt`, "--network-lock"). It runs
/// iptables-restore twice for it while the container stands still, and twice more before it runs on, and at each restore:
/// half of the frozen time with `--leave-running` (67 instead of 140 ms), and a fifth of a small restore.
///
/// A new connection that comes in meanwhile is accepted when the container runs on; when it has ended, it is reset.
const NO_LOCK: &str = "network-lock skip\n";

/// What makes CRIU need the lock, or says which.
const ABOUT_THE_LOCK: [&str; 2] = ["network-lock", "tcp-established"];

/// The first CRIU that knows [`NO_LOCK`]. Older ones restore what was dumped so, without a lock as well.
pub(crate) const KNOWS_NO_LOCK: (u32, u32) = (3, 19);

/// What becomes of the packets for a container while CRIU works on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packets {
    /// What CRIU does by itself, or its administrator says.
    CriuDecides,
    /// None is kept away, unless the administrator says so.
    Pass,
}

/// The administrator's files that are read before ours, those that are there.
pub(crate) struct Administrators {
    /// What CRIU_CONFIG_FILE named, which ours stands in for.
    replaced: Vec<u8>,
    mentioned: Vec<String>,
}

impl Administrators {
    /// Those of this host.
    ///
    /// # Errors
    /// One of them cannot be read, with its path. CRIU ignores one that is not there, except the one that the variable
    /// names.
    pub(crate) fn read() -> Result<Self, (PathBuf, io::Error)> {
        let home = env::var_os("HOME").map(|home| Path::new(&home).join(".criu/default.conf"));
        let defaults = [Some(PathBuf::from("/etc/criu/default.conf")), home];
        let replaced = match env::var_os(VARIABLE).map(PathBuf::from) {
            Some(theirs) => fs::read(&theirs).map_err(|source| (theirs, source))?,
            None => Vec::new(),
        };
        let mut mentioned = options(&replaced);
        for path in defaults.into_iter().flatten() {
            match fs::read(&path) {
                Ok(text) => mentioned.extend(options(&text)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err((path, error)),
            }
        }
        Ok(Administrators { replaced, mentioned })
    }

    /// The file that takes the place of theirs: theirs, what they left open, and the `lines` of this run.
    pub(crate) fn with(&self, lines: &[u8], packets: Packets) -> Vec<u8> {
        let allowed = ALLOWANCES.into_iter().filter(|(option, _)| !self.mentions(option));
        let allowed: String = allowed.map(|(_, line)| line).collect();
        let is_lock_open = !ABOUT_THE_LOCK.iter().any(|option| self.mentions(option));
        let no_lock = if packets == Packets::Pass && is_lock_open { NO_LOCK } else { "" };
        [&self.replaced, &b"\n"[..], allowed.as_bytes(), no_lock.as_bytes(), lines].concat()
    }

    /// Also where they turn it off.
    fn mentions(&self, option: &str) -> bool {
        self.mentioned.iter().any(|mentioned| mentioned.strip_prefix("no-").unwrap_or(mentioned) == option)
    }
}

/// The options that a configuration sets, without their values (criu(8), "CONFIGURATION FILES").
fn options(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let is_comment = |line: &str| line.trim_start().starts_with('#');
    let words = text.lines().filter(|line| !is_comment(line)).filter_map(|line| line.split_whitespace().next());
    words.map(|word| word.trim_start_matches('-').to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(replaced: &str, default: &str) -> String {
        written_for(Packets::CriuDecides, replaced, default)
    }

    fn written_for(packets: Packets, replaced: &str, default: &str) -> String {
        let mentioned = [options(replaced.as_bytes()), options(default.as_bytes())].concat();
        let administrators = Administrators { replaced: replaced.into(), mentioned };
        String::from_utf8(administrators.with(b"action-script \"/x\"\n", packets)).unwrap()
    }

    #[test]
    fn what_criu_refuses_by_default_is_allowed() {
        assert_eq!(written("", ""), "\nghost-limit 1G\nlink-remap\naction-script \"/x\"\n");
    }

    #[test]
    fn the_administrators_options_come_first() {
        let cases = [
            ("ghost-limit 5M\n", "", "ghost-limit 5M\n\nlink-remap\n"),
            ("", "  ghost-limit\t5M # small\n", "\nlink-remap\n"),
            ("no-link-remap\n", "", "no-link-remap\n\nghost-limit 1G\n"),
            ("# link-remap\n", "tcp-close\n", "# link-remap\n\nghost-limit 1G\nlink-remap\n"),
        ];
        for (replaced, default, expected) in cases {
            assert_eq!(written(replaced, default), format!("{expected}action-script \"/x\"\n"));
        }
    }

    #[test]
    fn packets_pass_unless_the_administrator_has_a_say_in_it() {
        let cases = [("", "", true), ("", "network-lock nftables\n", false), ("tcp-established\n", "", false)];
        for (replaced, default, pass) in cases {
            assert_eq!(
                written_for(Packets::Pass, replaced, default).contains("network-lock skip\n"),
                pass,
                "{default}"
            );
            assert!(!written(replaced, default).contains("skip"));
        }
    }
}
