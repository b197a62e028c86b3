//! The JSON files of records: where they are, and the record that one looks for.

use std::path::{Path, PathBuf};

use super::error::ContainersStorageError;
use super::records::Record;
use crate::bounded_read;
use crate::storage_conf::StorageConf;

/// The files with a driver's records: of what lasts, and of what a reboot may lose.
pub(super) fn record_files(conf: &StorageConf, driver: &str, what: &str) -> [PathBuf; 2] {
    let file = |root: &Path, name: String| root.join(format!("{driver}-{what}")).join(name);
    let volatile_root = if conf.transient_store { &conf.run_root } else { &conf.graph_root };
    [file(&conf.graph_root, format!("{what}.json")), file(volatile_root, format!("volatile-{what}.json"))]
}

/// Records grow with the number of containers or images, about 1 KiB each.
const RECORDS_LIMIT: u64 = 256 << 20;

pub(super) fn read_records(files: &[PathBuf]) -> Result<Vec<Record>, ContainersStorageError> {
    let mut records = Vec::new();
    for path in files {
        if let Some(bytes) = bounded_read::read_optional(path, RECORDS_LIMIT)? {
            records.extend(Record::parse(&bytes, path)?);
        }
    }
    Ok(records)
}

/// The first record with this ID or name; IDs of all files come before names, as in containers/storage.
pub(super) fn find_record(files: &[PathBuf], name_or_id: &str) -> Result<Option<Record>, ContainersStorageError> {
    let mut records = read_records(files)?;
    let index = records.iter().position(|record| record.id == name_or_id);
    let index = index.or_else(|| records.iter().position(|record| record.names.iter().any(|name| name == name_or_id)));
    Ok(index.map(|index| records.swap_remove(index)))
}
