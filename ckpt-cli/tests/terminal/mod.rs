//! A terminal of some width, and what a program prints there.
#![allow(dead_code)]

use std::fs::File;
use std::io::Read;
use std::process::Command;
use std::thread;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What of a program is at the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Stderr,
    Both,
}

/// All that `command` prints on a terminal of `columns`, and whether it succeeded.
pub(crate) fn said(columns: u16, which: Which, mut command: Command) -> (String, bool) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    tcsetwinsize(&terminal, Winsize { ws_col: columns, ws_row: 24, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let end = File::from(open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap());
    if which == Which::Both {
        command.stdout(end.try_clone().unwrap());
    }
    command.stderr(end);
    let reader = thread::spawn(move || {
        let mut said = Vec::new();
        // read(2) gives EIO once nobody has the terminal open.
        let _ = File::from(terminal).read_to_end(&mut said);
        String::from_utf8(said).unwrap()
    });
    let status = command.status().unwrap();
    drop(command);
    (reader.join().unwrap(), status.success())
}
