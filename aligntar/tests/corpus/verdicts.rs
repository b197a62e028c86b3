//! What each reader says of each case, and why ours differs where it does.

/// One row of the table; a reader's line is as in [`crate::readers`].
pub(crate) struct Verdict {
    pub(crate) case: &'static str,
    pub(crate) ours: &'static str,
    /// GNU tar, bsdtar, Python, busybox; [`SAME`] as ours.
    pub(crate) peers: [&'static str; 4],
    /// Why, where one of them differs.
    pub(crate) why: &'static str,
}

/// The same as ours.
pub(crate) const SAME: &str = "=";

pub(crate) const fn row(
    case: &'static str,
    ours: &'static str,
    peers: [&'static str; 4],
    why: &'static str,
) -> Verdict {
    Verdict { case, ours, peers, why }
}

pub(crate) const VERDICTS: &[Verdict] = &[
    row("ustar", "a:3, b:0", [SAME, SAME, SAME, SAME], ""),
    row("ustar with a prefix", "p/q/n*90:0, b:3", [SAME, SAME, SAME, SAME], ""),
    row("v7, a directory by its slash", "d/, d/f:3", [SAME, SAME, SAME, "!"], "busybox is built without old formats"),
    row("typeflag 7, contiguous", "a:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "typeflag Z, unknown",
        "a:3, b:3",
        ["a unknown file type ‘Z’?, b:3", SAME, "a?, b:3", "!"],
        "POSIX: to be taken for a regular file; GNU tar extracts one with a warning",
    ),
    row(
        "GNU volume label",
        "b:3",
        ["label--Volume Header--?, b:3", SAME, "label?, b:3", SAME],
        "no member: nothing is made of it",
    ),
    row("GNU long name", "n*120:3", [SAME, SAME, SAME, SAME], ""),
    row("GNU long name and long link", "n*110 -> t*120", [SAME, SAME, SAME, SAME], ""),
    row("pax path", "long/name:3, b:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "pax path, then a GNU long name between",
        "by-pax:0",
        [SAME, SAME, SAME, "by-gnu:0"],
        "the record belongs to the next member, whatever comes between",
    ),
    row("GNU long name, then a pax header without a path", "by-gnu:0", [SAME, SAME, SAME, SAME], ""),
    row("pax size wins", "a:3, b:3", [SAME, SAME, SAME, "a:0, !"], "POSIX; busybox knows no size record"),
    row("pax record with a newline and a record in its value", "right:3", [SAME, SAME, SAME, SAME], ""),
    row("pax path twice, the last wins", "last:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "two pax headers for one member",
        "last:3",
        [SAME, "last:3, !", "first:3", SAME],
        "the second replaces the first",
    ),
    row(
        "pax header without a member",
        "a:3, !",
        ["a:3", SAME, SAME, SAME],
        "a member is missing: the archive is damaged",
    ),
    row("empty pax header", "a:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "pax record without a length",
        "!",
        ["a:3, !", "a:3, !", SAME, "a:3"],
        "who cannot read what is said of a member cannot say that it was read",
    ),
    row("pax record longer than its header", "!", ["a:3, !", "a:3, !", SAME, "a:3"], "as above"),
    row("pax record without a newline", "!", ["a:3, !", "a:3, !", SAME, "a:3"], "as above"),
    row(
        "pax path with a NUL",
        "!",
        ["a:3", "a:3", "a\\0b:3", "a:3"],
        "no file has such a name; others cut it, and two members may become one",
    ),
    row("pax size that is no number", "!", ["a:3, !", "a:0", "a:0", "a:3"], "where the next header is depends on it"),
    row("pax size below zero", "!", ["a:3, !", SAME, "", "a:3"], "as above; Python ends without a word"),
    row("pax size over 64 bits", "!", ["a:3, !", SAME, "a:99999999999999999999, !", "a:3"], "as above"),
    row("pax record of an unknown keyword", "a:3", [SAME, SAME, SAME, SAME], ""),
    row("global pax header with a comment", "a:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "global pax header with a path",
        "!",
        ["all:3, all:3", "a:3, b:3", "all:3, all:3", "a:3, b:3"],
        "one path for all members makes no sense, and readers disagree on it",
    ),
    row("Solaris' typeflag X", "by-x:3", [SAME, SAME, SAME, "!"], "busybox does not know it"),
    row("padding in a comment", "a:3", [SAME, SAME, SAME, SAME], ""),
    row("padding of a vendor", "a:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "padding of dummy headers",
        "a:3",
        ["%, %, a:3", "a:3, !", "%, %, a:3", ""],
        "podman pull request 25050: paddings, no members",
    ),
    row("size in base-256", "a:3, b:0", [SAME, SAME, SAME, SAME], ""),
    row(
        "size below zero in base-256",
        "!",
        ["b:0, !", SAME, SAME, "a:18446744073709551615, b:0"],
        "where the next header is depends on it",
    ),
    row(
        "size over 64 bits in base-256",
        "!",
        ["b:0, !", SAME, "a:309485009821345068724781055, !", "a:18446744073709551615, b:0"],
        "as above",
    ),
    row("size with spaces around", "a:3", [SAME, SAME, SAME, SAME], ""),
    row("size without an end", "a:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "size that is no number",
        "!",
        ["b:3, !", SAME, SAME, SAME],
        "as above; GNU tar looks for the next header and fails in the end",
    ),
    row("time before 1970 in base-256", "a:0, b:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "checksum of signed bytes",
        "aé:0, b:3",
        [SAME, SAME, SAME, "!"],
        "tar(5): readers accept both sums; busybox is built without old formats",
    ),
    row(
        "checksum wrong in the first header",
        "!",
        ["b:3, !", SAME, SAME, SAME],
        "damaged; GNU tar looks for the next header and fails in the end",
    ),
    row(
        "checksum wrong in the second header",
        "a:3, !",
        ["a:3, c:0, !", "a:3, c:0", "a:3", SAME],
        "as above; Python takes it for the end",
    ),
    row("old GNU sparse", "a:4096, b:3", [SAME, SAME, SAME, "!"], "busybox knows no sparse files"),
    row("pax sparse 0.0", "a:4096, b:3", [SAME, SAME, SAME, "a:3, b:3"], "as above"),
    row("pax sparse 0.1", "real:4096, b:3", [SAME, SAME, SAME, "a:3, b:3"], "as above"),
    row("pax sparse 1.0", "real:4096, b:3", [SAME, SAME, SAME, "a:515, b:3"], "as above"),
    row(
        "pax sparse 1.0, a map past the size",
        "!",
        ["real:4096, b:3, !", "real:4096, b:3", "real:4096, b:3", "a:515, b:3"],
        "listing reads no map elsewhere, or trusts it",
    ),
    row(
        "pax sparse 1.0, a map that overlaps",
        "!",
        ["real:4096, b:3", "real:4096, b:3", "real:4096, b:3", "a:515, b:3"],
        "as above; content would depend on the order of writing",
    ),
    row(
        "pax sparse 1.0, a map of no numbers",
        "!",
        ["real:4096, b:3, !", SAME, SAME, "a:515, b:3"],
        "where the data is depends on it",
    ),
    row("hard link with a size and no data", "a:3, b => a, c:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "hard link with data",
        "a:3, b => a, c:3",
        [SAME, SAME, "a:3, b => a", "a:3, b => a, !"],
        "pax writes such links; Python and busybox take the data for a header",
    ),
    row(
        "symbolic link with a size and no data",
        "a -> b, c:3",
        ["a -> b, !", SAME, SAME, SAME],
        "some writers leave the size of the target's name; the next block tells",
    ),
    row("directory with a size and no data", "d/, c:3", [SAME, SAME, SAME, SAME], ""),
    row("an archive in a member", "outer.tar:2048, b:3", [SAME, SAME, SAME, SAME], ""),
    row("one name twice, of two kinds", "a:3, a -> b, a:4", [SAME, SAME, SAME, SAME], ""),
    row(
        "absolute name",
        "/a:3",
        [SAME, SAME, SAME, "a:3"],
        "a listing shows what is there; the name is made safe when unpacked",
    ),
    row(
        "name that goes up",
        "../a:3",
        [SAME, SAME, SAME, "a:3"],
        "a listing shows what is there; unpacking refuses it",
    ),
    row("empty name", ":3, b:3", [SAME, "b:3, !", SAME, "!"], "a listing shows what is there; unpacking refuses it"),
    row("magic of star", "a:3", [SAME, SAME, SAME, SAME], ""),
    row("no end marker", "a:3", [SAME, SAME, SAME, SAME], ""),
    row("one block of zeros at the end", "a:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "one block of zeros in the middle",
        "a:3",
        [SAME, SAME, SAME, "a:3, b:3"],
        "one block of zeros ends an archive as well",
    ),
    row("members behind the end marker", "a:3", [SAME, SAME, SAME, SAME], ""),
    row("garbage behind the end marker", "a:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "truncated in the data",
        "a:3, !",
        ["a:3, b:2000, !", "a:3, b:2000, !", "a:3, b:2000, !", "a:3, b:2000"],
        "a file's length is known before the member is shown",
    ),
    row(
        "truncated in a header",
        "a:3, !",
        ["a:3", SAME, "a:3", SAME],
        "a header is missing in part; GNU tar and Python take it for the end",
    ),
    row("blocks of zeros only", "", [SAME, SAME, SAME, SAME], ""),
    row("empty file", "!", [SAME, "", SAME, SAME], "no archive"),
    row("text", "!", [SAME, SAME, SAME, SAME], ""),
];
