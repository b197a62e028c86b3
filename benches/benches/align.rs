//! The arithmetic of block boundaries, as it is done for every member.

use std::hint::black_box;

use aligntar::{Alignment, padded_len};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const OFFSETS: u64 = 10_000;
/// From one offset to the next: odd, so that every remainder occurs.
const STEP: u64 = 12_345;

fn sum(of_offset: impl Fn(u64) -> Option<u64>) -> u64 {
    (0..OFFSETS).filter_map(|number| of_offset(black_box(number * STEP))).fold(0, u64::wrapping_add)
}

fn align(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("align");
    group.throughput(Throughput::Elements(OFFSETS));
    group.bench_function("up to a tar block", |bencher| bencher.iter(|| sum(padded_len)));
    for bytes in [4096, 65536] {
        let fs_block = Alignment::new(bytes).expect("a block size");
        group.bench_function(format!("up to {bytes}"), |bencher| bencher.iter(|| sum(|at| fs_block.align_up(at))));
        group.bench_function(format!("down to {bytes}"), |bencher| {
            bencher.iter(|| sum(|at| Some(fs_block.align_down(at))));
        });
    }
    group.finish();
}

criterion_group!(benches, align);
criterion_main!(benches);
