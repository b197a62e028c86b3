//! Input for the benchmarks, made by code.

use aligntar::{Kind, Member, Timestamp, Xattr};

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
