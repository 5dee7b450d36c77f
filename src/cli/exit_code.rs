//! What the shell is told at the end; scripts rely on these numbers.

use std::process;

use crate::{
    engine::event::RunOutcome,
    ports::{LockError, PortError},
};

/// The exit codes of mngup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done, or nothing to do.
    Done = 0,
    /// Something that mngup did not expect: a server that does not answer, or refuses what a run that is under way has
    /// to do, or does not let it take back what it did; a fault of its own.
    Unexpected = 1,
    /// The command line makes no sense, or names what does not exist.
    Usage = 2,
    /// Refused before anything was touched: the group's state, a missing right, credentials that are missing or not
    /// accepted, another cluster's endpoint.
    Refused = 4,
    /// Pods would not leave a node within the drain timeout: `PodEvictionFailure`.
    EvictionFailed = 5,
    /// A replacement did not serve within its timeout: `NodeCreationFailure`.
    ReplacementFailed = 6,
    /// Done, but nodes are quarantined.
    Quarantined = 7,
    /// Another run holds the lock of this group.
    Locked = 8,
    /// Stopped by the user, before it began too: a no at the prompt leaves old nodes, which 0 would deny. `mngup upgrade`
    /// goes on.
    Interrupted = 130,
    /// Whoever read stdout closed it before the answer was whole; what a shell shows for a program that SIGPIPE ended.
    NobodyReads = 141,
}

/// The table for `--help`.
pub(super) const TABLE: &str = "\
Exit codes:
    0  done, or nothing to do
    1  unexpected; or a run that was refused midway, or could not take back all it did
    2  usage
    4  refused before anything was touched
    5  pods would not leave a node (PodEvictionFailure)
    6  a replacement did not serve (NodeCreationFailure)
    7  done, but nodes are quarantined
    8  another run holds the lock of this group
  130  stopped by the user, a no at the prompt too; mngup upgrade goes on
  141  stdout was closed before the answer was whole";

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

impl From<&RunOutcome> for ExitCode {
    fn from(outcome: &RunOutcome) -> Self {
        match outcome {
            RunOutcome::Done | RunOutcome::Aborted => Self::Done,
            RunOutcome::Quarantined { .. } => Self::Quarantined,
            RunOutcome::EvictionFailed => Self::EvictionFailed,
            RunOutcome::ReplacementFailed => Self::ReplacementFailed,
            RunOutcome::Interrupted => Self::Interrupted,
            // `Refused` the code is for what was refused before a run began.
            RunOutcome::Refused { .. } | RunOutcome::NotTakenBack { .. } | RunOutcome::InvariantBroken { .. } => {
                Self::Unexpected
            }
        }
    }
}

impl From<&PortError> for ExitCode {
    fn from(error: &PortError) -> Self {
        match error {
            PortError::NotFound { .. } => Self::Usage,
            // What is not understood is not guessed at, and who is not known is not let in: nothing was touched, and
            // the same command will do once that is mended. The command line was right, so this is no mistake in it.
            PortError::Forbidden { .. } | PortError::Malformed { .. } | PortError::Credentials { .. } => Self::Refused,
            PortError::Unreachable { .. } | PortError::Other { .. } => Self::Unexpected,
        }
    }
}

impl From<&LockError> for ExitCode {
    fn from(error: &LockError) -> Self {
        match error {
            LockError::Held { .. } | LockError::Lost { .. } => Self::Locked,
            LockError::Port(error) => Self::from(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_help_names_every_code() {
        let all = [
            ExitCode::Done,
            ExitCode::Unexpected,
            ExitCode::Usage,
            ExitCode::Refused,
            ExitCode::EvictionFailed,
            ExitCode::ReplacementFailed,
            ExitCode::Quarantined,
            ExitCode::Locked,
            ExitCode::Interrupted,
            ExitCode::NobodyReads,
        ];
        let listed: Vec<_> = TABLE.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(listed, all.map(|code| (code as u8).to_string()));
    }
}
