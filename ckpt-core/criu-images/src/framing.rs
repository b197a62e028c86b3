//! Messages in an image file (CRIU, `protobuf.c`).
//!
//! | bytes | |
//! |---|---|
//! | 4 | `IMG_COMMON_MAGIC` |
//! | 4 | magic of the kind of image |
//! | 4 | length of a message … |
//! | | … the message, and so on to the end |
//!
//! Numbers are little-endian.

use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost::{DecodeError, Message};

/// `IMG_COMMON_MAGIC`, CRIU, `include/magic.h`.
const IMG_COMMON_MAGIC: u32 = 0x5456_4319;
/// Where the first message begins.
const BEHIND_MAGIC: usize = 8;
/// No message has more fields, those of messages in it not counted: `mm-PID.img` has one for each mapping. An empty field
/// takes two bytes, but up to a hundred in memory.
const MAX_FIELDS: usize = 2 << 20;

/// Why an image's bytes are none.
#[derive(Debug, thiserror::Error)]
pub enum FramingError {
    /// Another kind of image, or none.
    #[error("begins with {found:08x?} instead of {expected:08x?}")]
    Magic {
        /// What it begins with.
        found: [Option<u32>; 2],
        /// What an image of this kind begins with.
        expected: [u32; 2],
    },
    /// The bytes end within a message.
    #[error("ends within the message at byte {at}")]
    Truncated {
        /// Where the message begins.
        at: usize,
    },
    /// A message that cannot be decoded.
    #[error("has no message of its kind at byte {at}")]
    Message {
        /// Where the message begins.
        at: usize,
        /// Why.
        source: DecodeError,
    },
    /// A message with more fields than any has.
    #[error("has too large a message at byte {at}")]
    Fields {
        /// Where the message begins.
        at: usize,
    },
    /// More messages than any image of its kind has.
    #[error("has more than {limit} messages")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
}

/// An image as CRIU writes it: of the kind `magic`, with `messages` that are encoded.
///
/// # Panics
/// If a message is longer than 4 GiB.
pub fn framed(magic: u32, messages: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = [IMG_COMMON_MAGIC.to_le_bytes(), magic.to_le_bytes()].concat();
    for message in messages {
        bytes.extend(u32::try_from(message.len()).expect("messages are short").to_le_bytes());
        bytes.extend(message);
    }
    bytes
}

/// The messages of one image, one after the other.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Messages<'a> {
    /// Those of an image of the kind `magic`.
    ///
    /// # Errors
    /// [`FramingError::Magic`].
    pub fn new(bytes: &'a [u8], magic: u32) -> Result<Self, FramingError> {
        Self::behind(bytes, [IMG_COMMON_MAGIC, magic])
    }

    /// Those behind these two numbers.
    pub(crate) fn behind(bytes: &'a [u8], expected: [u32; 2]) -> Result<Self, FramingError> {
        let found = [number(bytes, 0), number(bytes, 4)];
        if found != expected.map(Some) {
            return Err(FramingError::Magic { found, expected });
        }
        Ok(Self::behind_magic(bytes))
    }

    /// Those of an image whose kind is known.
    pub(crate) fn behind_magic(bytes: &'a [u8]) -> Self {
        Self::from(bytes, BEHIND_MAGIC)
    }

    /// Those from byte `at` on, where one begins.
    pub(crate) fn from(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where the next one begins, in bytes.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next one; none at the end.
    ///
    /// # Errors
    /// [`FramingError`].
    pub fn next_message<M: Message + Default>(&mut self) -> Result<Option<M>, FramingError> {
        let at = self.at;
        if at == self.bytes.len() {
            return Ok(None);
        }
        let length = number(self.bytes, at).and_then(|length| usize::try_from(length).ok());
        let end = length.and_then(|length| (at + 4).checked_add(length));
        let message = end.and_then(|end| self.bytes.get(at + 4..end)).ok_or(FramingError::Truncated { at })?;
        self.at = at + 4 + message.len();
        if has_more_fields(message, MAX_FIELDS) {
            return Err(FramingError::Fields { at });
        }
        M::decode(message).map(Some).map_err(|source| FramingError::Message { at, source })
    }
}

/// Whether a message has more than `limit` fields. What is none of protobuf's is left to the decoder.
fn has_more_fields(mut message: &[u8], limit: usize) -> bool {
    // A field takes two bytes at least.
    if message.len() / 2 <= limit {
        return false;
    }
    let mut skip = || {
        let (tag, wire_type) = decode_key(&mut message)?;
        skip_field(wire_type, tag, &mut message, DecodeContext::default()).map(|()| message.is_empty())
    };
    for _ in 0..limit {
        match skip() {
            Ok(false) => {}
            Ok(true) | Err(_) => return false,
        }
    }
    true
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::PstreeEntry;

    fn task(pid: u32) -> PstreeEntry {
        PstreeEntry { pid, ..PstreeEntry::default() }
    }

    #[test]
    fn messages_come_one_after_the_other() -> Result<(), FramingError> {
        let bytes = framed(7, [1, 300].map(|pid| task(pid).encode_to_vec()));
        let mut messages = Messages::new(&bytes, 7)?;
        assert_eq!(messages.next_message::<PstreeEntry>()?, Some(task(1)));
        assert_eq!(messages.next_message::<PstreeEntry>()?, Some(task(300)));
        assert_eq!(messages.next_message::<PstreeEntry>()?, None);
        assert!(matches!(Messages::new(&bytes, 8), Err(FramingError::Magic { .. })));
        assert!(matches!(Messages::new(&bytes[..6], 7), Err(FramingError::Magic { .. })));
        Ok(())
    }

    #[test]
    fn an_image_that_ends_early_is_refused() {
        let bytes = framed(7, [task(300).encode_to_vec()]);
        for length in 9..bytes.len() {
            let result =
                Messages::new(&bytes[..length], 7).and_then(|mut messages| messages.next_message::<PstreeEntry>());
            assert!(matches!(result, Err(FramingError::Truncated { at: 8 })), "{length}: {result:?}");
        }
    }
}
