//! Compressed archives: recognised by their first bytes, read as a stream.

mod frames;

use std::io::{self, BufReader, Read};

use crate::source::StreamSource;
use frames::{Gzip, Zstd};

/// How a file is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 8878; read by [`Decompressed`].
    Zstd,
    /// RFC 1952; read by [`Decompressed`].
    Gzip,
    /// xz(1), not read here.
    Xz,
    /// bzip2(1), not read here.
    Bzip2,
    /// lz4(1), not read here.
    Lz4,
    /// lzip(1), not read here.
    Lzip,
    /// compress(1), `.Z`, not read here.
    Compress,
    /// lzma(1), `.lzma`, not read here.
    Lzma,
    /// lzop(1), not read here.
    Lzop,
}

impl Compression {
    /// Bytes that [`Compression::of`] needs.
    pub const MAGIC_LEN: usize = 6;

    /// How a file that begins with `bytes` is compressed; `None` if in no known way.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            // The second is a skippable frame, with which pzstd(1) begins.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            // 8 is deflate, the only method there is.
            [0x1f, 0x8b, 8, ..] => Compression::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Compression::Bzip2,
            [0x04, 0x22, 0x4d, 0x18, ..] => Compression::Lz4,
            [b'L', b'Z', b'I', b'P', ..] => Compression::Lzip,
            [0x1f, 0x9d, ..] => Compression::Compress,
            [0x89, b'L', b'Z', b'O', 0, b'\r', ..] => Compression::Lzop,
            [0x5d, dictionary @ ..] if is_lzma_dictionary(dictionary) => Compression::Lzma,
            _ => return None,
        })
    }

    /// The program that is known for it.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
            Compression::Xz => "xz",
            Compression::Bzip2 => "bzip2",
            Compression::Lz4 => "lz4",
            Compression::Lzip => "lzip",
            Compression::Compress => "compress",
            Compression::Lzma => "lzma",
            Compression::Lzop => "lzop",
        }
    }
}

/// Whether `.lzma` parameters begin here, as xz(1) recognises them: a dictionary size of 2^n or 2^n + 2^(n - 1) bytes,
/// which lzma's own encoders use, behind the usual parameters in the byte before.
fn is_lzma_dictionary(bytes: &[u8]) -> bool {
    let size = bytes.first_chunk().map_or(0, |size| u32::from_le_bytes(*size));
    size >= 4096 && (size.is_power_of_two() || size % 3 == 0 && (size / 3).is_power_of_two())
}

/// A stream, decompressed if it begins like zstd or gzip, and as it is if not. Frames that follow each other are read
/// as one, and zeros behind the last are ignored.
///
/// ```
/// use aligntar::{Compression, Decompressed, Limits, Reader};
///
/// let archive = zstd::encode_all(&[0; 1024][..], 3)?;
/// let stream = Decompressed::new(&archive[..])?;
/// assert_eq!(stream.compression(), Some(Compression::Zstd));
/// assert!(Reader::new(stream.into_source(), Limits::default()).next_entry()?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Decompressed<R: Read> {
    decoder: Decoder<R>,
}

/// The stream with the bytes that were read from it to see what it is.
type Whole<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

enum Decoder<R: Read> {
    Plain(Whole<R>),
    Zstd(Zstd<BufReader<Whole<R>>>),
    Gzip(Gzip<BufReader<Whole<R>>>),
}

impl<R: Read> Decompressed<R> {
    /// Reads the first bytes of `stream`, and sets up the decompressor that they ask for.
    ///
    /// A zstd frame with a window of more than 128 MiB (`--long=28` and up) is refused when it is read, since it would
    /// need that much memory.
    ///
    /// # Errors
    /// The error of the stream, or of zstd where memory is short.
    pub fn new(mut stream: R) -> io::Result<Self> {
        let mut magic = Vec::with_capacity(Compression::MAGIC_LEN);
        stream.by_ref().take(Compression::MAGIC_LEN as u64).read_to_end(&mut magic)?;
        let compression = Compression::of(&magic);
        let whole = io::Cursor::new(magic).chain(stream);
        let decoder = match compression {
            Some(Compression::Zstd) => Decoder::Zstd(Zstd::new(buffered(whole))?),
            Some(Compression::Gzip) => Decoder::Gzip(Gzip::new(buffered(whole))),
            _ => Decoder::Plain(whole),
        };
        Ok(Decompressed { decoder })
    }

    /// How the stream is compressed; `None` if it is passed on as it is.
    pub fn compression(&self) -> Option<Compression> {
        match self.decoder {
            Decoder::Plain(_) => None,
            Decoder::Zstd(_) => Some(Compression::Zstd),
            Decoder::Gzip(_) => Some(Compression::Gzip),
        }
    }

    /// The stream for a [`crate::Reader`], with a buffer, so that headers cost no call each.
    pub fn into_source(self) -> StreamSource<BufReader<Self>> {
        StreamSource::new(buffered(self))
    }
}

fn buffered<R: Read>(stream: R) -> BufReader<R> {
    BufReader::with_capacity(STREAM_BUFFER, stream)
}

/// Bytes; a zstd frame is decompressed in blocks of 128 KiB.
const STREAM_BUFFER: usize = 128 * 1024;

impl<R: Read> Read for Decompressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.decoder {
            Decoder::Plain(stream) => stream.read(buffer),
            Decoder::Zstd(stream) => stream.read(buffer),
            Decoder::Gzip(stream) => stream.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        Decompressed::new(bytes)?.read_to_end(&mut read).map(|_| read)
    }

    #[test]
    fn streams_are_read_whatever_they_are_compressed_with() {
        let text = b"text".repeat(1000);
        let zstd = zstd::encode_all(&text[..], 3).unwrap();
        let skippable = [&b"\x50\x2a\x4d\x18\x04\0\0\0skip"[..], &zstd].concat();
        let gzip = gzip(&text);
        for whole in [&text[..], &zstd, &skippable, &gzip] {
            assert_eq!(read(whole).unwrap(), text);
        }
        assert_eq!(read(&[&gzip[..], &gzip].concat()).unwrap(), text.repeat(2));
        assert_eq!(read(&[&zstd[..], &zstd].concat()).unwrap(), text.repeat(2));
        assert_eq!(read(b"").unwrap(), b"");
    }

    /// RFC 1952, 2.3: an extra field, a name, a comment and a checksum of the header may stand before the data.
    #[test]
    fn a_gzip_header_may_have_all_its_fields() {
        let plain = gzip(b"text");
        let (header, data) = plain.split_at(10);
        let flags = 2 | 4 | 8 | 16;
        let mut whole = [&header[..3], &[flags], &header[4..], b"\x06\0AB\x02\0xx", b"name\0comment\0"].concat();
        let mut sum = flate2::Crc::new();
        sum.update(&whole);
        whole.extend((sum.sum() as u16).to_le_bytes());
        whole.extend(data);
        assert_eq!(read(&whole).unwrap(), b"text");
    }

    #[test]
    fn cut_streams_end_unexpectedly() {
        for whole in [zstd::encode_all(&b"text"[..], 3).unwrap(), gzip(b"text")] {
            for len in Compression::MAGIC_LEN..whole.len() {
                assert_eq!(read(&whole[..len]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            }
        }
    }

    #[test]
    fn first_bytes_tell_the_compression() {
        let cases: [(&[u8], Option<Compression>); 12] = [
            (b"\xfd7zXZ\0", Some(Compression::Xz)),
            (b"BZh91AY", Some(Compression::Bzip2)),
            (b"BZhello", None),
            (b"\x04\x22\x4d\x18", Some(Compression::Lz4)),
            (b"LZIP", Some(Compression::Lzip)),
            (b"\x1f\x9d", Some(Compression::Compress)),
            (b"\x89LZO\0\r\n", Some(Compression::Lzop)),
            (b"\x5d\0\0\x80\0\xff", Some(Compression::Lzma)),
            (b"\x5d\0\0\xc0\0\xff", Some(Compression::Lzma)),
            // A name of one letter.
            (b"]\0\0\0\0\0", None),
            (b"\x1f\x8b", None),
            (b"", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Compression::of(bytes), expected, "{bytes:?}");
        }
    }
}
