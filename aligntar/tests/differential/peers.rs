//! Other tar tools: how they are called, and what they cannot.

use std::path::Path;
use std::process::Command;

use crate::shape::{Loss, Shape};

/// One way to read or to write an archive with a tool.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    /// In the folder with `x.tar`, `source` and `target`.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) shape: fn() -> Shape,
    pub(crate) loss: Loss,
}

impl Peer {
    /// It must succeed and say nothing.
    pub(crate) fn run_silently(&self, folder: &Path, what: &str) {
        let output = Command::new(self.program)
            .args(self.arguments)
            .current_dir(folder)
            // Names are bytes to all of them; this is for those that take them for letters.
            .env("LC_ALL", "C.UTF-8")
            .env("EXTRACT_UNSAFE_SYMLINKS", "1")
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{what}: {}: {}: {said}", self.name, output.status);
    }
}

/// Nothing.
const NONE: Loss = Loss {
    nanos: false,
    times_are_floats: false,
    xattrs: false,
    directory_times: false,
    root_time: false,
    symlink_times: false,
    symlink_owners: false,
    linked_symlinks: false,
    linked_specials: false,
};
/// What only pax records hold.
const WITHOUT_RECORDS: Loss = Loss { nanos: true, xattrs: true, ..NONE };

/// GNU tar looks for further names of regular files and symbolic links only.
const GNU_RECORDS: Loss = Loss { linked_specials: true, ..NONE };
const GNU_NO_RECORDS: Loss = Loss { linked_specials: true, ..WITHOUT_RECORDS };
/// Python looks for further names of regular files only.
const PYTHON_NO_RECORDS: Loss = Loss { linked_symlinks: true, ..GNU_NO_RECORDS };
const PYTHON_RECORDS: Loss =
    Loss { times_are_floats: true, xattrs: true, linked_symlinks: true, linked_specials: true, ..NONE };

/// libarchive looks for further names of all but devices.
const LIBARCHIVE_RECORDS: Loss = Loss { linked_specials: true, ..NONE };
const LIBARCHIVE_NO_RECORDS: Loss = Loss { linked_specials: true, ..WITHOUT_RECORDS };

/// Those in every Linux distribution's base system, and the ones that only the lab is known to have.
pub(crate) const COMMON_READERS: &[Peer] = &[GNU_TAR, PYTHON];
pub(crate) const OTHER_READERS: &[Peer] = &[BSDTAR, BUSYBOX];

/// Times before 1970 and after now make it warn, whoever wrote them.
const GNU_TAR: Peer = Peer {
    name: "GNU tar",
    program: "tar",
    arguments: &[
        "--warning=no-timestamp",
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
        "-xpf",
        "x.tar",
        "-C",
        "target",
    ],
    shape: Shape::full,
    loss: NONE,
};

/// It has no notion of attributes, and takes seconds for a float. It sets no time of a symbolic link, and makes another
/// one instead of a hard link to it.
const PYTHON: Peer = Peer {
    name: "Python",
    program: "python3",
    arguments: &[
        "-W",
        "ignore",
        "-c",
        "import tarfile; tarfile.open('x.tar').extractall('target', numeric_owner=True)",
    ],
    shape: Shape::full,
    loss: Loss { xattrs: true, times_are_floats: true, symlink_times: true, linked_symlinks: true, ..NONE },
};

/// It makes what is in `./` after it has set its time.
const BSDTAR: Peer = Peer {
    name: "bsdtar",
    program: "bsdtar",
    arguments: &["--numeric-owner", "-xpf", "x.tar", "-C", "target"],
    shape: libarchive,
    loss: Loss { root_time: true, ..NONE },
};

/// Of records it knows paths and link targets only. It gives a symbolic link neither owner nor time.
const BUSYBOX: Peer = Peer {
    name: "busybox",
    program: "busybox",
    arguments: &["tar", "-xpf", "x.tar", "-C", "target"],
    shape: busybox,
    loss: Loss { directory_times: true, symlink_times: true, symlink_owners: true, ..WITHOUT_RECORDS },
};

const fn gnu(name: &'static str, arguments: &'static [&'static str], shape: fn() -> Shape, loss: Loss) -> Peer {
    Peer { name, program: "tar", arguments, shape, loss }
}

macro_rules! gnu_tar_writes {
    ($name:literal, $shape:expr, $loss:expr, $($option:literal),*) => {
        gnu($name, &["--numeric-owner", $($option,)* "-cf", "x.tar", "-C", "source", "."], $shape, $loss)
    };
}

macro_rules! bsdtar_writes {
    ($format:literal, $shape:expr, $loss:expr) => {
        Peer {
            name: concat!("bsdtar ", $format),
            program: "bsdtar",
            arguments: &["--numeric-owner", "--format", $format, "-cf", "x.tar", "-C", "source", "."],
            shape: $shape,
            loss: $loss,
        }
    };
}

macro_rules! python_writes {
    ($format:literal, $shape:expr, $loss:expr) => {
        Peer {
            name: concat!("Python ", $format),
            program: "python3",
            arguments: &[
                "-c",
                concat!(
                    "import tarfile as t\nwith t.open('x.tar', 'w', format=t.",
                    $format,
                    ") as x: x.add('source', '.')"
                ),
            ],
            shape: $shape,
            loss: $loss,
        }
    };
}

pub(crate) const COMMON_WRITERS: &[Peer] = &[
    gnu_tar_writes!("GNU tar v7", Shape::v7, GNU_NO_RECORDS, "--format=v7"),
    gnu_tar_writes!("GNU tar ustar", Shape::ustar, GNU_NO_RECORDS, "--format=ustar"),
    gnu_tar_writes!("GNU tar oldgnu", Shape::full, GNU_NO_RECORDS, "--format=oldgnu"),
    gnu_tar_writes!("GNU tar gnu", Shape::full, GNU_NO_RECORDS, "--format=gnu"),
    gnu_tar_writes!("GNU tar posix", Shape::full, GNU_RECORDS, "--format=posix", "--xattrs", "--xattrs-include=*"),
    python_writes!("USTAR_FORMAT", Shape::ustar, PYTHON_NO_RECORDS),
    python_writes!("GNU_FORMAT", python_gnu, PYTHON_NO_RECORDS),
    python_writes!("PAX_FORMAT", Shape::full, PYTHON_RECORDS),
];

pub(crate) const SPARSE_WRITERS: &[Peer] = &[
    gnu_tar_writes!("GNU tar gnu sparse", Shape::full, GNU_NO_RECORDS, "--format=gnu", "--sparse"),
    gnu_tar_writes!("GNU tar oldgnu sparse", Shape::full, GNU_NO_RECORDS, "--format=oldgnu", "--sparse"),
    gnu_tar_writes!(
        "GNU tar sparse 0.0",
        Shape::full,
        GNU_RECORDS,
        "--format=posix",
        "--xattrs",
        "--xattrs-include=*",
        "--sparse",
        "--sparse-version=0.0"
    ),
    gnu_tar_writes!(
        "GNU tar sparse 0.1",
        Shape::full,
        GNU_RECORDS,
        "--format=posix",
        "--xattrs",
        "--xattrs-include=*",
        "--sparse",
        "--sparse-version=0.1"
    ),
    gnu_tar_writes!(
        "GNU tar sparse 1.0",
        Shape::full,
        GNU_RECORDS,
        "--format=posix",
        "--xattrs",
        "--xattrs-include=*",
        "--sparse",
        "--sparse-version=1.0"
    ),
];

pub(crate) const OTHER_WRITERS: &[Peer] = &[
    bsdtar_writes!("pax", libarchive, LIBARCHIVE_RECORDS),
    bsdtar_writes!("ustar", libarchive_ustar, LIBARCHIVE_NO_RECORDS),
    bsdtar_writes!("gnutar", libarchive_gnu, LIBARCHIVE_NO_RECORDS),
    Peer {
        name: "busybox",
        program: "busybox",
        arguments: &["tar", "-cf", "x.tar", "-C", "source", "."],
        shape: Shape::ustar,
        loss: WITHOUT_RECORDS,
    },
];

/// Seconds before 1970 come out one late: a float is cut towards zero.
fn python_gnu() -> Shape {
    Shape { mtimes: 0..=*Shape::full().mtimes.end(), ..Shape::full() }
}

/// A record `-1.5` is half a second before -1 to POSIX, and half a second after it to libarchive; both ways.
fn libarchive() -> Shape {
    Shape { mtimes: 0..=*Shape::full().mtimes.end(), escaped_xattrs: false, ..Shape::utf8() }
}

/// Six octal digits for device numbers, whose minor ones have twenty bits; eleven for times.
fn libarchive_gnu() -> Shape {
    Shape { devices: false, mtimes: Shape::ustar().mtimes, ..Shape::full() }
}

/// The same for ids.
fn libarchive_ustar() -> Shape {
    Shape { largest_id: Some((1 << 18) - 1), devices: false, ..Shape::ustar() }
}

/// Times past eleven octal digits are in records, and those before 1970 too.
fn busybox() -> Shape {
    Shape { mtimes: Shape::ustar().mtimes, ..Shape::full() }
}
