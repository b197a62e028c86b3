//! Keys of age, and what they open.

use std::cell::Cell;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::armor::ArmoredReader;
use age::x25519;
use age::{DecryptError, Decryptor, Encryptor, Identity, IdentityFile, Recipient};

use super::{EncryptionError, is_encrypted};
use crate::archive::error::ArchiveError;
use crate::archive::input::{Import, Interruptible};
use crate::archive::spool::{Bounded, Counted, Room};
use crate::host::interrupt::{Interrupt, is_interrupted};

/// What is read or written at a time, bytes: two of age's chunks.
const BUFFER: usize = 128 << 10;
/// The longest file of recipients, bytes; each has 63.
const RECIPIENTS_MAX: u64 = 1 << 20;

/// Those who can read an archive, at least one.
#[derive(Clone)]
pub struct Recipients(Arc<[x25519::Recipient]>);

impl Recipients {
    /// Each word is a recipient (`age1…`), or a file with one a line, in which lines that begin with `#` are comments.
    ///
    /// # Errors
    /// [`EncryptionError::Recipient`], `Line`, `Empty` or `Read`.
    pub fn read(words: &[PathBuf]) -> Result<Self, EncryptionError> {
        let mut recipients = Vec::new();
        for word in words {
            match word.to_str().map(str::parse) {
                Some(Ok(recipient)) => recipients.push(recipient),
                _ if word.is_file() => recipients.extend(of_file(word)?),
                _ => return Err(EncryptionError::Recipient { word: word.clone() }),
            }
        }
        match recipients.is_empty() {
            true => Err(EncryptionError::Recipient { word: PathBuf::new() }),
            false => Ok(Recipients(recipients.into())),
        }
    }

    /// Writes what `fill` writes to `target`, encrypted. It is whole once this comes back.
    pub(crate) fn seal(
        &self,
        target: impl Write,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let recipients = self.0.iter().map(|recipient| recipient as &dyn Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let mut sealed = encryptor.wrap_output(io::BufWriter::with_capacity(BUFFER, target))?;
        fill(&mut sealed)?;
        sealed.finish()?.flush()
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(x25519::Recipient::to_string)).finish()
    }
}

fn of_file(path: &Path) -> Result<Vec<x25519::Recipient>, EncryptionError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(RECIPIENTS_MAX).read_to_string(&mut text));
    read.map_err(|source| EncryptionError::Read { path: path.to_owned(), source })?;
    let what = "recipient";
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let recipients: Vec<_> = keys
        .map(|(line, key)| key.parse().map_err(|_| EncryptionError::Line { path: path.to_owned(), line, what }))
        .collect::<Result<_, _>>()?;
    match recipients.is_empty() {
        true => Err(EncryptionError::Empty { path: path.to_owned(), what }),
        false => Ok(recipients),
    }
}

/// Private keys.
pub struct Identities(Vec<Box<dyn Identity>>);

impl fmt::Debug for Identities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} identities", self.0.len())
    }
}

impl Identities {
    /// Those in files as `age-keygen` makes them.
    ///
    /// # Errors
    /// [`EncryptionError::Read`] or `Empty`.
    pub fn read(files: &[PathBuf]) -> Result<Self, EncryptionError> {
        let mut identities = Vec::new();
        for path in files {
            let found = identities_of(path).map_err(|source| EncryptionError::Read { path: path.clone(), source })?;
            if found.is_empty() {
                return Err(EncryptionError::Empty { path: path.clone(), what: "identity" });
            }
            identities.extend(found);
        }
        Ok(Identities(identities))
    }

    /// The archive `import` decrypted, in a file without a name in `folder` that only this user can read. It goes when the
    /// last who has it open has closed it.
    ///
    /// # Errors
    /// [`EncryptionError`]; nothing is left of it then.
    pub fn decrypt(
        &self,
        import: &Import,
        folder: &Path,
        interrupt: Option<&Interrupt>,
    ) -> Result<Import, EncryptionError> {
        let name = import.name();
        let opened = import.open().map_err(|source| EncryptionError::Read { path: name.to_owned(), source })?;
        self.decrypt_opened(&opened, name, folder, interrupt)
    }

    /// As [`Identities::decrypt`] for what is `opened`, which messages call `name`.
    pub(crate) fn decrypt_opened(
        &self,
        opened: &File,
        name: &Path,
        folder: &Path,
        interrupt: Option<&Interrupt>,
    ) -> Result<Import, EncryptionError> {
        let spool_error = |source| ArchiveError::Spool { path: name.to_owned(), folder: folder.to_owned(), source };
        let is_file = opened.metadata().is_ok_and(|metadata| metadata.is_file());
        let read_error = |source| EncryptionError::Read { path: name.to_owned(), source };
        if is_file && !is_encrypted(opened).map_err(read_error)? {
            return Err(EncryptionError::Plain { path: name.to_owned() });
        }
        let taken = Cell::new(0);
        let stream = Counted { stream: Interruptible { stream: opened, interrupt }, taken: &taken };
        let stream = BufReader::with_capacity(BUFFER, stream);
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(stream)).map_err(|error| refused(name, error))?;
        let keys = self.0.iter().map(|identity| identity.as_ref());
        let stream = decryptor.decrypt(keys).map_err(|error| refused(name, error))?;
        let file = tempfile::tempfile_in(folder).map_err(spool_error)?;
        let room = Room::on(&file).map_err(spool_error)?;
        let mut bounded = Bounded { stream, room, filled: 0, taken: &taken, name, folder };
        pour(&mut bounded, &file, |source| damaged(name, source), |source| spool_error(source).into())?;
        Ok(Import::Opened { file: file.into(), name: name.to_owned(), has_path: false })
    }
}

fn identities_of(path: &Path) -> io::Result<Vec<Box<dyn Identity>>> {
    let not_a_key = |_| io::Error::new(io::ErrorKind::InvalidData, "it is no file of keys, as age-keygen makes them");
    let text = fs::read(path)?;
    let file = IdentityFile::from_buffer(&text[..]).map_err(not_a_key)?;
    file.into_identities().map_err(io::Error::other)
}

/// All of a stream into a file; whose fault an error is tells `read` from `written`.
fn pour(
    stream: &mut impl Read,
    mut file: &File,
    read: impl Fn(io::Error) -> EncryptionError,
    written: impl Fn(io::Error) -> EncryptionError,
) -> Result<(), EncryptionError> {
    let mut chunk = vec![0; BUFFER];
    loop {
        match stream.read(&mut chunk).map_err(&read)? {
            0 => return Ok(()),
            length => file.write_all(&chunk[..length]).map_err(&written)?,
        }
    }
}

/// What age does not let through is damaged; what is too large, or was interrupted, says so itself.
fn damaged(name: &Path, error: io::Error) -> EncryptionError {
    if is_interrupted(&error) {
        return EncryptionError::Read { path: name.to_owned(), source: error };
    }
    match error.downcast::<ArchiveError>() {
        Ok(archive) => archive.into(),
        Err(source) => EncryptionError::Damaged { path: name.to_owned(), source },
    }
}

fn refused(name: &Path, error: DecryptError) -> EncryptionError {
    let path = name.to_owned();
    match error {
        // What age takes for a later version may as well be a damaged line of this one.
        DecryptError::UnknownFormat => EncryptionError::Damaged {
            path,
            source: io::Error::new(io::ErrorKind::InvalidData, "its header is not that of version 1 of age"),
        },
        DecryptError::NoMatchingKeys => EncryptionError::WrongIdentity { path },
        DecryptError::Io(source) => damaged(name, source),
        DecryptError::InvalidHeader | DecryptError::InvalidMac | DecryptError::DecryptionFailed => {
            EncryptionError::Damaged { path, source: io::Error::new(io::ErrorKind::InvalidData, error.to_string()) }
        }
        other => EncryptionError::Unknown { path, why: other.to_string().replace('\n', " ") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret;

    struct Key {
        folder: tempfile::TempDir,
        recipient: String,
    }

    impl Key {
        fn new() -> Self {
            let (folder, key) = (tempfile::tempdir().unwrap(), x25519::Identity::generate());
            fs::write(folder.path().join("key"), format!("# a key\n{}\n", key.to_string().expose_secret())).unwrap();
            Key { recipient: key.to_public().to_string(), folder }
        }

        fn identities(&self) -> Identities {
            Identities::read(&[self.folder.path().join("key")]).unwrap()
        }
    }

    fn sealed(recipients: &[&Key], bytes: &[u8]) -> Vec<u8> {
        let words: Vec<PathBuf> = recipients.iter().map(|key| PathBuf::from(&key.recipient)).collect();
        let mut target = Vec::new();
        Recipients::read(&words).unwrap().seal(&mut target, |target| target.write_all(bytes)).unwrap();
        target
    }

    fn opened(key: &Key, bytes: &[u8]) -> Result<Vec<u8>, EncryptionError> {
        let path = key.folder.path().join("x.tar.age");
        fs::write(&path, bytes).unwrap();
        let import = key.identities().decrypt(&(&path).into(), key.folder.path(), None)?;
        assert_eq!(fs::read_dir(key.folder.path()).unwrap().count(), 2, "a name was left");
        let mut read = Vec::new();
        import.open().unwrap().read_to_end(&mut read).unwrap();
        Ok(read)
    }

    #[test]
    fn each_recipient_reads_it_and_nobody_else() {
        let [one, two, other] = [Key::new(), Key::new(), Key::new()];
        let text = b"memory ".repeat(50_000);
        let sealed = sealed(&[&one, &two], &text);
        assert_eq!(opened(&one, &sealed).unwrap(), text);
        assert_eq!(opened(&two, &sealed).unwrap(), text);
        assert!(matches!(opened(&other, &sealed), Err(EncryptionError::WrongIdentity { .. })));
    }

    #[test]
    fn what_was_cut_off_or_changed_gives_nothing() {
        let key = Key::new();
        let text = b"memory ".repeat(50_000);
        let sealed = sealed(&[&key], &text);
        let header = sealed.len() - text.len() - 16 * text.len().div_ceil(65536);
        // At the end of a chunk as well: each is authentic, and the last one says that it is the last.
        for length in [30, header, header + 65552, header + 2 * 65552, sealed.len() - 1] {
            let cut = opened(&key, &sealed[..length]);
            assert!(matches!(cut, Err(EncryptionError::Damaged { .. })), "{length}: {cut:?}");
        }
        for at in [30, header - 40, header + 1, header + 65552 + 7, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let refused = opened(&key, &changed);
            let is_refused =
                matches!(refused, Err(EncryptionError::Damaged { .. } | EncryptionError::WrongIdentity { .. }));
            assert!(is_refused, "{at}: {refused:?}");
        }
        let longer = [&sealed[..], b"x"].concat();
        assert!(opened(&key, &longer).is_err());
    }

    #[test]
    fn recipients_are_words_and_files() {
        let [one, two] = [Key::new(), Key::new()];
        let list = one.folder.path().join("list");
        fs::write(&list, format!("# those\n\n{}\n{}\n", one.recipient, two.recipient)).unwrap();
        let read = |words: &[&str]| Recipients::read(&words.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(read(&[list.to_str().unwrap(), &two.recipient]).unwrap().0.len(), 3);
        fs::write(&list, "# none\n").unwrap();
        assert!(matches!(read(&[list.to_str().unwrap()]), Err(EncryptionError::Empty { .. })));
        fs::write(&list, format!("{}\nage1x\n", one.recipient)).unwrap();
        assert!(matches!(read(&[list.to_str().unwrap()]), Err(EncryptionError::Line { line: 2, .. })));
        for wrong in ["age1x", "", "ssh-ed25519 AAAA", "/nonexistent"] {
            assert!(matches!(read(&[wrong]), Err(EncryptionError::Recipient { .. })), "{wrong}");
        }
    }
}
