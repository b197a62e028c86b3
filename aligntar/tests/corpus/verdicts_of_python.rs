//! What each reader says of the archives in [`crate::python`].

use crate::verdicts::{SAME, Verdict, row};

pub(crate) const VERDICTS: &[Verdict] = &[
    row("owner 4294967295 in base-256", "a:3, b:3", [SAME, SAME, SAME, SAME], ""),
    row("v7, a checksum of signed bytes", "aé:3, b:3", [SAME, SAME, SAME, "!"], "busybox is built without old formats"),
    row(
        "old GNU sparse, a map of two blocks and an empty range at its end",
        "a:10752, b:3",
        [SAME, SAME, SAME, "!"],
        "busybox knows no sparse files",
    ),
    row("pax sparse 0.0, an empty range at the end", "a:1536, b:3", [SAME, SAME, SAME, "a:512, b:3"], "as above"),
    row("pax sparse 0.1, an empty range at the end", "a:1536, b:3", [SAME, SAME, SAME, "a:512, b:3"], "as above"),
    row("pax sparse 1.0, an empty range at the end", "real:1536, b:3", [SAME, SAME, SAME, "a:1024, b:3"], "as above"),
    row("pax records of names, one empty, over those of a global header", "a:3, b:3", [SAME, SAME, SAME, SAME], ""),
    row("pax owner and times beside those of the header", "a:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "pax path that is no UTF-8",
        "a�b:3, b:3",
        [SAME, "a\\344b:3, b:3, !", SAME, SAME],
        "GNU tar before 1.24 wrote such records; bsdtar shows the name in its own way, and warns",
    ),
    row("name that is no UTF-8", "a�b:3, b:3", [SAME, "a\\344b:3, b:3", SAME, SAME], "bsdtar shows it in its own way"),
    row("name with bytes behind its NUL", "a:3, b:3", [SAME, SAME, SAME, SAME], ""),
    row("name with a space at its end", "a :3, b:3", [SAME, SAME, SAME, SAME], ""),
    row("directory whose name has no slash and 100 bytes", "n*100/, b:3", [SAME, SAME, SAME, SAME], ""),
    row("GNU long name of a directory, with a slash", "n*120/, b:3", [SAME, SAME, SAME, SAME], ""),
    row("truncated in a GNU long name", "a:3, !", [SAME, SAME, SAME, SAME], ""),
    row(
        "truncated behind a header",
        "!",
        ["a:1024, !", "a:1024, !", "a:1024, !", "a:1024"],
        "a file's length is known before the member is shown",
    ),
    row("truncated behind the first block of data", "!", ["a:1024, !", "a:1024, !", "a:1024, !", "a:1024"], "as above"),
    row("two blocks of zeros in front", "", [SAME, SAME, SAME, SAME], ""),
    row(
        "two blocks of letters in front",
        "!",
        ["a:3, !", SAME, SAME, SAME],
        "no archive begins so; GNU tar looks for the next header and fails in the end",
    ),
    row(
        "pax record of length 0",
        "!",
        ["a:3, !", "a:3, !", SAME, "a:3"],
        "who cannot read what is said of a member cannot say that it was read",
    ),
    row("pax record of length 1", "!", ["a:3, !", "a:3, !", SAME, "a:3"], "as above"),
    row("size of NULs", "a:0, b:3", [SAME, SAME, SAME, SAME], ""),
    row(
        "size of spaces",
        "a:0, b:3",
        ["b:3, !", SAME, SAME, SAME],
        "GNU tar wants a number, looks for the next header and fails in the end",
    ),
    row(
        "size with a sign",
        "!",
        ["a:951617749834222903, !", SAME, "a:3, b:3", "a:3, b:3"],
        "a size is digits; Python and busybox read it as they would any number, GNU tar as one of base 64",
    ),
    row("size with a line below", "!", ["b:3, !", SAME, "a:3, b:3", SAME], "as above, but for busybox"),
    row("symbolic link, and a hard link to it", "l -> a, a:3, h => l", [SAME, SAME, SAME, SAME], ""),
    row("hard link to what is not there", "h => none, b:3", [SAME, SAME, SAME, SAME], ""),
];
