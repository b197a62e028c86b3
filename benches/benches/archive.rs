//! Headers and small members, written and read: what a container with many files costs beside its data.

use std::fs::File;
use std::hint::black_box;

use aligntar::{Member, PaxBody, PaxExtensions, Reader, WriteOptions, Writer};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const MEMBERS: u32 = 10_000;
const SIZE: u64 = 1500;

fn write(members: &[Member]) -> File {
    let archive = tempfile::tempfile().expect("a temporary file");
    let mut writer = Writer::new(&archive, WriteOptions::default()).expect("a writer");
    let data = [7; SIZE as usize];
    for member in members {
        writer.append_bytes(member, &data).expect("a member");
    }
    writer.finish().expect("an archive");
    archive
}

fn archive(criterion: &mut Criterion) {
    let members = benches::members(MEMBERS, SIZE);
    let archive = write(&members);
    let mut group = criterion.benchmark_group("small members");
    group.throughput(Throughput::Elements(MEMBERS.into()));
    group.bench_function("write", |bencher| bencher.iter(|| write(&members)));
    group.bench_function("read headers", |bencher| {
        bencher.iter(|| Reader::open(&archive).expect("an archive").filter(Result::is_ok).count());
    });
    group.finish();
}

fn pax(criterion: &mut Criterion) {
    let mut body = PaxBody::default();
    body.push(b"path", &[b'p'; 300]);
    body.push(b"mtime", b"1700000000.123456789");
    body.push(b"SCHILY.xattr.user.origin", b"package\n");
    criterion.bench_function("pax records, parse", |bencher| {
        bencher.iter(|| PaxExtensions::parse(black_box(body.as_bytes())).expect("records"));
    });
    criterion.bench_function("pax records, pad", |bencher| {
        let pad = |mut body: PaxBody| body.pad(black_box(512), aligntar::Alignment::DEFAULT);
        bencher.iter_batched(|| body.clone(), pad, BatchSize::SmallInput);
    });
}

criterion_group!(benches, archive, pax);
criterion_main!(benches);
