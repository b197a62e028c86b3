//! Threads end with the unpacker that started them. The only test of its program, whose threads it counts.

use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;

use aligntar::{Kind, Member, PlainParents, Reader, UnpackOptions, Unpacker, WriteOptions, Writer};

fn unpacking_threads() -> usize {
    let names = fs::read_dir("/proc/self/task").unwrap();
    let names = names.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim() == "unpack").count()
}

#[test]
fn nothing_is_left_of_an_unpacker_that_was_dropped() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let target = folder.path().join("target");
    let archive = folder.path().join("x.tar");
    let file = File::create_new(&archive).unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    for number in 0..100 {
        let member = Member::new(format!("f{number}"), Kind::Regular { size: 200_000 }, 0o644);
        writer.append_bytes(&member, &[number; 200_000]).unwrap();
    }
    writer.finish().unwrap();
    for is_cut in [false, true] {
        fs::create_dir(&target).unwrap();
        let root = File::open(&target).unwrap();
        let archive = File::options().read(true).write(true).open(&archive).unwrap();
        let mut parents = PlainParents;
        let options = UnpackOptions { threads: NonZeroUsize::new(4).unwrap(), ..UnpackOptions::default() };
        let mut unpacker = Unpacker::new(root.as_fd(), options, &mut parents).unwrap();
        let mut reader = Reader::open(&archive).unwrap();
        let mut made = 0;
        while made < 90 {
            let Ok(Some(entry)) = reader.next_entry() else { break };
            if is_cut && made == 40 {
                // What the threads still have to read is gone.
                archive.set_len(entry.data_offset).unwrap();
            }
            if let Err(error) = unpacker.unpack(&entry, reader.source_mut()) {
                assert!(is_cut, "{error}");
                break;
            }
            made += 1;
        }
        drop(unpacker);
        assert_eq!(unpacking_threads(), 0);
        for file in fs::read_dir(&target).unwrap() {
            let path = file.unwrap().path();
            let number: u8 = path.file_name().unwrap().to_str().unwrap()[1..].parse().unwrap();
            assert!(fs::read(&path).unwrap() == [number; 200_000], "{} is half-written", path.display());
        }
        let made = fs::read_dir(&target).unwrap().count();
        assert!(made == 90 || is_cut, "{made} files");
        fs::remove_dir_all(&target).unwrap();
    }
}
