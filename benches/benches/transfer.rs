//! One file's data into a new file, by clone and by copy: what decides from which size on a clone is worth its call.
//!
//! In `BENCH_DIR`, which has to be on BTRFS or XFS to see clones; the page cache is warm, nothing is synced.

use std::fs::File;
use std::os::unix::fs::FileExt;

use aligntar::{Alignment, ClonePolicy, Span, TransferError, transfer};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const KIB: u64 = 1024;
const SIZES: [u64; 9] = [4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, 1024 * KIB];

/// How data moves.
#[derive(Clone, Copy)]
struct Way {
    title: &'static str,
    policy: ClonePolicy,
}

const WAYS: [Way; 2] = [
    Way { title: "clone", policy: ClonePolicy::Required },
    Way { title: "read and write", policy: ClonePolicy::Never },
];

fn new_file() -> File {
    benches::file(env!("CARGO_TARGET_TMPDIR"))
}

/// No holes, and on disk: the first clone would write it out otherwise.
fn source() -> File {
    let file = new_file();
    let bytes: Vec<u8> = (0..2 * 1024 * KIB).map(|number| (number ^ (number >> 8)) as u8).collect();
    file.write_all_at(&bytes, 0).expect("a source");
    file.sync_all().expect("a source on disk");
    file
}

fn move_data(source: &File, target: File, way: Way, length: u64) -> Result<File, TransferError> {
    let span = Span { source_offset: 0, target_offset: 0, length };
    transfer(source, &target, span, Alignment::DEFAULT, way.policy)?;
    // Given back, so that its end is not part of the time.
    Ok(target)
}

fn transfers(criterion: &mut Criterion) {
    let source = source();
    let mut group = criterion.benchmark_group("transfer");
    for way in WAYS {
        if let Err(error) = move_data(&source, new_file(), way, SIZES[0]) {
            let folder = benches::folder(env!("CARGO_TARGET_TMPDIR"));
            eprintln!("transfer/{} left out, not possible in {}: {error}", way.title, folder.display());
            continue;
        }
        for length in SIZES {
            group.throughput(Throughput::Bytes(length));
            group.bench_with_input(BenchmarkId::new(way.title, length), &length, |bencher, &length| {
                let moved = |target| move_data(&source, target, way, length).expect("it was possible before");
                bencher.iter_batched(new_file, moved, BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, transfers);
criterion_main!(benches);
