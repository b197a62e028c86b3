//! Has a CRIU that runc starts accept memory that comes later.
//!
//! crun's CRIU does so by its configuration alone. runc says in its request that none comes later, and CRIU believes
//! the request (CRIU, `setup_opts_from_req` in criu/cr-service.c). The request waits in the socket that CRIU is started
//! with. So it is read from there before CRIU starts, and sent once more through the end that runc holds, with one
//! field appended. Of a field that comes twice the last one counts, and messages are merged (Protocol Buffers,
//! "Encoding").

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::sockopt::{socket_domain, socket_type};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// No request is longer: it is a list of paths and descriptors (bytes).
const LONGEST: usize = 1 << 20;

/// How each request to restore begins: the field `type` (1) is RESTORE (2), then comes `opts` (2); see CRIU,
/// images/rpc.proto. Both libraries that write requests do so in the order of the numbers.
const RESTORE: [u8; 3] = [0x08, 2, OPTS];
const OPTS: u8 = 0x12;

/// Of `opts`, the field that must be there, `images_dir_fd` (1), and `lazy_pages` (48) with its value.
const IMAGES_DIR_FD: u8 = 0x08;
const LAZY_PAGES: [u8; 3] = [0x80, 0x03, 1];

/// Rewrites the request that waits at the descriptor `socket` of this process. Where that is not certain to be right,
/// it is left as it is: then all memory comes at once.
pub(crate) fn ask_for_lazy_pages(socket: i32) {
    // What is not sent back would be lost: all that can fail comes before it is taken out.
    let _ = rewrite(socket);
}

fn rewrite(socket: i32) -> Result<(), Errno> {
    let ours = pidfd_getfd(pidfd_open(getpid(), PidfdFlags::empty())?, socket, PidfdGetfdFlags::empty())?;
    let Ok(known) = fs::read_link(format!("/proc/self/fd/{socket}")) else { return Ok(()) };
    // Waited for without the runtime's end: whoever holds that would never hear of the death of a runtime that has not
    // sent it yet.
    let mut request = vec![0; LONGEST];
    let (_, length) = recv(&ours, &mut request[..], RecvFlags::PEEK | RecvFlags::TRUNC)?;
    request.truncate(length);
    let Some(word) = word_behind(&request).filter(|_| length <= LONGEST) else { return Ok(()) };
    request.extend(word);
    let Some(runtimes) = other_end(&known)? else { return Ok(()) };
    recv(&ours, &mut [0; 1][..], RecvFlags::empty())?;
    send(&runtimes, &request, SendFlags::NOSIGNAL).map(drop)
}

/// What makes a `request` to restore one in which memory may come later; `None` for any other.
fn word_behind(request: &[u8]) -> Option<Vec<u8>> {
    let opts = behind_varint(request.strip_prefix(&RESTORE)?)?;
    let number = opts.strip_prefix(&[IMAGES_DIR_FD])?;
    let number = &opts[..opts.len() - behind_varint(number)?.len()];
    let length = u8::try_from(number.len() + LAZY_PAGES.len()).ok()?;
    Some([&[OPTS, length], number, &LAZY_PAGES].concat())
}

/// A number has the highest bit of a byte set where another one follows.
fn behind_varint(bytes: &[u8]) -> Option<&[u8]> {
    let last = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    Some(&bytes[last + 1..])
}

/// The runtime's end of the socket, which is `ours` here: the one other such socket that it has. runc closes its own
/// descriptor of `ours` only after it has started CRIU.
fn other_end(ours: &Path) -> Result<Option<OwnedFd>, Errno> {
    let parent = parent_id().cast_signed();
    let Some(runtime) = Pid::from_raw(parent) else { return Ok(None) };
    let runtime = pidfd_open(runtime, PidfdFlags::empty())?;
    let mut found: Option<(OwnedFd, PathBuf)> = None;
    for entry in fs::read_dir(format!("/proc/{parent}/fd")).into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path());
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let (Ok(target), Some(number)) = (target, number) else { continue };
        if target == ours || !target.as_os_str().as_encoded_bytes().starts_with(b"socket:") {
            continue;
        }
        let end = pidfd_getfd(&runtime, number, PidfdGetfdFlags::empty())?;
        if socket_domain(&end)? == AddressFamily::UNIX && socket_type(&end)? == SocketType::SEQPACKET {
            match &found {
                Some((_, known)) if *known != target => return Ok(None),
                _ => found = Some((end, target)),
            }
        }
    }
    Ok(found.map(|(end, _)| end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_names_the_same_images() {
        // `opts` with descriptor 7, of 300 bytes; with -1, of 12; and a request to dump.
        let long = [&[0x08, 2, 0x12, 0xac, 0x02, 0x08, 7][..], &[0; 298]].concat();
        assert_eq!(word_behind(&long).unwrap(), [0x12, 5, 0x08, 7, 0x80, 0x03, 1]);
        let negative = [&[0x08, 2, 0x12, 12, 0x08][..], &[0xff; 9], &[1]].concat();
        assert_eq!(word_behind(&negative).unwrap(), [&[0x12, 14, 0x08][..], &[0xff; 9], &[1, 0x80, 0x03, 1]].concat());
        for other in [&[0x08, 1, 0x12, 2, 0x08, 7][..], &[0x08, 2, 0x12, 2], &[0x08, 2, 0x12, 2, 0x10, 7], &[]] {
            assert_eq!(word_behind(other), None, "{other:?}");
        }
    }
}
