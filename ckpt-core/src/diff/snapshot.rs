//! What a root filesystem has that its image has not, at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aligntar::{Kind, Member};
use layerfs::Lowers;

use super::difference::is_podmans_own;
use super::error::DifferenceError;
use super::of_image::image_layers;
use crate::archive::supplement::{Socket, Supplement, relative};
use crate::archive::{CheckpointArchive, ROOTFS_DIFF};
use crate::operand::Operand;
use crate::rootfs::diff_members;

/// What is where; paths are relative to the root.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) present: BTreeMap<PathBuf, Node>,
    pub(super) deleted: BTreeSet<PathBuf>,
    /// The image, if this host has it.
    pub(super) image: Option<Lowers>,
}

/// All that an archive keeps of a file but its data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node {
    Member(Member),
    Socket(Socket),
}

impl Node {
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::Member(Member { kind: Kind::Regular { size }, .. }) => Some(*size),
            _ => None,
        }
    }
}

impl Snapshot {
    pub(super) fn take<E>(operand: &Operand, spool: &Path) -> Result<Self, DifferenceError<E>> {
        let mut snapshot = Self::default();
        let supplement = match operand {
            Operand::Layers { layers, .. } => {
                snapshot.image = Some(Lowers::open(layers)?);
                diff_members(layers, &mut |member| snapshot.add(member))?
            }
            Operand::Archive(path) => {
                let archive = CheckpointArchive::open(path, spool)?;
                snapshot.image = image_layers(&archive)?;
                let members = archive.entry(ROOTFS_DIFF).map(|diff| archive.nested(diff)).transpose()?;
                for entry in members.into_iter().flatten() {
                    snapshot.add(entry?.member);
                }
                archive.supplement()?
            }
        };
        snapshot.add_supplement(supplement);
        Ok(snapshot)
    }

    fn add(&mut self, mut member: Member) {
        let path = relative(&member.path);
        if let Kind::HardLink { target } = &member.kind {
            // A name of its own, with the attributes of the file that it is a name of.
            let Some(Node::Member(first)) = self.present.get(&relative(target)) else { return };
            member = Member { path: member.path, ..first.clone() };
        }
        if !is_podmans_own(&path) {
            member.path.clear();
            self.present.insert(path, Node::Member(member));
        }
    }

    fn add_supplement(&mut self, Supplement { deleted, sockets, .. }: Supplement) {
        self.deleted.extend(deleted.into_iter().filter(|path| !is_podmans_own(path)));
        for socket in sockets {
            let path = socket.path.0.clone();
            self.present.insert(path, Node::Socket(socket));
        }
    }
}
