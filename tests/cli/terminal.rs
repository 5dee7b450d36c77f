//! A terminal of a certain width, and what a command shows on it.

use std::{
    fs::File,
    io::Read,
    process::{Command, Stdio},
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// What the command shows on a terminal with so many columns; what it says on stderr is not part of it.
pub(crate) fn shown(columns: u16, line: &str) -> String {
    let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&outside).unwrap();
    unlockpt(&outside).unwrap();
    let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&outside, size).unwrap();
    let name = ptsname(&outside, Vec::new()).unwrap();
    let inside: File = open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap().into();
    let mut command: Command = crate::started(std::path::Path::new("/"), line);
    let mut child = command.env("NO_COLOR", "1").stdout(inside).stderr(Stdio::null()).spawn().unwrap();
    // Else the terminal would stay open for as long as this process has it.
    drop(command);
    let (mut outside, mut shown) = (File::from(outside), Vec::new());
    let mut piece = [0; 4096];
    // Linux ends a terminal that nobody has any more with an error.
    while let Ok(read @ 1..) = outside.read(&mut piece) {
        shown.extend_from_slice(&piece[..read]);
    }
    let code = child.wait().unwrap().code().unwrap();
    let lines = String::from_utf8(shown).unwrap().replace("\r\n", "\n");
    let wide = |line: &&str| {
        line.chars().count() > usize::from(columns)
            && !["kubectl", "mngup ", " aws "].iter().any(|tool| line.contains(tool))
    };
    assert_eq!(lines.lines().find(wide), None);
    let lines: Vec<_> = lines.lines().map(str::trim_end).collect();
    format!("{}\n[{code}]", lines.join("\n"))
}
