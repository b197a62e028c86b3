//! `ckpt ls`.

use std::io::{self, BufWriter, Write, stdout};
use std::path::PathBuf;

use aligntar::{Entry, Kind, Limits, Reader, Source, Timestamp, Xattr};
use anyhow::{Context, Result};
use ckpt_core::BytePath;
use clap::Args;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::input::Input;
use crate::archive::saved::Archive;
use crate::arguments::{IdentityArgument, StoreArgument, TextFormat};
use crate::json::json_line;
use crate::names::{json_bytes, printable};

/// List the members of any tar archive
///
/// It may be compressed with zstd or gzip, and encrypted with age.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive; - for standard input; or a save, as web~1
    archive: PathBuf,
    /// Show mode, owner, size and time as well
    #[arg(short, long)]
    long: bool,
    /// Print one name per line, or one JSON object per line with all that is known of the member
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    format: TextFormat,
    #[command(flatten)]
    identity: IdentityArgument,
    #[command(flatten)]
    store: StoreArgument,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let archive = Archive::find(&arguments.archive, &arguments.store)?;
    let listed = match Input::open_with(archive.path(), &arguments.identity)? {
        Input::File(file) => list(arguments, Reader::open(&file)?),
        Input::Stream(stream) => list(arguments, Reader::new(*stream, Limits::default())),
    };
    match listed {
        // Who closed standard output has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        listed => listed.with_context(|| arguments.archive.display().to_string()),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn list<S: Source>(arguments: &Arguments, mut reader: Reader<S>) -> Result<()> {
    let mut out = BufWriter::new(stdout().lock());
    let mut failed = None;
    loop {
        match reader.next_entry() {
            Ok(Some(entry)) => writeln!(out, "{}", line(arguments, &entry)?).context(WRITE)?,
            Ok(None) => break,
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    // What was there before the damage is shown.
    out.flush().context(WRITE)?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

const WRITE: &str = "write to standard output";

fn line(arguments: &Arguments, entry: &Entry) -> Result<String> {
    Ok(match (arguments.format, arguments.long) {
        (TextFormat::Json, _) => json_line(&MemberJson::of(entry))?,
        (TextFormat::Text, false) => printable(&entry.member.path),
        (TextFormat::Text, true) => as_long_line(entry),
    })
}

/// As `ls -l` and `tar -tv` have it: mode, owner/group, size or device, time (UTC), name and target.
fn as_long_line(entry: &Entry) -> String {
    let member = &entry.member;
    let name = |name: &[u8], id: u64| if name.is_empty() { id.to_string() } else { printable(name) };
    let (kind, size, target) = match &member.kind {
        Kind::Regular { size } => ('-', size.to_string(), String::new()),
        Kind::HardLink { target } => ('h', "0".into(), format!(" link to {}", printable(target))),
        Kind::Symlink { target } => ('l', "0".into(), format!(" -> {}", printable(target))),
        Kind::CharDevice { major, minor } => ('c', format!("{major},{minor}"), String::new()),
        Kind::BlockDevice { major, minor } => ('b', format!("{major},{minor}"), String::new()),
        Kind::Directory => ('d', "0".into(), String::new()),
        Kind::Fifo => ('p', "0".into(), String::new()),
    };
    format!(
        "{kind}{}{} {}/{} {size:>12} {} {}{target}",
        permissions(member.mode),
        if member.xattrs.is_empty() { ' ' } else { '+' },
        name(&member.uname, member.uid),
        name(&member.gname, member.gid),
        time(member.mtime),
        printable(&member.path),
    )
}

/// The nine letters of ls(1); set-id and sticky bits stand in place of `x`.
fn permissions(mode: u32) -> String {
    let triple = |shift: u32, special: bool, letter: char| {
        let bits = mode >> shift & 7;
        let execute = match (bits & 1 != 0, special) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        };
        [if bits & 4 != 0 { 'r' } else { '-' }, if bits & 2 != 0 { 'w' } else { '-' }, execute]
    };
    let (setuid, setgid, sticky) = (mode & 0o4000 != 0, mode & 0o2000 != 0, mode & 0o1000 != 0);
    [triple(6, setuid, 's'), triple(3, setgid, 's'), triple(0, sticky, 't')].concat().iter().collect()
}

fn time(time: Timestamp) -> String {
    match jiff::Timestamp::from_second(time.secs) {
        Ok(timestamp) => timestamp.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        // Years beyond 9999.
        Err(_) => format!("@{}", time.secs),
    }
}

/// A member, as `--format json` prints it. Names that are no UTF-8 are in hexadecimal digits, under `hex`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Member")]
pub(crate) struct MemberJson {
    path: BytePath,
    r#type: TypeJson,
    /// In octal digits.
    mode: String,
    uid: u64,
    gid: u64,
    /// Bytes.
    size: u64,
    /// Seconds and nanoseconds since 1970.
    mtime: [i64; 2],
    /// Where its header lies in the archive.
    header_offset: u64,
    /// Where its data lies there.
    data_offset: u64,
    /// Bytes of data in the archive, without holes.
    stored: u64,
    /// What a link leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<BytePath>,
    /// Numbers of a device, major and minor.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<BytePath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<BytePath>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    xattrs: Vec<XattrJson>,
    /// Offset and length of each stretch of data between holes.
    #[serde(skip_serializing_if = "Option::is_none")]
    sparse: Option<Vec<[u64; 2]>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Type")]
#[serde(rename_all = "lowercase")]
enum TypeJson {
    File,
    /// A hard link.
    Link,
    Symlink,
    Char,
    Block,
    Directory,
    Fifo,
}

/// An extended attribute.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Xattr")]
struct XattrJson {
    name: BytePath,
    value: BytePath,
}

impl MemberJson {
    fn of(entry: &Entry) -> Self {
        let member = &entry.member;
        let (r#type, target, device) = match &member.kind {
            Kind::Regular { .. } => (TypeJson::File, None, None),
            Kind::HardLink { target } => (TypeJson::Link, Some(target), None),
            Kind::Symlink { target } => (TypeJson::Symlink, Some(target), None),
            Kind::CharDevice { major, minor } => (TypeJson::Char, None, Some([*major, *minor])),
            Kind::BlockDevice { major, minor } => (TypeJson::Block, None, Some([*major, *minor])),
            Kind::Directory => (TypeJson::Directory, None, None),
            Kind::Fifo => (TypeJson::Fifo, None, None),
        };
        let name = |name: &[u8]| (!name.is_empty()).then(|| json_bytes(name));
        let xattr = |xattr: &Xattr| XattrJson { name: json_bytes(&xattr.name), value: json_bytes(&xattr.value) };
        MemberJson {
            path: json_bytes(&member.path),
            r#type,
            mode: format!("{:04o}", member.mode),
            uid: member.uid,
            gid: member.gid,
            size: member.size(),
            mtime: [member.mtime.secs, member.mtime.nanos.into()],
            header_offset: entry.header_offset,
            data_offset: entry.data_offset,
            stored: entry.stored_len,
            target: target.map(|target| json_bytes(target)),
            device,
            user: name(&member.uname),
            group: name(&member.gname),
            xattrs: member.xattrs.iter().map(xattr).collect(),
            sparse: entry.sparse.as_ref().map(|spans| spans.iter().map(|span| [span.offset, span.length]).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_those_of_ls() {
        for (mode, expected) in
            [(0o755, "rwxr-xr-x"), (0o4711, "rws--x--x"), (0o6644, "rwSr-Sr--"), (0o1777, "rwxrwxrwt")]
        {
            assert_eq!(permissions(mode), expected);
        }
    }
}
