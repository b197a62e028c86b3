//! The headers of an ELF file of the kind `ET_CORE` (elf(5); linux/elf.h), for x86-64.

/// `sizeof(Elf64_Ehdr)`.
const HEADER: u64 = 64;
/// `sizeof(Elf64_Phdr)`.
const PROGRAM_HEADER: u64 = 56;
/// `sizeof(Elf64_Shdr)`.
const SECTION_HEADER: u64 = 64;
/// `PN_XNUM`: there are this many program headers or more, and the first section header says how many.
const MANY: usize = 0xffff;
const ET_CORE: u16 = 4;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

/// A program header but for what never differs here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// `PF_…`.
    pub(super) flags: u32,
    /// In the core file, in bytes.
    pub(super) offset: u64,
    pub(super) address: u64,
    /// Bytes in the core file.
    pub(super) file_bytes: u64,
    /// Bytes in memory.
    pub(super) memory_bytes: u64,
}

/// Length of all headers of a core file with `loads` program headers besides that of the notes, in bytes.
pub(super) fn headers_len(loads: usize) -> u64 {
    HEADER + (loads as u64 + 1) * PROGRAM_HEADER + if loads + 1 < MANY { 0 } else { SECTION_HEADER }
}

/// The headers of a core file with notes, which have `notes_len` bytes and lie behind these.
pub(super) fn headers(notes_len: u64, loads: &[Load], page: u64) -> Vec<u8> {
    let count = loads.len() + 1;
    let is_many = count >= MANY;
    let sections_at = HEADER + count as u64 * PROGRAM_HEADER;
    let mut bytes = Vec::with_capacity(headers_len(loads.len()) as usize);
    bytes.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    for half in [ET_CORE, EM_X86_64] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend(1u32.to_le_bytes());
    for word in [0, HEADER, if is_many { sections_at } else { 0 }] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(0u32.to_le_bytes());
    let halves =
        [HEADER, PROGRAM_HEADER, count.min(MANY) as u64, if is_many { SECTION_HEADER } else { 0 }, is_many.into(), 0];
    halves.into_iter().for_each(|half| bytes.extend((half as u16).to_le_bytes()));
    let notes = Load { offset: headers_len(loads.len()), file_bytes: notes_len, ..Load::default() };
    add(&mut bytes, PT_NOTE, &notes, 4);
    loads.iter().for_each(|load| add(&mut bytes, PT_LOAD, load, page));
    if is_many {
        let mut section = [0; SECTION_HEADER as usize];
        // sh_info.
        section[44..48].copy_from_slice(&(count as u32).to_le_bytes());
        bytes.extend(section);
    }
    bytes
}

fn add(bytes: &mut Vec<u8>, kind: u32, load: &Load, alignment: u64) {
    for word in [kind, load.flags] {
        bytes.extend(word.to_le_bytes());
    }
    for word in [load.offset, load.address, 0, load.file_bytes, load.memory_bytes, alignment] {
        bytes.extend(word.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_length_that_they_say() {
        for count in [0, 1, 0xfffd, 0xfffe, 0x1_0000] {
            let bytes = headers(8, &vec![Load::default(); count], 4096);
            assert_eq!(bytes.len() as u64, headers_len(count), "{count}");
            let told = u16::from_le_bytes(bytes[56..58].try_into().unwrap());
            assert_eq!(usize::from(told), (count + 1).min(MANY), "{count}");
        }
    }
}
