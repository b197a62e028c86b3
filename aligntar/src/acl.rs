//! POSIX ACLs: the text of `SCHILY.acl.*` records, and the extended attribute that the kernel takes. No I/O.
//!
//! | text, one entry a line or comma (acl(5), star(5)) | tag of linux/posix_acl.h |
//! |---|---|
//! | `user::rwx` | 0x01, the owner |
//! | `user:NAME:rwx`, `user:ID:rwx`, `user:NAME:rwx:ID` | 0x02 |
//! | `group::rwx` | 0x04, the group |
//! | `group:NAME:rwx` and so on | 0x08 |
//! | `mask::rwx` | 0x10 |
//! | `other::rwx` | 0x20 |
//!
//! The attribute (linux/posix_acl_xattr.h) is a version of four bytes, and eight for each entry: tag, rights, ID, all
//! little endian.

mod entries;
mod text;
mod xattr;

pub(crate) use entries::{Acl, Names};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Known;

    impl Names for Known {
        fn user(&self, name: &[u8]) -> Option<u32> {
            (name == b"lisa").then_some(502)
        }

        fn group(&self, name: &[u8]) -> Option<u32> {
            (name == b"domain users").then_some(7)
        }
    }

    fn resolved(text: &str) -> Option<String> {
        let acl = Acl::of_text(text.as_bytes())?.resolved(&Known)?;
        assert_eq!(Acl::of_xattr(&acl.to_xattr().unwrap()).as_ref(), Some(&acl));
        assert_eq!(Acl::of_text(&acl.to_text()), Some(acl.clone()));
        Some(String::from_utf8(acl.to_text()).unwrap())
    }

    #[test]
    fn every_writers_text_is_read() {
        let whole = "user::rw-,user:502:r--,group::---,group:7:-w-,mask::rw-,other::---";
        for text in [
            // star and bsdtar, GNU tar, GNU tar with numbers, acl_to_text with remarks, Solaris, short tags.
            "user::rw-,user:lisa:r--:502,group::---,group:x:-w-:7,mask::rw-,other::---",
            "user::rw-\nuser:lisa:r--\ngroup::---\ngroup:domain\\040users:-w-\nmask::rw-\nother::---\n",
            "user::rw-\nuser:502:r--\ngroup::---\ngroup:7:-w-\nmask::rw-\nother::---\n",
            "user::rw-,user:lisa:r--\t#effective:r--,group::---,group:7:-w-#effective:---,mask::rw-,other::---",
            "mask:rw-,other:---,group:7:-w-,group::---,user:lisa:r--,user::rw-",
            "u::rw,u:somebody:r:502,g::,g:7:w,m::rw,o::",
        ] {
            assert_eq!(resolved(text).as_deref(), Some(whole), "{text}");
        }
        assert_eq!(resolved("user::rwx,group::r-x,mask::r--,other::---").unwrap().len(), 41);
        assert_eq!(resolved("user::rwx,group::r-x,other::---").unwrap().len(), 31);
    }

    #[test]
    fn what_is_no_acl_is_none() {
        for text in [
            "",
            "user::rwx",
            "user::rwx,group::r-x",
            "user::rwx,user::r--,group::r-x,other::---",
            "user::rwx,user:1:r--,group::r-x,other::---",
            "user::rwx,group::r-x,other::--s",
            "user::rwx,group::r-x,other:1:---",
            "user::rwx,user:1:r--:x,group::r-x,mask::---,other::---",
            "user::rwx,user:1:r--:4294967295,group::r-x,mask::---,other::---",
            "user::rwx,user:nobody-knows:r--,group::r-x,mask::---,other::---",
            "owner@:rwx,group::r-x,other::---",
        ] {
            assert_eq!(resolved(text), None, "{text}");
        }
    }

    #[test]
    fn an_attribute_that_text_would_change_is_none() {
        let value =
            Acl::of_text(b"user::rwx,user:1:r--,user:2:r--,group::r-x,mask::r--,other::---").unwrap().to_xattr();
        let value = value.unwrap();
        assert!(Acl::of_xattr(&value).is_some());
        let swapped = [&value[..12], &value[20..28], &value[12..20], &value[28..]].concat();
        let mut owned = value.clone();
        owned[8] = 5;
        for other in [&swapped, &owned, &value[..value.len() - 1].to_vec()] {
            assert_eq!(Acl::of_xattr(other), None);
        }
    }

    #[test]
    fn the_mask_is_the_groups_bits() {
        let mode = |text: &str| Acl::of_text(text.as_bytes()).unwrap().mode();
        assert_eq!(mode("user::rwx,group::r-x,mask::r--,other::---"), 0o740);
        assert_eq!(mode("user::rw-,user:lisa:rwx,group::---,mask::rwx,other::--x"), 0o671);
        assert_eq!(mode("user::rw-,group::r-x,other::---"), 0o650);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Acl::of_text(&text);
            let _ = Acl::of_xattr(&text);
        }
    }
}
