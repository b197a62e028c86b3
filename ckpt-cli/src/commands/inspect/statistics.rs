//! What a checkpoint took, as lines.

use ckpt_core::inside::{CriuStatistics, OwnStatistics};
use indicatif::HumanBytes;

pub(super) fn lines(criu: Option<&CriuStatistics>, ckpt: Option<&OwnStatistics>) -> Vec<(&'static str, String)> {
    let criu = criu.map(|criu| {
        vec![
            ("CRIU: until all stood still", microseconds(criu.freezing_us)),
            ("CRIU: stood still", microseconds(criu.frozen_us)),
            ("CRIU: of that, for memory", microseconds(criu.memdump_us)),
            ("CRIU: to write memory", microseconds(criu.memwrite_us)),
            ("CRIU: pages looked at", criu.pages_scanned.to_string()),
            ("CRIU: pages in an earlier dump", criu.pages_skipped_parent.to_string()),
            ("CRIU: pages written", criu.pages_written.to_string()),
            ("CRIU: pages that may come later", criu.pages_lazy.to_string()),
        ]
    });
    let ckpt = ckpt.map(|ckpt| {
        vec![
            ("ckpt: stood still", ckpt.frozen_us.map_or_else(|| "unknown".to_owned(), microseconds)),
            ("ckpt: members", ckpt.members.to_string()),
            ("ckpt: cloned", HumanBytes(ckpt.cloned_bytes).to_string()),
            ("ckpt: copied", HumanBytes(ckpt.copied_bytes).to_string()),
            ("ckpt: holes", HumanBytes(ckpt.hole_bytes).to_string()),
        ]
    });
    ckpt.into_iter().chain(criu).flatten().collect()
}

fn microseconds(us: u64) -> String {
    format!("{}.{:03} ms", us / 1000, us % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds() {
        assert_eq!((microseconds(7), microseconds(12_034)), ("0.007 ms".to_owned(), "12.034 ms".to_owned()));
    }
}
