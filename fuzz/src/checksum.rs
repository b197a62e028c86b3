//! Checksums set right, so that what was mutated is read at all.

/// Bytes of a header block, and where its checksum is (POSIX pax, "ustar Interchange Format").
const BLOCK: usize = 512;
const CHKSUM: std::ops::Range<usize> = 148..156;
const MAGIC: std::ops::Range<usize> = 257..262;

/// `archive` with the checksum of each block that looks like a header: by its magic, or by the form of its checksum.
/// One in eight is left alone, as the block's own bytes say, so that wrong ones are met too.
pub fn with_valid_checksums(archive: &[u8]) -> Vec<u8> {
    let mut archive = archive.to_vec();
    for block in archive.chunks_exact_mut(BLOCK).filter(|block| looks_like_header(block)) {
        let sum: u32 =
            block.iter().enumerate().map(|(at, &byte)| if CHKSUM.contains(&at) { 32 } else { byte.into() }).sum();
        if block[CHKSUM.end - 1] & 7 != 7 {
            block[CHKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    archive
}

fn looks_like_header(block: &[u8]) -> bool {
    let [digits @ .., nul, space] = &block[CHKSUM] else { return false };
    &block[MAGIC] == b"ustar" || (digits.iter().all(u8::is_ascii_digit) && *nul == 0 && *space == b' ')
}
