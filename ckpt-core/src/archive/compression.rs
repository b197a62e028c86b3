//! How an archive is compressed on its way out.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use flate2::write::GzEncoder;

use super::encryption::ENDING;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all: data lies on blocks and can be cloned.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// zstd, on all cores.
    Zstd,
}

/// zstd's default level, which podman uses as well.
const ZSTD_LEVEL: i32 = 3;

impl Compression {
    /// What the ending of a file's name says: `.zst`, `.tzst`, `.gz` or `.tgz`; none for all others. An encrypted file has
    /// `.age` behind that.
    pub fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some(ENDING) => Compression::of_name(&path.with_extension("")),
            Some("zst" | "tzst") => Compression::Zstd,
            Some("gz" | "tgz") => Compression::Gzip,
            _ => Compression::None,
        }
    }

    /// What a compressed file's name has at its end: `.zst`, `.gz` or nothing.
    pub fn ending(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        }
    }

    /// A stream that compresses what is written to it into `target`.
    ///
    /// # Errors
    /// If the compressor cannot be started.
    pub fn encoder<W: Write>(self, target: W) -> io::Result<Encoder<W>> {
        Ok(Encoder(match self {
            Compression::None => Inner::Plain(target),
            Compression::Gzip => Inner::Gzip(GzEncoder::new(target, flate2::Compression::default())),
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(target, ZSTD_LEVEL)?;
                encoder.multithread(thread::available_parallelism().map_or(1, NonZeroUsize::get) as u32)?;
                Inner::Zstd(encoder)
            }
        }))
    }
}

/// A compressor; its stream is whole after [`Encoder::finish`].
pub struct Encoder<W: Write>(Inner<W>);

enum Inner<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    /// Writes what the compressor still holds, and gives the target back.
    ///
    /// # Errors
    /// What the target says.
    pub fn finish(self) -> io::Result<W> {
        let mut target = match self.0 {
            Inner::Plain(target) => target,
            Inner::Gzip(encoder) => encoder.finish()?,
            Inner::Zstd(encoder) => encoder.finish()?,
        };
        target.flush()?;
        Ok(target)
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Plain(target) => target.write(bytes),
            Inner::Gzip(encoder) => encoder.write(bytes),
            Inner::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Inner::Plain(target) => target.flush(),
            Inner::Gzip(encoder) => encoder.flush(),
            Inner::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn compressed_bytes_come_back() {
        let text = b"many many many words".repeat(1000);
        let compressed = |compression: Compression| {
            let mut encoder = compression.encoder(Vec::new()).unwrap();
            encoder.write_all(&text).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(compressed(Compression::None), text);
        assert_eq!(zstd::decode_all(&compressed(Compression::Zstd)[..]).unwrap(), text);
        let mut unzipped = Vec::new();
        flate2::read::GzDecoder::new(&compressed(Compression::Gzip)[..]).read_to_end(&mut unzipped).unwrap();
        assert_eq!(unzipped, text);
    }

    #[test]
    fn the_ending_of_a_name_tells_the_compression() {
        for (name, expected) in [
            ("x.tar.zst", Compression::Zstd),
            ("x.tgz", Compression::Gzip),
            ("x.tar.gz", Compression::Gzip),
            ("x.tar", Compression::None),
            ("gz", Compression::None),
            ("x.tar.zst.age", Compression::Zstd),
            ("x.tar.age", Compression::None),
        ] {
            assert_eq!(Compression::of_name(Path::new(name)), expected, "{name}");
            let of_its_own = format!("x.tar{}", expected.ending());
            assert_eq!(Compression::of_name(Path::new(&of_its_own)), expected);
        }
    }
}
