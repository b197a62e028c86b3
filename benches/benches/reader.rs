//! An archive of 10,000 members, listed and read: from a file, where data is skipped by its offset, and from a stream.

use std::fs::File;
use std::io::{self, BufReader, Seek};

use aligntar::{Limits, Reader, Source, StreamSource};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const MEMBERS: u32 = 10_000;
const SIZE: u64 = 1500;

fn list<S: Source>(reader: Reader<S>) {
    assert_eq!(reader.filter(Result::is_ok).count(), MEMBERS as usize);
}

fn read<S: Source>(mut reader: Reader<S>) {
    let mut bytes = 0;
    while let Some(entry) = reader.next_entry().expect("an archive") {
        bytes += io::copy(&mut reader.data(&entry), &mut io::sink()).expect("data");
    }
    assert_eq!(bytes, u64::from(MEMBERS) * SIZE);
}

fn stream(mut file: &File) -> Reader<StreamSource<BufReader<&File>>> {
    file.rewind().expect("a file can seek");
    Reader::new(StreamSource::new(BufReader::new(file)), Limits::default())
}

fn reader(criterion: &mut Criterion) {
    let archive = benches::file(env!("CARGO_TARGET_TMPDIR"));
    benches::archive(&benches::members(MEMBERS, SIZE), &archive);
    let open = || Reader::open(&archive).expect("an archive");
    let mut group = criterion.benchmark_group("reader, 10,000 members");
    group.throughput(Throughput::Elements(MEMBERS.into())).sample_size(20);
    group.bench_function("list, file", |bencher| bencher.iter(|| list(open())));
    group.bench_function("list, stream", |bencher| bencher.iter(|| list(stream(&archive))));
    group.bench_function("read data, file", |bencher| bencher.iter(|| read(open())));
    group.bench_function("read data, stream", |bencher| bencher.iter(|| read(stream(&archive))));
    group.finish();
}

criterion_group!(benches, reader);
criterion_main!(benches);
