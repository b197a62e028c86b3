//! CRIU's protocol (CRIU, `criu/uffd.c` of 4.1 and 4.2).
//!
//! A stream. For each process, in any order:
//!
//! | bytes | |
//! |---|---|
//! | 4 | its ID in the images; negative for a zombie, of which nothing follows |
//! | 1 | any, with its userfaultfd as SCM_RIGHTS |
//!
//! and then four bytes that say that the restore is complete. Each process sends its own, so the kernel tells who it is
//! (SCM_CREDENTIALS, unix(7)).

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_passcred, socket_peercred};
use rustix::net::{RecvFlags, SocketFlags, accept_with, recv};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::criu_message::{Message, receive};
use crate::failure::Failure;
use crate::fuse::Fuse;
use crate::journal::{Field, Journal, NONE};
use crate::memory::Memory;
use crate::setup::Setup;
use crate::status::State;
use crate::sys;

/// `LAZY_PAGES_RESTORE_FINISHED`, CRIU, `criu/uffd.c`.
const RESTORE_FINISHED: u32 = 0x5253_5446;

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Id,
    /// Of this process.
    Descriptor(i32),
}

/// CRIU, as seen from here.
pub(crate) struct Restorer {
    setup: &'static Setup,
    journal: Journal,
    fuse: Fuse,
    expected: Expected,
    received: usize,
}

impl Restorer {
    pub(crate) fn new(setup: &'static Setup, journal: &Journal, fuse: Fuse) -> Self {
        Self { setup, journal: journal.clone(), fuse, expected: Expected::Id, received: 0 }
    }

    pub(crate) fn state(&self) -> State {
        State::from_number(self.journal.get(Field::State)).unwrap_or(State::Failing)
    }

    fn set_state(&self, state: State) {
        self.journal.set(Field::State, state as u64);
        self.setup.publish(&self.journal, None);
    }

    /// What there is to wait for.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'static>> {
        match self.state() {
            State::Listening => Some(self.setup.listener),
            State::Receiving | State::Held => self.connection(),
            _ => None,
        }
    }

    fn connection(&self) -> Option<BorrowedFd<'static>> {
        self.journal.descriptor(Field::Connection)
    }

    /// Takes what there is.
    pub(crate) fn hear(&mut self, memory: &mut Memory) -> Result<(), Failure> {
        match self.state() {
            State::Listening => self.accept(),
            State::Receiving => self.receive_all(memory),
            State::Held => self.hear_end(),
            _ => Ok(()),
        }
    }

    fn accept(&mut self) -> Result<(), Failure> {
        // Said first: whoever takes over must not listen for somebody who came already.
        self.set_state(State::Receiving);
        let accepted = accept_with(self.setup.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        let connection = accepted.map_err(|source| Failure::Receive { source })?;
        set_socket_passcred(&connection, true).map_err(|source| Failure::Receive { source })?;
        let connection = sys::keep_open(connection);
        self.journal.set(Field::Connection, connection.as_raw_fd() as u64);
        let criu = socket_peercred(connection).map(|peer| peer.pid);
        if let Ok(pidfd) = criu.and_then(|pid| pidfd_open(pid, PidfdFlags::empty())) {
            self.journal.set(Field::Criu, sys::keep_open(pidfd).as_raw_fd() as u64);
        }
        self.setup.remove_socket();
        sys::close(self.setup.listener.as_raw_fd());
        self.hold_if_all()
    }

    fn receive_all(&mut self, memory: &mut Memory) -> Result<(), Failure> {
        while self.state() == State::Receiving {
            let received = match self.expected {
                Expected::Id => self.receive_id()?,
                Expected::Descriptor(pid) => self.receive_descriptor(pid, memory)?,
            };
            if !received {
                break;
            }
            self.hold_if_all()?;
        }
        Ok(())
    }

    fn hold_if_all(&self) -> Result<(), Failure> {
        if matches!(self.expected, Expected::Id) && self.received == self.setup.checkpoint.processes() {
            self.set_state(State::Held);
        }
        Ok(())
    }

    fn receive_id(&mut self) -> Result<bool, Failure> {
        let mut bytes = [0; 4];
        let Some(message) = self.receive(&mut bytes)? else { return Ok(false) };
        if message.bytes != 4 || message.descriptor.is_some() {
            return Err(Failure::Protocol("no process ID where one was due"));
        }
        let pid = i32::from_ne_bytes(bytes);
        if pid < 0 {
            self.received += 1;
        } else if self.setup.checkpoint.task(pid).is_some() {
            self.expected = Expected::Descriptor(pid);
        } else {
            return Err(Failure::UnknownProcess(pid));
        }
        Ok(true)
    }

    fn receive_descriptor(&mut self, pid: i32, memory: &mut Memory) -> Result<bool, Failure> {
        let Some(message) = self.receive(&mut [0])? else { return Ok(false) };
        let uffd = message.descriptor.ok_or(Failure::Protocol("no descriptor where one was due"))?;
        let sender = message.sender.ok_or(Failure::Protocol("a message without its sender"))?;
        let system = Failure::system("cannot take hold of a process");
        let pidfd = pidfd_open(sender, PidfdFlags::empty()).map_err(&system)?;
        let end = self.fuse.kills(sender).map_err(&system)?;
        self.journal.add_task([pidfd, end].map(|file| sys::keep_open(file).as_raw_fd())).map_err(&system)?;
        memory.add(sys::keep_open(uffd).as_raw_fd(), pid)?;
        self.expected = Expected::Id;
        self.received += 1;
        Ok(true)
    }

    fn receive(&self, bytes: &mut [u8]) -> Result<Option<Message>, Failure> {
        receive(self.connection().ok_or(Failure::CriuEnded)?, bytes)
    }

    fn hear_end(&mut self) -> Result<(), Failure> {
        let Some(connection) = self.connection() else { return Err(Failure::CriuEnded) };
        let mut bytes = [0; 4];
        // Only looked at: whoever takes over finds it as well.
        match recv(connection, &mut bytes[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => Err(Failure::CriuEnded),
            Ok((4, _)) if u32::from_ne_bytes(bytes) == RESTORE_FINISHED => {
                self.set_state(State::Arriving);
                self.journal.set(Field::Connection, NONE);
                sys::close(connection.as_raw_fd());
                Ok(())
            }
            Ok(_) => Err(Failure::Protocol("no end of the restore where it was due")),
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(source) => Err(Failure::Receive { source }),
        }
    }

    /// Has nobody killed when the descriptors are closed.
    pub(crate) fn disarm(&self) {
        for [_, end] in self.journal.tasks() {
            let _ = Fuse::spares(end);
        }
    }
}
