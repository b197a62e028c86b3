//! Records of extended headers: parsed, and padded so that data lies on a block.

use std::hint::black_box;

use aligntar::{Alignment, PaxBody, PaxExtensions};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// A long path, a time, and `xattrs` attributes of 100 bytes that look like the ends of records.
fn body(xattrs: u32) -> PaxBody {
    let mut body = PaxBody::default();
    body.push(b"path", &[b'p'; 300]);
    body.push(b"mtime", b"1700000000.123456789");
    for number in 0..xattrs {
        let keyword = format!("SCHILY.xattr.user.note{number}");
        body.push(keyword.as_bytes(), &[b'\n'; 100]);
    }
    body
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pax, parse");
    for xattrs in [0, 10, 1000] {
        let body = body(xattrs);
        group.throughput(Throughput::Bytes(body.as_bytes().len() as u64));
        group.bench_with_input(BenchmarkId::new("attributes", xattrs), &body, |bencher, body| {
            bencher.iter(|| PaxExtensions::parse(black_box(body.as_bytes())).expect("records"));
        });
    }
    group.finish();
}

fn pad(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pax, pad");
    let body = body(1);
    for offset in [512, 3072] {
        group.bench_function(BenchmarkId::new("from offset", offset), |bencher| {
            let pad = |mut body: PaxBody| {
                body.pad(black_box(offset), Alignment::DEFAULT).expect("far from the end of u64");
                body
            };
            bencher.iter_batched(|| body.clone(), pad, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, parse, pad);
criterion_main!(benches);
