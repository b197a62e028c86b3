//! SHA-256, the name that the content of an image goes by.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// How many hexadecimal digits it has.
const HEX: usize = 64;

/// `sha256:` and 64 hexadecimal digits: OCI image specification, "Digests".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    hex: String,
}

/// It is no digest, or of another algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no digest: sha256: and 64 hexadecimal digits are")]
pub struct DigestError(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish().0
    }

    /// Its 64 digits: the name of a blob in a layout.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.hex)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match text.strip_prefix("sha256:") {
            Some(hex) if hex.len() == HEX && hex.bytes().all(is_digit) => Ok(Digest { hex: hex.to_owned() }),
            // What a stranger wrote is not repeated at any length.
            _ => Err(DigestError(text.chars().take(100).collect())),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Counts and digests what it is given.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    sha256: Sha256,
    length: u64,
}

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.length += bytes.len() as u64;
    }

    /// The digest of all, and how many bytes there were.
    pub fn finish(self) -> (Digest, u64) {
        let hex = self.sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (Digest { hex }, self.length)
    }
}

/// Digests a stream on its way.
#[derive(Debug)]
pub struct Hashing<S> {
    stream: S,
    hasher: Hasher,
}

impl<S> Hashing<S> {
    /// Nothing has passed yet.
    pub fn new(stream: S) -> Self {
        Hashing { stream, hasher: Hasher::default() }
    }

    /// The stream, and the digest and length of what has passed.
    pub fn finish(self) -> (S, Digest, u64) {
        let (digest, length) = self.hasher.finish();
        (self.stream, digest, length)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_stream_has_the_digest_of_its_bytes() {
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
        let mut reader = Hashing::new(&b"abc"[..]);
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "abc");
        let (_, digest, length) = reader.finish();
        assert_eq!((digest.to_string().as_str(), length), (ABC, 3));
    }

    #[test]
    fn what_could_be_a_path_is_no_digest() {
        assert_eq!(ABC.parse::<Digest>().unwrap().to_string(), ABC);
        let upper = ABC.to_uppercase();
        let long = format!("{ABC}0");
        for text in ["", "sha256:", "sha256:../../../../etc/passwd", "sha512:00", &upper, &long, &ABC[..70]] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
