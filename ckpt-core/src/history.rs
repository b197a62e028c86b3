//! `history`: the saves of a container, and what they take.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::BytePath;
use crate::store::{Problem, Reading, Saved, Store, StoreError, occupied_alone};

/// The saves of one container.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub container: String,
    /// The oldest first.
    pub saves: Vec<ListedSave>,
    /// What lies among them and is none of them.
    pub problems: Vec<Problem>,
}

/// A save, and what it takes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ListedSave {
    /// As the archive tells of itself.
    #[serde(flatten)]
    pub saved: Saved,
    /// How far back it is: 1 for the newest. None if it cannot be restored alone.
    pub back: Option<u32>,
    /// The archive.
    pub path: BytePath,
    /// Bytes that its removal would give back. None where the file system does not say.
    pub alone_bytes: Option<u64>,
}

/// The saves of `container`, or of all, in the store in `folder` or in the usual one.
///
/// # Errors
/// [`StoreError`].
pub fn history(container: Option<&str>, folder: Option<&Path>) -> Result<Vec<Listed>, StoreError> {
    let store = Store::find(folder)?;
    match container {
        Some(name) => Ok(vec![of_container(&store, name)?]),
        None => store.containers()?.iter().map(|name| of_container(&store, name)).collect(),
    }
}

fn of_container(store: &Store, name: &str) -> Result<Listed, StoreError> {
    let history = store.history(name)?;
    let listed = |(saved, back): (&Saved, Option<u32>)| {
        let path = BytePath(history.path_of(saved));
        let alone_bytes = Reading::begin(&path.0).ok().and_then(|reading| occupied_alone(reading.file()));
        ListedSave { saved: saved.clone(), back, path, alone_bytes }
    };
    let saves = history.saves().iter().zip(history.places()).map(listed).collect();
    Ok(Listed { container: name.to_owned(), saves, problems: history.into_problems() })
}
