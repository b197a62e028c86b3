//! What a reader lists of an archive, in one line.
//!
//! `a:3` is a file of three bytes, `d/` a directory, `s -> t` a symbolic link, `h => t` a hard link, `n|` a FIFO,
//! `n%` a device, `n?` what is none of these; `!` at the end means that the reader failed then.

use std::path::Path;
use std::process::Command;

use aligntar::{Kind, Reader};

/// The readers in the order of the table.
pub(crate) const NAMES: [&str; 5] = ["aligntar", "GNU tar", "bsdtar", "Python", "busybox"];

/// What each of them lists.
pub(crate) fn listings(archive: &Path) -> [String; 5] {
    [
        ours(archive),
        run(Command::new("tar").args(["--numeric-owner", "--quoting-style=literal", "-tvf"]).arg(archive), 5),
        run(Command::new("bsdtar").args(["--numeric-owner", "-tvf"]).arg(archive), 8),
        python(archive),
        run(Command::new("busybox").args(["tar", "-tvf"]).arg(archive), 5),
    ]
}

pub(crate) fn ours(archive: &Path) -> String {
    let file = std::fs::File::open(archive).unwrap();
    let mut lines = Vec::new();
    for entry in Reader::open(&file).unwrap() {
        let Ok(entry) = entry else {
            lines.push("!".to_owned());
            break;
        };
        let path = String::from_utf8_lossy(&entry.member.path).into_owned();
        let text = |bytes: &[u8]| short(&String::from_utf8_lossy(bytes));
        let path = short(&path);
        lines.push(match &entry.member.kind {
            Kind::Regular { size } => format!("{path}:{size}"),
            Kind::Directory => format!("{path}/"),
            Kind::Symlink { target } => format!("{path} -> {}", text(target)),
            Kind::HardLink { target } => format!("{path} => {}", text(target)),
            Kind::Fifo => format!("{path}|"),
            Kind::CharDevice { .. } | Kind::BlockDevice { .. } => format!("{path}%"),
        });
    }
    lines.join(", ")
}

/// Runs a reader that lists as ls(1) does, with so many words before the name and the size in the last but two of a
/// date's; GNU tar and busybox have a date of two words, bsdtar one of three.
fn run(command: &mut Command, words_before_name: usize) -> String {
    let output = command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<_> = text.lines().map(|line| member(line, words_before_name)).collect();
    if !output.status.success() {
        lines.push("!".to_owned());
    }
    lines.join(", ")
}

fn member(line: &str, words_before_name: usize) -> String {
    let mut rest = line;
    let mut words = Vec::new();
    for _ in 0..words_before_name {
        let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        words.push(word);
        rest = behind.trim_start();
    }
    let size = words[if words_before_name == 8 { 4 } else { 2 }];
    let (name, target) = [" -> ", " link to "].iter().find_map(|arrow| rest.split_once(arrow)).unwrap_or((rest, ""));
    let (name, target) = (short(name.trim_end_matches('/')), short(target));
    match (words[0].as_bytes()[0], target.as_str()) {
        (b'h', _) => format!("{name} => {target}"),
        (b'd', _) => format!("{name}/"),
        (b'l', _) => format!("{name} -> {target}"),
        (b'p', _) => format!("{name}|"),
        (b'c' | b'b', _) => format!("{name}%"),
        (b'-' | b'C', "") => format!("{name}:{size}"),
        (b'-', _) => format!("{name} => {target}"),
        _ => format!("{name}?"),
    }
}

fn python(archive: &Path) -> String {
    const SCRIPT: &str = "\
import sys, tarfile
for m in tarfile.open(sys.argv[1], 'r:'):
    kind = 'h' if m.islnk() else 'l' if m.issym() else 'd' if m.isdir() else 'p' if m.isfifo() else \
'c' if m.isdev() else '-' if m.isreg() else '?'
    target = ' link to ' + m.linkname if kind in 'hl' else ''
    print(kind, '0/0', m.size, '-', '-', m.name + target)
";
    run(Command::new("python3").args(["-c", SCRIPT]).arg(archive), 5)
}

/// Long names in short: `nnn…` is `n*120`.
fn short(name: &str) -> String {
    let mut shortened = String::new();
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut times = 1;
        while letters.next_if_eq(&letter).is_some() {
            times += 1;
        }
        match times {
            10.. => shortened.push_str(&format!("{letter}*{times}")),
            _ => shortened.extend(std::iter::repeat_n(letter, times)),
        }
    }
    shortened.replace('\0', "\\0")
}
