//! An image of messages of one kind.

use std::marker::PhantomData;

use crate::framing::{FramingError, Messages};
use crate::image::Images;
use crate::image_error::ImageError;
use crate::messages::ImageMessage;

/// An image whose messages are all of one kind, in memory.
#[derive(Clone, Debug)]
pub struct MessageImage<M> {
    name: String,
    bytes: Vec<u8>,
    kind: PhantomData<M>,
}

impl Images {
    /// The image `name`, not decoded yet.
    ///
    /// # Errors
    /// [`ImageError`], also if it is longer than any of its kind.
    pub fn messages<M: ImageMessage>(&self, name: &str) -> Result<MessageImage<M>, ImageError> {
        let image = self.find(name)?;
        let bytes = image.read_all(M::MAX_BYTES).map_err(|source| ImageError::Read { name: name.into(), source })?;
        let framing = |source| ImageError::Framing { name: name.into(), source };
        Messages::new(&bytes, M::MAGIC).map_err(framing)?;
        Ok(MessageImage { name: name.into(), bytes, kind: PhantomData })
    }

    /// The first message of the image `name`.
    ///
    /// # Errors
    /// [`ImageError`], also if it has none.
    pub fn message<M: ImageMessage>(&self, name: &str) -> Result<M, ImageError> {
        let image = self.messages(name)?;
        let first = image.iter().next();
        first.unwrap_or_else(|| Err(ImageError::Empty { name: name.into() }))
    }
}

impl<M: ImageMessage> MessageImage<M> {
    /// The messages in their order; nothing comes behind an error.
    pub fn iter(&self) -> impl Iterator<Item = Result<M, ImageError>> {
        let mut messages = Messages::behind_magic(&self.bytes);
        let (mut count, mut failed) = (0, false);
        std::iter::from_fn(move || {
            let next = if failed { None } else { self.next(&mut messages, &mut count).transpose() };
            failed = matches!(next, Some(Err(_)));
            next
        })
    }

    fn next(&self, messages: &mut Messages<'_>, count: &mut usize) -> Result<Option<M>, ImageError> {
        let next = messages.next_message().and_then(|message| match message {
            Some(_) if *count == M::MAX_MESSAGES => Err(FramingError::TooMany { limit: M::MAX_MESSAGES }),
            message => Ok(message),
        });
        *count += 1;
        next.map_err(|source| ImageError::Framing { name: self.name.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::sync::Arc;

    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::framing::framed;
    use crate::image::Image;
    use crate::messages::{CoreEntry, MmEntry, PstreeEntry, VmaEntry};

    fn images(name: &str, bytes: &[u8]) -> anyhow::Result<Images> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        let mut images = Images::default();
        images.insert(name, Image::new(Arc::new(file), 0, bytes.len() as u64));
        Ok(images)
    }

    fn task(pid: u32) -> PstreeEntry {
        PstreeEntry { pid, ppid: 1, pgid: pid, sid: pid, threads: vec![pid, pid + 1] }
    }

    #[test]
    fn each_message_is_given_once() -> anyhow::Result<()> {
        let tasks = [task(1), task(70_000)];
        let images = images("pstree.img", &framed(PstreeEntry::MAGIC, tasks.iter().map(Message::encode_to_vec)))?;
        let image = images.messages::<PstreeEntry>("pstree.img")?;
        assert_eq!(image.iter().collect::<Result<Vec<_>, _>>()?, tasks);
        assert_eq!(images.message::<PstreeEntry>("pstree.img")?, tasks[0]);
        Ok(())
    }

    #[test]
    fn images_that_are_none_are_named() -> anyhow::Result<()> {
        let other_kind = images("mm-1.img", &framed(PstreeEntry::MAGIC, [task(1).encode_to_vec()]))?;
        let error = other_kind.message::<MmEntry>("mm-1.img").unwrap_err();
        let why = std::error::Error::source(&error).map(ToString::to_string);
        let begins = "begins with [Some(54564319), Some(50273030)] instead of [54564319, 57492820]";
        assert_eq!((error.to_string().as_str(), why.as_deref()), ("mm-1.img", Some(begins)));
        let none = images("mm-1.img", &framed(MmEntry::MAGIC, []))?;
        assert!(matches!(none.message::<MmEntry>("mm-1.img"), Err(ImageError::Empty { name }) if name == "mm-1.img"));
        assert!(matches!(none.message::<MmEntry>("mm-2.img"), Err(ImageError::Missing { name }) if name == "mm-2.img"));
        Ok(())
    }

    #[test]
    fn more_messages_or_bytes_than_can_be_are_refused() -> anyhow::Result<()> {
        let two = images("mm-1.img", &framed(MmEntry::MAGIC, [vec![], vec![]]))?;
        let all: Vec<_> = two.messages::<MmEntry>("mm-1.img")?.iter().collect();
        let [Ok(_), Err(ImageError::Framing { source: FramingError::TooMany { limit: 1 }, .. })] = &all[..] else {
            anyhow::bail!("{all:?}");
        };
        let mut huge = Images::default();
        huge.insert("core-1.img", Image::new(Arc::new(File::open("/dev/zero")?), 0, 1 << 40));
        assert!(matches!(huge.message::<CoreEntry>("core-1.img"), Err(ImageError::Read { .. })));
        Ok(())
    }

    #[test]
    fn a_message_with_more_fields_than_any_is_not_decoded() -> anyhow::Result<()> {
        // An empty mapping: two bytes here, and a hundred in memory.
        let vma = [14 << 3 | 2, 0].repeat(3 << 20);
        let images = images("mm-1.img", &framed(MmEntry::MAGIC, [vma]))?;
        let error = images.message::<MmEntry>("mm-1.img").unwrap_err();
        assert!(matches!(error, ImageError::Framing { source: FramingError::Fields { at: 8 }, .. }), "{error}");
        Ok(())
    }

    proptest! {
        #[test]
        fn mappings_are_read_as_they_were_written(
            numbers in prop::collection::vec(prop::array::uniform4(any::<u64>()), 0..20),
            auxv in prop::collection::vec(any::<u64>(), 0..8),
        ) {
            let vmas = numbers.iter().map(|&[start, end, pgoff, shmid]| VmaEntry {
                start, end, pgoff, shmid, prot: start as u32, flags: end as u32, status: pgoff as u32, madv: Some(shmid),
            });
            let mm = MmEntry { vmas: vmas.collect(), auxv, brk: 7, ..MmEntry::default() };
            let images = images("mm-1.img", &framed(MmEntry::MAGIC, [mm.encode_to_vec()])).unwrap();
            prop_assert_eq!(images.message::<MmEntry>("mm-1.img").unwrap(), mm);
        }

        #[test]
        fn an_image_that_was_damaged_gives_messages_or_an_error(at in 0usize..200, byte: u8, cut in 0usize..200) {
            let tasks = (1..9).map(task);
            let mut bytes = framed(PstreeEntry::MAGIC, tasks.map(|task| task.encode_to_vec()));
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len() - cut % bytes.len());
            if let Ok(image) = images("pstree.img", &bytes).unwrap().messages::<PstreeEntry>("pstree.img") {
                prop_assert!(image.iter().count() <= bytes.len() / 4 + 1);
            }
        }
    }
}
