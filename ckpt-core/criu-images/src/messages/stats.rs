//! What CRIU measured: `stats-dump`.

use prost::Message;

use crate::framing::{FramingError, Messages};

/// `stats_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StatsEntry {
    /// Of a dump.
    #[prost(message, optional, tag = "1")]
    pub dump: Option<DumpStatsEntry>,
}

/// `dump_stats_entry`. Times are microseconds.
#[derive(Clone, Copy, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "images/stats.proto has no more to say")]
pub struct DumpStatsEntry {
    #[prost(uint32, required, tag = "1")]
    pub freezing_time: u32,
    #[prost(uint32, required, tag = "2")]
    pub frozen_time: u32,
    #[prost(uint32, required, tag = "3")]
    pub memdump_time: u32,
    #[prost(uint32, required, tag = "4")]
    pub memwrite_time: u32,
    #[prost(uint64, required, tag = "5")]
    pub pages_scanned: u64,
    #[prost(uint64, required, tag = "6")]
    pub pages_skipped_parent: u64,
    #[prost(uint64, required, tag = "7")]
    pub pages_written: u64,
    #[prost(uint64, required, tag = "9")]
    pub pages_lazy: u64,
}

/// `IMG_SERVICE_MAGIC` and `STATS_MAGIC`, CRIU, `include/magic.h`: files that no restore reads begin otherwise.
const MAGIC: [u32; 2] = [0x5510_5940, 0x5709_3306];

impl StatsEntry {
    /// Reads the file.
    ///
    /// # Errors
    /// [`FramingError`], if it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, FramingError> {
        let mut messages = Messages::behind(bytes, MAGIC)?;
        Ok(messages.next_message()?.unwrap_or_default())
    }

    /// Such a file, as CRIU writes it.
    pub fn framed(&self) -> Vec<u8> {
        let message = self.encode_to_vec();
        let length = u32::try_from(message.len()).expect("a message of a few numbers is short");
        [&MAGIC.map(u32::to_le_bytes).concat()[..], &length.to_le_bytes(), &message].concat()
    }
}
