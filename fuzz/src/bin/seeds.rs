//! Writes the inputs to start from: `seeds FOLDER` makes a folder in it for each target.

#[path = "../../../aligntar/tests/corpus/archive.rs"]
mod archive;
#[path = "../../../aligntar/tests/corpus/cases.rs"]
mod cases;
#[path = "seeds/images.rs"]
mod images;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use aligntar::{Kind, Member, PaxBody, Timestamp, WriteOptions, Writer, Xattr};
use aligntar_fuzz::Outside;
// The coverage flags are for all programs of this crate; libFuzzer has what they call.
use libfuzzer_sys as _;

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("usage: seeds FOLDER"));
    for target in ["reader", "unpack"] {
        let folder = made(&folder, target);
        write(&folder.join("every-kind"), &every_kind(), 512);
        write(&folder.join("aligned"), &every_kind(), 4096);
        write(&folder.join("escapes"), &escapes(), 512);
        for case in cases::CASES {
            fs::write(folder.join(case.name.replace(|letter: char| !letter.is_alphanumeric(), "-")), (case.archive)())
                .unwrap();
        }
    }
    fs::write(made(&folder, "pax").join("records"), records().as_bytes()).unwrap();
    let of_images = made(&folder, "images");
    for (kind, (name, image)) in images::each_kind().into_iter().enumerate() {
        fs::write(of_images.join(name), [&[kind as u8], &image[8..]].concat()).unwrap();
    }
    // Members are taken from any bytes; long inputs give many of them.
    let folder = made(&folder, "round_trip");
    for factor in [3u32, 101, 40_503] {
        let bytes: Vec<u8> = (0..3000u32).map(|at| (at.wrapping_mul(at).wrapping_mul(factor) >> 7) as u8).collect();
        fs::write(folder.join(format!("any-{factor}")), bytes).unwrap();
    }
}

fn made(folder: &Path, target: &str) -> PathBuf {
    let folder = folder.join(target);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn write(path: &Path, members: &[Member], alignment: u64) {
    let file = File::create(path).unwrap();
    let alignment = Some(aligntar::Alignment::new(alignment).unwrap());
    let mut writer = Writer::new(&file, WriteOptions { alignment, ..WriteOptions::default() }).unwrap();
    for member in members {
        writer.append_bytes(member, &vec![b'd'; member.size() as usize]).unwrap();
    }
    writer.finish().unwrap();
}

fn every_kind() -> Vec<Member> {
    let target = || b"folder/file".to_vec();
    let mut with_records = Member::new("n".repeat(300), Kind::Regular { size: 5000 }, 0o4711);
    with_records.mtime = Timestamp { secs: -5, nanos: 250_000_000 };
    with_records.uid = 1 << 40;
    with_records.xattrs = vec![Xattr { name: b"user.a=b".to_vec(), value: b"x\n9 size=1\n\0".to_vec() }];
    vec![
        Member::new("folder", Kind::Directory, 0o755),
        Member::new("folder/file", Kind::Regular { size: 600 }, 0o644),
        Member::new("hard", Kind::HardLink { target: target() }, 0o644),
        Member::new("soft", Kind::Symlink { target: target() }, 0o777),
        Member::new("fifo", Kind::Fifo, 0o600),
        Member::new("whiteout", Kind::CharDevice { major: 0, minor: 0 }, 0o600),
        with_records,
    ]
}

/// Ways out of the target folder.
fn escapes() -> Vec<Member> {
    let outside = String::from_utf8_lossy(&Outside::placeholder()).into_owned();
    let file = |path: String| Member::new(path, Kind::Regular { size: 1 }, 0o666);
    let link = |path: &str, target: &str| Member::new(path, Kind::Symlink { target: target.into() }, 0o777);
    let hard = |path: &str, target: &str| Member::new(path, Kind::HardLink { target: target.into() }, 0o666);
    vec![
        file("../file".into()),
        file(format!("{outside}/file")),
        link("up", ".."),
        file("up/file".into()),
        link("away", &outside),
        file("away/file".into()),
        Member::new("up", Kind::Directory, 0o700),
        hard("one", "../file"),
        hard("two", "away/file"),
        hard("away", "up/folder/inner"),
        file("away".into()),
    ]
}

fn records() -> PaxBody {
    let mut body = PaxBody::default();
    let pairs: [(&[u8], &[u8]); 9] = [
        (b"path", b"some/path"),
        (b"linkpath", b"elsewhere"),
        (b"size", b"12345"),
        (b"uid", b"1000"),
        (b"mtime", b"-1.500000000"),
        (b"SCHILY.xattr.user.a%3Db", b"\0\xff\n"),
        (b"GNU.sparse.map", b"0,512,1024,512"),
        (b"GNU.sparse.realsize", b"4096"),
        (b"comment", b"     "),
    ];
    for (keyword, value) in pairs {
        body.push(keyword, value);
    }
    body
}
