//! Extended header records, `"%d %s=%s\n"` (POSIX pax, "pax Extended Header"): bytes in, bytes out, no I/O.

mod attributes;
mod body;
mod extensions;
mod record;
mod sparse;
mod value;

pub(crate) use attributes::ACLS;
pub use body::PaxBody;
pub use extensions::PaxExtensions;
pub use record::{PaxError, PaxRecord, records};
pub use sparse::SparseRecords;

/// Longest body of an extended header in bytes: Go's and libarchive's readers refuse longer ones.
pub const PAX_BODY_LIMIT: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_come_back(values in prop::collection::vec(("[a-z.]{1,9}", prop::collection::vec(any::<u8>(), 0..1200)), 0..9)) {
            let mut body = PaxBody::default();
            for (keyword, value) in &values {
                body.push(keyword.as_bytes(), value);
            }
            let read: Vec<_> = records(body.as_bytes()).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), values.len());
            for (record, (keyword, value)) in read.iter().zip(&values) {
                prop_assert_eq!(record.keyword, keyword.as_bytes());
                prop_assert_eq!(record.value, &value[..]);
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(body in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = PaxExtensions::parse(&body);
        }
    }
}
