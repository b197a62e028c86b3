//! Archives of every dialect give the members that GNU tar, bsdtar and Python find in them.

use crate::odd::{Archive, Header};
use aligntar::{Kind, Member, Timestamp};

#[test]
fn v7_has_no_directories_but_by_slash_and_no_owner_names() {
    let archive = Archive::default()
        .header(Header::new("dir/", 0, 0).v7())
        .header(Header::new("dir/file", 0, 3).v7().put(265, b"junk"))
        .data(b"abc")
        .header(Header::new("link", b'1', 0).v7().put(157, b"dir/file"))
        .end();
    assert_eq!(archive.list(), ["dir d 0", "dir/file - 3 abc", "link h->dir/file 0"]);
    assert!(archive.read().unwrap()[1].member.uname.is_empty());
}

#[test]
fn ustar_has_a_prefix_and_every_kind() {
    let device = |typeflag| Header::new("device", typeflag, 0).put(329, b"0000007\0").put(337, b"0000011\0");
    let archive = Archive::default()
        .header(Header::new("name", b'0', 2).put(345, b"pre/fix").put(265, b"user").put(297, b"group"))
        .data(b"ab")
        .header(Header::new("name", b'7', 0))
        .header(Header::new("sym", b'2', 0).put(157, b"../to/"))
        .header(device(b'3'))
        .header(device(b'4'))
        .header(Header::new("dir", b'5', 0))
        .header(Header::new("fifo", b'6', 0))
        .end();
    let expected =
        ["pre/fix/name - 2 ab", "name - 0", "sym l->../to/ 0", "device c7,9 0", "device b7,9 0", "dir d 0", "fifo p 0"];
    assert_eq!(archive.list(), expected);
    let member = &archive.read().unwrap()[0].member;
    assert_eq!((&member.uname[..], &member.gname[..], member.uid, member.gid), (&b"user"[..], &b"group"[..], 1, 2));
}

#[test]
fn signed_checksums_are_accepted() {
    let archive = Archive::default().header_with_signed_sum(Header::new("n\u{fc}", b'0', 0)).end();
    assert_eq!(archive.list(), ["n\u{fc} - 0"]);
}

#[test]
fn gnu_has_long_names_and_no_prefix() {
    let (name, link) = ("n".repeat(300), "l".repeat(200));
    let archive = Archive::default()
        .extension(b'K', format!("{link}\0").as_bytes())
        .extension(b'L', format!("{name}\0").as_bytes())
        .header(Header::new("cut", b'2', 0).gnu().put(157, b"cut"))
        .header(Header::new("plain", b'0', 0).gnu().put(345, b"14000000000\0"))
        .end();
    assert_eq!(archive.list(), [format!("{name} l->{link} 0"), "plain - 0".to_owned()]);
}

#[test]
fn gnu_numbers_are_base_256_and_times_may_be_negative() {
    let archive = Archive::default()
        .header(Header::new("old", b'0', 0).gnu().put(108, b"\x80\0\0\x01\0\0\0\0").put(136, &[0xff; 12]))
        .header(Header::new("new", b'0', 0).gnu().put(136, b"\x80\0\0\0\0\0\0\x03\0\0\0\x05"))
        .end();
    let entries = archive.read().unwrap();
    assert_eq!((entries[0].member.uid, entries[0].member.mtime), (1 << 32, Timestamp { secs: -1, nanos: 0 }));
    assert_eq!(entries[1].member.mtime.secs, (3 << 32) + 5);
}

#[test]
fn a_pax_header_reaches_its_member_over_gnu_names() {
    let archive = Archive::default()
        .pax(b'x', &[("mtime", "7.5"), ("linkpath", "pax")])
        .extension(b'L', b"gnu\0")
        .extension(b'K', b"gnu\0")
        .header(Header::new("cut", b'2', 0))
        .file("next", b"")
        .end();
    assert_eq!(archive.list(), ["gnu l->pax 0", "next - 0"]);
    let entries = archive.read().unwrap();
    assert_eq!(entries[0].member.mtime, Timestamp { secs: 7, nanos: 500_000_000 });
    assert_eq!((entries[0].header_offset, entries[1].member.mtime.secs), (0, 3));
}

#[test]
fn a_pax_path_wins_over_gnu_names_and_the_last_of_each_counts() {
    let archive = Archive::default()
        .extension(b'L', b"gnu\0")
        .pax(b'x', &[("path", "first")])
        .pax(b'x', &[("path", "second")])
        .file("header", b"")
        .extension(b'L', b"one\0")
        .extension(b'L', b"two\0")
        .file("header", b"")
        .end();
    assert_eq!(archive.list(), ["second - 0", "two - 0"]);
}

#[test]
fn solaris_extended_headers_are_pax_headers() {
    let archive = Archive::default().pax(b'X', &[("path", "long")]).file("short", b"").end();
    assert_eq!(archive.list(), ["long - 0"]);
}

#[test]
fn a_size_record_wins_over_the_header() {
    let archive = Archive::default()
        .pax(b'x', &[("size", "600")])
        .header(Header::new("file", b'0', 0))
        .data(&[b'a'; 600])
        .file("next", b"")
        .end();
    let entries = archive.read().unwrap();
    assert_eq!((entries[0].member.size(), &entries[1].member.path[..]), (600, &b"next"[..]));
}

#[test]
fn global_headers_give_owner_and_time_until_the_next_one() {
    let archive = Archive::default()
        .pax(b'g', &[("uid", "77"), ("mtime", "9"), ("comment", "commit"), ("atime", "1")])
        .file("one", b"")
        .pax(b'x', &[("uid", "78")])
        .file("two", b"")
        .pax(b'g', &[("uid", "79")])
        .file("three", b"")
        .end();
    let members: Vec<_> = archive.read().unwrap().into_iter().map(|entry| entry.member).collect();
    let uids: Vec<_> = members.iter().map(|member| (member.uid, member.mtime.secs)).collect();
    assert_eq!(uids, [(77, 9), (78, 9), (79, 9)]);
    assert!(members.iter().all(|member| member.records.is_empty()));
}

#[test]
fn records_and_names_are_kept() {
    let records = [("atime", "1.5"), ("uname", "somebody"), ("LIBARCHIVE.creationtime", "2"), ("CKPT.pad", "  ")];
    let archive = Archive::default().pax(b'x', &records).file("file", b"").end();
    let member = &archive.read().unwrap()[0].member;
    let kept: Vec<_> = member.records.iter().map(|record| &record.keyword[..]).collect();
    assert_eq!(kept, [&b"atime"[..], b"LIBARCHIVE.creationtime"]);
    assert_eq!(member.uname[..], *b"somebody");
}

#[test]
fn dummies_and_volume_labels_are_stepped_over() {
    let archive = Archive::default()
        .header(Header::new("label", b'V', 0).gnu())
        .header(Header::new("", b'3', 0))
        .header(Header::new("", b'3', 0))
        .file("file", b"data")
        .end();
    assert_eq!(archive.list(), ["file - 4 data"]);
    assert_eq!(archive.read().unwrap()[0].header_offset, 3 * 512);
}

#[test]
fn dumped_directories_have_data_that_is_not_theirs() {
    let archive =
        Archive::default().header(Header::new("dir/", b'D', 6).gnu()).data(b"Yfile\0").file("dir/file", b"data").end();
    assert_eq!(archive.list(), ["dir d 0", "dir/file - 4 data"]);
}

#[test]
fn unknown_typeflags_are_regular_files() {
    let archive = Archive::default().header(Header::new("odd", b'Q', 4)).data(b"data").file("next", b"").end();
    assert_eq!(archive.list(), ["odd - 4 data", "next - 0"]);
}

#[test]
fn sizes_of_links_and_directories_count_only_where_data_follows() {
    for typeflag in *b"123456" {
        let odd = Header::new("odd", typeflag, 700);
        let without = Archive::default().header(odd.clone()).file("next", b"").end();
        let with = Archive::default().header(odd.clone()).data(&[b'x'; 700]).file("next", b"").end();
        for (archive, stored_len) in [(without, 0), (with, 700)] {
            let entries = archive.read().unwrap();
            assert_eq!(entries.len(), 2, "{entries:?}");
            assert_eq!((entries[0].stored_len, entries[0].member.size()), (stored_len, 0));
            assert_eq!(entries[1].member.path, b"next");
        }
        assert_eq!(Archive::default().header(odd).end().read().unwrap().len(), 1);
    }
}

#[test]
fn a_size_record_hides_no_member_but_behind_hard_links_which_may_have_data() {
    for typeflag in *b"123456" {
        let archive = Archive::default().pax(b'x', &[("size", "512")]).header(Header::new("odd", typeflag, 0));
        let entries = archive.file("inner", b"").file("next", b"").end().read().unwrap();
        let expected = if typeflag == b'1' { (512, 2) } else { (0, 3) };
        assert_eq!((entries[0].stored_len, entries.len()), expected, "{}", typeflag as char);
    }
}

/// v7 knew no typeflag for directories, and some of its writers put their size there.
#[test]
fn a_slash_makes_a_directory_that_hides_no_member() {
    for header in [Header::new("dir/", 0, 512).v7(), Header::new("dir/", b'0', 1), Header::new("dir/", b'7', 512)] {
        let archive = Archive::default().header(header).file("dir/hidden", b"data").file("next", b"").end();
        assert_eq!(archive.list(), ["dir d 0", "dir/hidden - 4 data", "next - 0"]);
    }
}

#[test]
fn names_stay_as_they_are_and_can_be_made_plain() {
    let link = Header::new("././link", b'1', 0).put(157, b"./dir/file");
    let archive = Archive::default().header(Header::new("./", b'5', 0)).file("./dir/file", b"").header(link).end();
    assert_eq!(archive.list(), [". d 0", "./dir/file - 0", "././link h->./dir/file 0"]);
    let mut members: Vec<_> = archive.read().unwrap().into_iter().map(|entry| entry.member).collect();
    members.iter_mut().for_each(Member::make_plain);
    let target = b"dir/file".to_vec();
    assert_eq!((&members[0].path[..], &members[1].path[..]), (&b"."[..], &target[..]));
    assert_eq!((&members[2].path[..], &members[2].kind), (&b"link"[..], &Kind::HardLink { target }));
}

#[test]
fn an_owner_below_zero_is_read() {
    let header = Header::new("odd", b'0', 0).gnu().put(108, &[0xff; 8]).put(116, b"\xff\xff\xff\xff\xff\xff\xff\xfe");
    let archive = Archive::default().header(header).pax(b'x', &[("uid", "-1")]).file("next", b"").end();
    let entries = archive.read().unwrap();
    assert_eq!((entries[0].member.uid, entries[0].member.gid), (u64::MAX, u64::MAX - 1));
    assert_eq!(entries[1].member.uid, u64::MAX);
}

#[test]
fn numbers_may_begin_with_a_nul() {
    let header = Header::new("odd", b'0', 0).put(100, b"\x00000640").put(124, b"\x00          4");
    let archive = Archive::default().header(header).data(b"data").file("next", b"").end();
    assert_eq!(archive.list(), ["odd - 4 data", "next - 0"]);
    assert_eq!(archive.read().unwrap()[0].member.mode, 0o640);
}

#[test]
fn a_global_record_counts_until_an_empty_one() {
    let archive = Archive::default().pax(b'g', &[("uid", "12"), ("uname", "somebody")]).file("a", b"");
    let archive = archive.pax(b'x', &[("uid", "")]).file("b", b"").pax(b'g', &[("uid", "")]).file("c", b"").end();
    let owners: Vec<_> = archive.read().unwrap().into_iter().map(|entry| entry.member.uid).collect();
    assert_eq!(owners, [12, 1, 1]);
}

/// An ACL says more than the mode, and GNU tar and libarchive set it last.
#[test]
fn the_mode_is_the_access_acls() {
    let acl = "user::rwx,group::r-x,mask::r--,other::---";
    let named = "user::rwx\nuser:nobody-knows:rwx\ngroup::r-x\nmask::r--\nother::---\n";
    for acl in [acl, named] {
        let archive = Archive::default().pax(b'x', &[("SCHILY.acl.access", acl)]).file("a", b"").end();
        assert_eq!(archive.read().unwrap()[0].member.mode, 0o740);
    }
}

#[test]
fn a_slash_makes_a_directory_also_with_data() {
    let archive = Archive::default().header(Header::new("dir/", b'0', 4)).data(b"data").file("next", b"").end();
    assert_eq!(archive.list(), ["dir d 0", "next - 0"]);
}
