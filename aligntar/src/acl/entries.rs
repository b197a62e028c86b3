//! The entries of an ACL, and what they mean for a mode.

/// ACL_UNDEFINED_ID: of entries that name nobody.
pub(super) const NOBODY: u32 = u32::MAX;

/// Whom an entry is for, in the order of the tags. Who is named has an ID or, as long as that is not known, a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whom {
    Owner,
    User(Id),
    Group,
    NamedGroup(Id),
    Mask,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    Number(u32),
    Name(Vec<u8>),
}

/// An ACL: at least an entry for each of owner, group and others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acl {
    /// In the order of the tags; rights are three bits as in a mode.
    pub(super) entries: Vec<(Whom, u16)>,
}

/// Looks up the ID of a user or a group.
pub(crate) trait Names {
    fn user(&self, name: &[u8]) -> Option<u32>;
    fn group(&self, name: &[u8]) -> Option<u32>;
}

impl Acl {
    pub(super) fn of(mut entries: Vec<(Whom, u16)>) -> Option<Self> {
        entries.sort();
        let count = |whom: Whom| entries.iter().filter(|entry| entry.0 == whom).count();
        let names_somebody = entries.iter().any(|(whom, _)| matches!(whom, Whom::User(_) | Whom::NamedGroup(_)));
        let has_mask = count(Whom::Mask) == 1 || !names_somebody && count(Whom::Mask) == 0;
        let is_whole = [Whom::Owner, Whom::Group, Whom::Other].into_iter().all(|whom| count(whom) == 1);
        (is_whole && has_mask).then_some(Acl { entries })
    }

    /// The same with all names looked up; `None` if one is not known.
    pub(crate) fn resolved(self, names: &impl Names) -> Option<Self> {
        let entries = self.entries.into_iter().map(|(whom, rights)| {
            let whom = match whom {
                Whom::User(Id::Name(name)) => Whom::User(Id::Number(names.user(&name)?)),
                Whom::NamedGroup(Id::Name(name)) => Whom::NamedGroup(Id::Number(names.group(&name)?)),
                whom => whom,
            };
            Some((whom, rights))
        });
        Acl::of(entries.collect::<Option<_>>()?)
    }

    /// The nine bits that a file with this access ACL has in its mode: those of the group are the mask's (acl(5)).
    pub(crate) fn mode(&self) -> u32 {
        let group = self.rights(Whom::Mask).or_else(|| self.rights(Whom::Group));
        let [owner, group, other] =
            [self.rights(Whom::Owner), group, self.rights(Whom::Other)].map(|rights| rights.unwrap_or(0));
        u32::from(owner) << 6 | u32::from(group) << 3 | u32::from(other)
    }

    /// The rights of the owning group itself, under the mask, as bits of a mode.
    pub(crate) fn owning_group(&self) -> u32 {
        u32::from(self.rights(Whom::Group).unwrap_or(0) & self.rights(Whom::Mask).unwrap_or(0o7)) << 3
    }

    fn rights(&self, wanted: Whom) -> Option<u16> {
        self.entries.iter().find(|(whom, _)| *whom == wanted).map(|&(_, rights)| rights)
    }
}
