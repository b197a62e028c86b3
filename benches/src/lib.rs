//! Input for the benchmarks, made by code.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use aligntar::{Kind, Member, Timestamp, WriteOptions, Writer, Xattr};

/// `count` members of `size` bytes each, as a container's upperdir has them: times in ns, some with an attribute.
pub fn members(count: u32, size: u64) -> Vec<Member> {
    (0..count)
        .map(|number| {
            let path = format!("usr/lib/folder-{}/file-{number}.so", number % 97);
            let mut member = Member::new(path, Kind::Regular { size }, 0o644);
            member.mtime = Timestamp { secs: 1_700_000_000 + i64::from(number), nanos: number * 7 };
            if number % 10 == 0 {
                member.xattrs.push(Xattr { name: b"user.origin".to_vec(), value: b"package\n".to_vec() });
            }
            member
        })
        .collect()
}

/// An archive of `members`, each with zeros for its data.
pub fn archive(members: &[Member], target: impl Write) {
    let mut writer = Writer::to_stream(target, WriteOptions::default()).expect("a writer");
    for member in members {
        writer.append_stream(member, &mut io::repeat(0)).expect("a member");
    }
    writer.finish().expect("an archive");
}

/// The folder in which data is moved: `BENCH_DIR`, or the one that cargo gives benchmarks below its target folder.
pub fn folder(cargo_folder: &str) -> PathBuf {
    env::var_os("BENCH_DIR").map_or_else(|| cargo_folder.into(), PathBuf::from)
}

/// A file without a name in [`folder`].
pub fn file(cargo_folder: &str) -> File {
    let folder = folder(cargo_folder);
    tempfile::tempfile_in(&folder).unwrap_or_else(|error| panic!("a file in {}: {error}", folder.display()))
}
