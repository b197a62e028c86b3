//! Headers alone, without data and without a disk: written to nowhere, read from memory.

use std::io;

use aligntar::{Kind, Limits, Member, Reader, StreamSource};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const MEMBERS: u32 = 1000;

/// What decides how much there is to say about a member.
fn members() -> [(&'static str, Vec<Member>); 3] {
    let plain = |number| Member::new(format!("folder/file-{number}"), Kind::Regular { size: 0 }, 0o644);
    let long = |number| {
        let target = vec![b't'; 200];
        Member::new(format!("{}/link-{number}", "l".repeat(250)), Kind::Symlink { target }, 0o777)
    };
    [
        ("ustar alone", (0..MEMBERS).map(plain).collect()),
        ("times and attributes", benches::members(MEMBERS, 0)),
        ("long names", (0..MEMBERS).map(long).collect()),
    ]
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header, write");
    group.throughput(Throughput::Elements(MEMBERS.into()));
    for (title, members) in members() {
        group.bench_function(title, |bencher| bencher.iter(|| benches::archive(&members, io::sink())));
    }
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header, parse");
    group.throughput(Throughput::Elements(MEMBERS.into()));
    for (title, members) in members() {
        let mut archive = Vec::new();
        benches::archive(&members, &mut archive);
        group.bench_function(title, |bencher| {
            bencher.iter(|| {
                let reader = Reader::new(StreamSource::new(&archive[..]), Limits::default());
                assert_eq!(reader.filter(Result::is_ok).count(), MEMBERS as usize);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, write, parse);
criterion_main!(benches);
