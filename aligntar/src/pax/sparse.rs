//! `GNU.sparse.*` records: the pax formats 0.0, 0.1 and 1.0 of sparse members (GNU tar manual, "Storing Sparse Files").

use super::record::{PaxError, PaxRecord};
use super::value::{bad_value, number, path};
use crate::entry::DataSpan;

/// What `GNU.sparse.*` records say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SparseRecords {
    /// `major` and `minor`: the version of the format from 1.0 on.
    pub version: (u64, u64),
    /// `name`: the path of the file; that of the header has a directory of its own in it.
    pub name: Option<Vec<u8>>,
    /// `realsize` (1.0) or `size` (0.0, 0.1): the size of the file in bytes, holes included.
    pub real_size: Option<u64>,
    /// `map` (0.1), or pairs of `offset` and `numbytes` (0.0). `None`: the records hold no map.
    pub map: Option<Vec<DataSpan>>,
    /// An `offset` whose `numbytes` is next.
    unpaired: Option<u64>,
}

impl SparseRecords {
    /// Takes the record whose keyword is `GNU.sparse.` and `name`; unknown ones are left out.
    pub(super) fn take(&mut self, name: &[u8], record: PaxRecord<'_>) -> Result<(), PaxError> {
        match name {
            b"major" => self.version.0 = number(record)?.unwrap_or_default(),
            b"minor" => self.version.1 = number(record)?.unwrap_or_default(),
            b"name" => self.name = path(record)?,
            b"realsize" | b"size" => self.real_size = number(record)?,
            b"map" => self.map = Some(map(record)?),
            b"offset" if self.unpaired.is_none() => self.unpaired = number(record)?,
            b"numbytes" => {
                let (Some(offset), Some(length)) = (self.unpaired.take(), number(record)?) else {
                    return Err(bad_value(record));
                };
                self.map.get_or_insert_default().push(DataSpan { offset, length });
            }
            b"offset" => return Err(bad_value(record)),
            _ => {}
        }
        Ok(())
    }
}

/// `offset,length,offset,length…`
fn map(record: PaxRecord<'_>) -> Result<Vec<DataSpan>, PaxError> {
    if record.value.is_empty() {
        return Ok(Vec::new());
    }
    let mut numbers = record
        .value
        .split(|&byte| byte == b',')
        .map(|value| number(PaxRecord { value, ..record })?.ok_or_else(|| bad_value(record)));
    let mut spans = Vec::new();
    while let Some(offset) = numbers.next() {
        let length = numbers.next().unwrap_or_else(|| Err(bad_value(record)));
        spans.push(DataSpan { offset: offset?, length: length? });
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use crate::entry::DataSpan;
    use crate::pax::{PaxBody, PaxExtensions};

    fn parsed(records: &[(&str, &str)]) -> Option<Vec<DataSpan>> {
        let mut body = PaxBody::default();
        for (keyword, value) in records {
            body.push(format!("GNU.sparse.{keyword}").as_bytes(), value.as_bytes());
        }
        PaxExtensions::parse(body.as_bytes()).ok()?.sparse?.map
    }

    #[test]
    fn maps_of_both_old_formats_are_read() {
        let spans = [(0, 5), (4096, 7)].map(|(offset, length)| DataSpan { offset, length });
        let pairs = [("offset", "0"), ("numbytes", "5"), ("offset", "4096"), ("numbytes", "7")];
        assert_eq!(parsed(&pairs).as_deref(), Some(&spans[..]));
        assert_eq!(parsed(&[("map", "0,5,4096,7"), ("numblocks", "2")]).as_deref(), Some(&spans[..]));
        assert_eq!(parsed(&[("map", "")]), Some(Vec::new()));
    }

    #[test]
    fn maps_that_do_not_pair_are_refused() {
        let cases: [&[(&str, &str)]; 6] = [
            &[("map", "0,5,4096")],
            &[("map", "0,,1,2")],
            &[("map", "0,-5")],
            &[("numbytes", "5")],
            &[("offset", "0"), ("offset", "1")],
            &[("offset", "0"), ("numbytes", "")],
        ];
        for records in cases {
            assert_eq!(parsed(records), None, "{records:?}");
        }
    }
}
