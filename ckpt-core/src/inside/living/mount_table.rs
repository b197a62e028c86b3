//! `/proc/PID/mountinfo`: proc_pid_mountinfo(5).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::host::byte_path::BytePath;
use crate::host::processes::read;
use crate::inside::mount::MountPoint;

/// The mounts that the process `pid` sees, in the namespace of this number.
pub(super) fn of(pid: i32, namespace_id: u64) -> Vec<MountPoint> {
    let table = read(pid, "mountinfo");
    table.split(|&byte| byte == b'\n').filter_map(|line| parse(line, namespace_id)).collect()
}

/// `36 35 98:0 /root /mnt rw,noatime [master:1]… - ext3 /dev/root rw,errors=continue`
fn parse(line: &[u8], namespace_id: u64) -> Option<MountPoint> {
    let mut words = line.split(|&byte| byte == b' ');
    let mut number = || str::from_utf8(words.next()?).ok()?.parse().ok();
    let (id, parent_id) = (number()?, number()?);
    let root = unescaped(words.nth(1)?);
    let mount_point = unescaped(words.next()?);
    let flags = words.next()?;
    let mut words = words.skip_while(|word| *word != b"-").skip(1);
    let file_system = String::from_utf8_lossy(words.next()?).into_owned();
    Some(MountPoint {
        namespace_id,
        id,
        parent_id,
        mount_point: path(mount_point),
        root: path(root),
        file_system,
        source: unescaped(words.next()?).into(),
        read_only: flags.split(|&byte| byte == b',').any(|flag| flag == b"ro"),
        options: words.next()?.into(),
        external: None,
    })
}

fn path(bytes: Vec<u8>) -> BytePath {
    BytePath(PathBuf::from(OsString::from_vec(bytes)))
}

/// Spaces, tabs, newlines and backslashes are three octal digits each.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(word.len()), word);
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| first == b'\\').and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[3..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_line_of_the_table_is_a_mount() {
        let line = br"36 35 98:0 /a /my\040data ro,noatime master:1 shared:2 - ext4 /dev/my\134disk rw,x=y";
        let mount = parse(line, 7).unwrap();
        assert_eq!((mount.namespace_id, mount.id, mount.parent_id, mount.read_only), (7, 36, 35, true));
        assert_eq!((mount.root.0.as_path(), mount.mount_point.0.as_path()), (Path::new("/a"), Path::new("/my data")));
        assert_eq!(
            (&mount.file_system[..], mount.source, mount.options),
            ("ext4", r"/dev/my\disk".into(), "rw,x=y".into())
        );
        assert!(parse(b"36 35", 7).is_none());
    }
}
