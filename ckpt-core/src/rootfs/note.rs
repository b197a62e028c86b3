//! What a flat archive of changes can say only to this program, in a pax record of one more member for the root.
//!
//! POSIX lets vendors have records in capitals. GNU tar says that it does not know this one; others ignore it. An
//! archive has it only if it holds sockets, for which tar has no typeflag, or names that mean something in another form.

use aligntar::{Member, Record};
use serde::{Deserialize, Serialize};

use super::form::Form;
use crate::archive::supplement::Socket;

const KEYWORD: &[u8] = b"CKPT.rootfs";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) form: Form,
    #[serde(default)]
    pub(super) sockets: Vec<Socket>,
}

impl Note {
    /// The root once more, with the note.
    pub(super) fn write_on(&self, root: &Member) -> Member {
        let value = serde_json::to_vec(self).expect("a note is JSON");
        Member { records: vec![Record { keyword: KEYWORD.to_vec(), value }], ..root.clone() }
    }

    /// The note on a member, if it has one that is understood.
    pub(super) fn read_from(member: &Member) -> Option<Self> {
        let record = member.records.iter().find(|record| record.keyword == KEYWORD)?;
        serde_json::from_slice(&record.value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aligntar::Kind;

    #[test]
    fn a_note_comes_back() {
        let root = Member::new(".", Kind::Directory, 0o755);
        let note = Note { form: Form::Overlay, sockets: vec![Socket { mode: 0o600, ..Socket::default() }] };
        assert_eq!(Note::read_from(&note.write_on(&root)), Some(note));
        assert_eq!(Note::read_from(&root), None);
    }
}
