//! `/proc/PID/limits`: proc_pid_limits(5).

use crate::host::processes::read;
use crate::inside::limit::{Limit, NAMES};

pub(super) fn of(pid: i32) -> Vec<Limit> {
    parse(&String::from_utf8_lossy(&read(pid, "limits")))
}

/// Where the soft limit begins: the kernel prints `%-25s %-20s %-20s` (fs/proc/base.c), in the order of the numbers.
const SOFT: usize = 26;

fn parse(text: &str) -> Vec<Limit> {
    let limit = |(number, line): (usize, &str)| {
        let mut values = line.get(SOFT..)?.split_whitespace().map(|word| match word {
            "unlimited" => Some(u64::MAX),
            number => number.parse().ok(),
        });
        Some(Limit::numbered(number, values.next()??, values.next()??))
    };
    text.lines().skip(1).take(NAMES.len()).enumerate().filter_map(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_in_the_order_of_the_numbers() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max cpu time              unlimited            unlimited            seconds   \n\
                    Max file size             4096                 unlimited            bytes     \n";
        let limit = |name: &str, soft| Limit { name: name.to_owned(), soft, hard: None };
        assert_eq!(parse(text), [limit("cpu", None), limit("fsize", Some(4096))]);
    }
}
