//! Records of a pax header's body: read without panic, and written again they read the same.
#![no_main]

use aligntar::{PaxBody, PaxExtensions, PaxRecord, records};
use aligntar_fuzz::{Bounded, peak_of};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

fuzz_target!(|body: &[u8]| {
    let read: Vec<_> = records(body).take_while(Result::is_ok).map(Result::unwrap).collect();
    assert!(read.len() <= body.len() / 4 + 1, "a record takes four bytes at least: \"4 =\\n\"");
    let again = written(&read);
    assert_eq!(records(again.as_bytes()).collect::<Result<Vec<_>, _>>().as_deref(), Ok(&read[..]));
    let (extensions, peak) = peak_of(|| PaxExtensions::parse(body));
    assert!(peak <= 4096 + 64 * body.len(), "{peak} bytes of memory for {} of input", body.len());
    if let (Ok(extensions), true) = (extensions, records(body).all(|record| record.is_ok())) {
        assert_eq!(PaxExtensions::parse(again.as_bytes()), Ok(extensions));
    }
});

fn written(records: &[PaxRecord<'_>]) -> PaxBody {
    let mut body = PaxBody::default();
    for record in records {
        body.push(record.keyword, record.value);
    }
    body
}
