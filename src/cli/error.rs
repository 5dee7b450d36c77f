//! What the user reads when a command fails: what, why, and the next command.

use std::{error::Error, fmt};

use super::{exit_code::ExitCode, suggest, variables::Variable};
use crate::{
    domain::{elapsed, short},
    ports::{LockError, PortError},
    report::Commands,
};

/// A failure as the user meets it.
///
/// Displayed as `error: …`, the causes below it, then `Next: …` where the remedy is known.
#[derive(Debug)]
pub struct CliError {
    code: ExitCode,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    notes: Vec<String>,
    next: Vec<(Step, String)>,
}

/// How a remedy stands to the one before it.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// One of them is enough.
    Or,
    /// Both are needed.
    And,
    /// It comes after it.
    Then,
}

impl CliError {
    /// A failure with this code; the message is a lowercase fragment without a full stop.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None, notes: Vec::new(), next: Vec::new() }
    }

    /// A mistake on the command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// A refusal before anything was touched.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Refused, message)
    }

    /// Says what to do about it: a command, or a sentence that leads to one.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next.push((Step::Or, next.into()));
        self
    }

    /// Says what else must be done about it.
    #[must_use]
    pub(super) fn and(mut self, next: impl Into<String>) -> Self {
        self.next.push((Step::And, next.into()));
        self
    }

    /// Says what to do after that.
    #[must_use]
    pub(super) fn then(mut self, next: impl Into<String>) -> Self {
        self.next.push((Step::Then, next.into()));
        self
    }

    /// The same failure in a run that had begun: what refuses a run before it begins only breaks it off then.
    #[must_use]
    pub fn midway(self) -> Self {
        Self { code: ExitCode::Unexpected, ..self }
    }

    /// Says which variables have a part in it: who set them is often not who reads this.
    #[must_use]
    pub(super) fn with_notes(mut self, variables: &[Variable]) -> Self {
        self.notes.extend(variables.iter().filter_map(|variable| variable.note(&self.message)));
        self
    }

    /// Says what is behind it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same with the region and profile that the user gave in what is to be asked of the AWS CLI.
    #[must_use]
    pub(super) fn reaching(mut self, commands: &Commands) -> Self {
        for (_, next) in &mut self.next {
            if let Some(rest) = next.strip_prefix("aws ").filter(|rest| !rest.starts_with("--")) {
                *next = commands.aws(rest);
            }
        }
        self
    }

    /// What the shell is told.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        self.code
    }

    /// A node group and an Auto Scaling group at once.
    #[must_use]
    pub(super) fn two_groups(nodegroup: &str, asg: &str) -> Self {
        Self::usage(format!("--nodegroup {nodegroup} and --asg {asg} name two groups")).next("give one of them")
    }

    /// Something does not exist; says what does, and which of it was probably meant.
    ///
    /// `again` makes the command that names the right one. Without others nothing is said of them: perhaps they may not
    /// be listed.
    pub fn unknown(what: &str, kind: &str, name: &str, others: &[String], again: impl Fn(&str) -> String) -> Self {
        let has = match others {
            [] => String::new(),
            others => format!("; it has {}", suggest::sorted(others).join(", ")),
        };
        let error = Self::usage(format!("{what} has no {kind} \"{name}\"{has}"));
        match suggest::nearest(name, others) {
            Some(near) => error.next(again(near)),
            None => error,
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        let mut cause = self.source.as_ref().map(|source| &**source as &(dyn Error + 'static));
        while let Some(error) = cause {
            write!(f, "\n  because {error}")?;
            cause = error.source();
        }
        for note in &self.notes {
            write!(f, "\n  {note}")?;
        }
        for (index, (step, next)) in self.next.iter().enumerate() {
            let head = match (index, step) {
                (0, Step::Or | Step::And | Step::Then) => "Next:",
                (1.., Step::Or) => "  or:",
                (1.., Step::And) => " and:",
                (1.., Step::Then) => "then:",
            };
            write!(f, "\n  {head} {next}")?;
        }
        Ok(())
    }
}

impl From<PortError> for CliError {
    fn from(error: PortError) -> Self {
        let failure = Self::new(ExitCode::from(&error), error.to_string());
        match error {
            PortError::NotFound { what, others } => {
                // `kind "name" of something`, or `kind/name`.
                let name = what.split('"').nth(1).or(what.rsplit('/').next()).unwrap_or(&what);
                let (has, near) = (suggest::sorted(&others).join(", "), suggest::nearest(name, &others));
                match (others.is_empty(), near) {
                    (true, _) => failure,
                    (false, None) => failure.next(format!("there is {has}")),
                    (false, Some(near)) => failure.next(format!("did you mean \"{near}\"? There is {has}")),
                }
            }
            PortError::Credentials { .. } => failure
                .next("give others: -p PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
                .next("aws sts get-caller-identity   # where the AWS CLI is: says what these are worth"),
            PortError::Unreachable { .. } => {
                failure.next("look at the way there: VPN, HTTPS_PROXY, an endpoint that only its VPC reaches")
            }
            PortError::Forbidden { what, .. } if what.contains(':') => {
                failure.next("attach docs/iam-policy.json to this identity")
            }
            PortError::Forbidden { .. } => failure.next("bind docs/rbac.yaml to this identity"),
            PortError::Malformed { .. } | PortError::Other { .. } => failure,
        }
    }
}

impl CliError {
    /// The lock was lost in the middle of a run, which has told the user nothing of an end.
    #[must_use]
    pub(super) fn lock_lost(error: LockError, now: jiff::Timestamp, status: &str) -> Self {
        let mut error = Self::lock(error, now, status);
        error
            .notes
            .push("this run stopped at once; nodes in flight are as they were, the cluster remembers them".into());
        error
    }

    /// The lock was not had; `now` tells how long its holder has it.
    #[must_use]
    pub fn lock(error: LockError, now: jiff::Timestamp, status: &str) -> Self {
        let code = ExitCode::from(&error);
        match error {
            LockError::Port(error) => error.into(),
            LockError::Lost { .. } => {
                Self::new(code, error.to_string()).next(format!("{status}   # what there is to know of it"))
            }
            LockError::Held { lease, holder, since, renewed, runs_out } => {
                let age = |moment| short(elapsed(moment, now));
                // A run that was killed looks like one that works until its Lease has run out.
                let dead = if runs_out > now {
                    format!("; if that run has died, its Lease runs out in {}", short(elapsed(now, runs_out)))
                } else {
                    String::new()
                };
                let message = format!(
                    "another run has this group: {}@{} has held {lease} for {}, renewed {} ago{dead}",
                    holder.user,
                    holder.host,
                    age(since),
                    age(renewed)
                );
                Self::new(code, message).next(format!("{status}   # what it does, and what it waits for"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{Operator, later};

    #[test]
    fn commands_of_the_aws_cli_carry_what_the_user_said_of_region_and_profile() {
        let aws = ["--region", "eu-west-1", "--profile", "prod admin"].map(str::to_owned).into();
        let outside = crate::report::Outside { aws, ..crate::report::Outside::default() };
        let commands = Commands::new(Vec::new()).reaching(outside);
        let error = CliError::from(PortError::Credentials { message: "the token has expired".to_owned() });
        assert_snapshot!(error.reaching(&commands), @"
        error: the token has expired
          Next: give others: -p PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment
            or: aws --region eu-west-1 --profile 'prod admin' sts get-caller-identity   # where the AWS CLI is: says what these are worth
        ");
    }

    #[test]
    fn a_mistyped_name_is_answered_with_what_there_is_and_the_command_that_was_meant() {
        let others = ["apps", "apps-gpu", "monitoring"].map(str::to_owned);
        let error = CliError::unknown("cluster/prod", "nodegroup", "aps", &others, |near| {
            format!("mngup upgrade -c prod -n {near}")
        });
        assert_snapshot!(error, @r#"
        error: cluster/prod has no nodegroup "aps"; it has apps, apps-gpu, monitoring
          Next: mngup upgrade -c prod -n apps
        "#);
    }

    #[test]
    fn a_name_like_none_of_them_gets_no_guess() {
        let others = ["apps".to_owned()];
        let error = CliError::unknown("cluster/prod", "nodegroup", "zookeeper", &others, |_| unreachable!());
        assert_snapshot!(error, @r#"error: cluster/prod has no nodegroup "zookeeper"; it has apps"#);
    }

    #[test]
    fn causes_stand_below_the_failure() {
        let cause = std::io::Error::other("permission denied");
        assert_snapshot!(CliError::refused("cannot read the kubeconfig ./prod.yaml").because(cause), @r"
        error: cannot read the kubeconfig ./prod.yaml
          because permission denied
        ");
    }

    fn held(since: Timestamp) -> LockError {
        LockError::Held {
            lease: "lease/kube-system/mngup-apps".to_owned(),
            holder: Operator { user: "ann".to_owned(), host: "runner-7".to_owned() },
            since,
            renewed: later(since, std::time::Duration::from_mins(3)),
            runs_out: later(since, std::time::Duration::from_secs(210)),
        }
    }

    #[test]
    fn a_held_lock_names_holder_machine_and_age() {
        let since = Timestamp::UNIX_EPOCH;
        let now = later(since, std::time::Duration::from_secs(192));
        let error = CliError::lock(held(since), now, "mngup status -c prod -n apps");
        assert_eq!(error.code(), ExitCode::Locked);
        assert_snapshot!(error, @"
        error: another run has this group: ann@runner-7 has held lease/kube-system/mngup-apps for 3m12s, renewed 12s ago; if that run has died, its Lease runs out in 18s
          Next: mngup status -c prod -n apps   # what it does, and what it waits for
        ");
        // It is another matter for a run that had begun.
        assert_snapshot!(CliError::lock_lost(held(since), now, "mngup status -c prod -n apps"), @"
        error: another run has this group: ann@runner-7 has held lease/kube-system/mngup-apps for 3m12s, renewed 12s ago; if that run has died, its Lease runs out in 18s
          this run stopped at once; nodes in flight are as they were, the cluster remembers them
          Next: mngup status -c prod -n apps   # what it does, and what it waits for
        ");
    }

    #[test]
    fn remedies_say_whether_one_of_them_is_enough() {
        let error = CliError::refused("two doors are shut");
        assert_snapshot!(error.next("open one").and("open the other").then("walk in").next("stay out"), @"
        error: two doors are shut
          Next: open one
           and: open the other
          then: walk in
            or: stay out
        ");
    }
}
