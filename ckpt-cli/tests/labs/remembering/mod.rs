//! A container that says what is in its memory.

use crate::lab::{Container, IMAGE, podman, wait_for};

pub(crate) const MIB: u64 = 1 << 20;

/// Bytes of random memory: a process's own, and what it would share with its children.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) private: u64,
    pub(crate) shared: u64,
}

impl Memory {
    pub(crate) const fn bytes(self) -> u64 {
        self.private + self.shared
    }
}

/// Has random memory; SIGUSR1 changes a page in a hundred, and both signals have it say what is in all of them.
const REMEMBER: &str = r#"
import hashlib, mmap, random, signal, sys
private_bytes, shared_bytes = int(sys.argv[1]), int(sys.argv[2])
chance = random.Random(1)
private, shared = mmap.mmap(-1, private_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), mmap.mmap(-1, shared_bytes)
for memory in (private, shared):
    for at in range(0, len(memory), 1 << 20):
        memory[at : at + (1 << 20)] = chance.randbytes(1 << 20)
def say(*_):
    with open("/srv/sum", "w") as file:
        print(*(hashlib.sha256(memory).hexdigest() for memory in (private, shared)), file=file)
def change(*_):
    for memory in (private, shared):
        for _ in range(len(memory) // 4096 // 100):
            memory[chance.randrange(len(memory))] ^= 1
    say()
signal.signal(signal.SIGUSR1, change)
signal.signal(signal.SIGUSR2, say)
say()
while True:
    signal.pause()
"#;

/// The container `remembering`, which runs [`REMEMBER`] with the Python of the lab.
pub(crate) fn remembering(memory: Memory, options: &[&str]) -> Container {
    let mounts = ["-v", "/usr:/usr:ro", "-v", "/usr/lib:/lib:ro", "-v", "/usr/lib64:/lib64:ro"];
    let options = [&["--network", "none"][..], &mounts, options].concat();
    let [private, shared] = [memory.private, memory.shared].map(|bytes| bytes.to_string());
    let command = ["/usr/bin/python3", "-c", REMEMBER, &private, &shared];
    let container = Container::run_image("remembering", &options, IMAGE, &command);
    said_sum(&container);
    container
}

/// What the container says of its memory after a signal.
pub(crate) fn sum(container: &Container, signal: &str) -> String {
    container.exec("rm -f /srv/sum");
    podman(&["kill", "--signal", signal, &container.name]);
    said_sum(container)
}

fn said_sum(container: &Container) -> String {
    let said = || container.exec("cat /srv/sum 2>/dev/null; true");
    wait_for("the sum", || Some(said()).filter(|sum| sum.len() == 2 * 64 + 1))
}
