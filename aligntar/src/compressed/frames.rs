//! Compressed streams that follow each other, read as one, and zeros behind the last: tapes and pipes fill their last
//! block with them (gzip(1) ignores them, and so does GNU tar).

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use zstd::stream::raw::{Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

/// What comes behind a stream that has ended.
#[derive(PartialEq, Eq)]
enum Next {
    Stream,
    End,
}

/// Steps over zeros, which only the end may follow.
fn next(input: &mut impl BufRead) -> io::Result<Next> {
    let mut zeros = false;
    loop {
        let bytes = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        let (len, other) = (bytes.len(), bytes.iter().position(|&byte| byte != 0));
        match other {
            None if len == 0 => return Ok(Next::End),
            Some(0) if !zeros => return Ok(Next::Stream),
            Some(_) => {
                let message = "something follows the zeros behind the compressed data";
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            None => zeros = true,
        }
        input.consume(len);
    }
}

/// The first byte of a gzip member, `ID1`.
const MAGIC: u8 = 0x1f;

/// Gzip members (RFC 1952).
pub(super) struct Gzip<R> {
    /// `None` at the end, or after an error.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(input: R) -> Self {
        Gzip { member: Some(GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(buffer)? {
                0 if !buffer.is_empty() => {}
                len => return Ok(len),
            }
            let mut input = self.member.take().expect("it was there just now").into_inner();
            if next(&mut input)? == Next::Stream {
                // What is no member would be taken for the beginning of one that is cut off.
                if input.fill_buf()?.first() != Some(&MAGIC) {
                    let message = "something that is not gzip follows the compressed data";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                self.member = Some(GzDecoder::new(input));
            }
        }
        Ok(0)
    }
}

/// Zstandard frames (RFC 8878), skippable ones among them.
pub(super) struct Zstd<R> {
    input: R,
    decoder: ZstdDecoder<'static>,
    is_between_frames: bool,
}

impl<R: BufRead> Zstd<R> {
    /// # Errors
    /// Where memory is short.
    pub(super) fn new(input: R) -> io::Result<Self> {
        Ok(Zstd { input, decoder: ZstdDecoder::new()?, is_between_frames: true })
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            if self.is_between_frames && next(&mut self.input)? == Next::End {
                break;
            }
            let bytes = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            let is_at_end = bytes.is_empty();
            let (mut from, mut to) = (InBuffer::around(bytes), OutBuffer::around(buffer));
            let hint = self.decoder.run(&mut from, &mut to)?;
            let (taken, given) = (from.pos(), to.pos());
            self.input.consume(taken);
            self.is_between_frames = hint == 0;
            if given > 0 {
                return Ok(given);
            }
            // What the decoder had left would have come.
            if is_at_end && !self.is_between_frames {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Write};

    const TEXT: &[u8] = &[b't'; 300_000];

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// What both decoders make of `parts` compressed one by one, with `behind` behind them, however the input is cut.
    fn each_read(parts: &[&[u8]], behind: &[u8]) -> Vec<io::Result<usize>> {
        let mut results = Vec::new();
        for capacity in [1, 7, 100_000] {
            let joined = |compress: &dyn Fn(&[u8]) -> Vec<u8>| {
                [parts.iter().flat_map(|part| compress(part)).collect(), behind.to_vec()].concat()
            };
            let read_all = |input: &mut dyn Read| io::copy(input, &mut io::sink()).map(|len| len as usize);
            let (gzip, zstd) = (joined(&gzip), joined(&|part| zstd::encode_all(part, 3).unwrap()));
            results.push(read_all(&mut Gzip::new(BufReader::with_capacity(capacity, &gzip[..]))));
            results.push(read_all(&mut Zstd::new(BufReader::with_capacity(capacity, &zstd[..])).unwrap()));
        }
        results
    }

    #[test]
    fn zeros_behind_a_stream_are_its_end() {
        for zeros in [0, 1, 511, 70_000] {
            for parts in [&[TEXT][..], &[TEXT, b"", TEXT]] {
                let len = parts.iter().map(|part| part.len()).sum();
                for read in each_read(parts, &vec![0; zeros]) {
                    assert_eq!(read.unwrap(), len);
                }
            }
        }
    }

    #[test]
    fn anything_else_is_damage() {
        for behind in [&b"garbage"[..], b"\0\0garbage"] {
            for read in each_read(&[TEXT], behind) {
                // Nothing is cut off.
                assert!(read.is_err_and(|error| error.kind() != io::ErrorKind::UnexpectedEof));
            }
        }
    }
}
