//! The next command, so that it can be pasted.

use std::path::Path;

use super::step::Step;
use crate::domain::{AsgName, quoted};

/// How the user reached this group and what they said of how a run goes, to be repeated in every command that needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commands {
    target: Vec<String>,
    settings: Vec<String>,
    sandbox: bool,
    groupless: bool,
    outside: Outside,
}

/// How programs beside mngup reach the same cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// What kubectl is to be told before all else: `--context bastion`.
    pub kubectl: Vec<String>,
    /// What the AWS CLI is to be told: `--region eu-west-1`.
    pub aws: Vec<String>,
    /// What has to be so before kubectl reaches the cluster; nothing where `kubectl` leads there.
    pub before: Vec<Step>,
    /// The Auto Scaling group's name, once it is known.
    pub auto_scaling_group: Option<String>,
}

impl Commands {
    /// Commands for a real group; `target` are the flags that point at it.
    #[must_use]
    pub fn new(target: Vec<String>) -> Self {
        Self { target, settings: Vec::new(), sandbox: false, groupless: false, outside: Outside::default() }
    }

    /// Commands for a simulated world, which ends with the process: there is nothing to go on with.
    #[must_use]
    pub fn sandbox(world: Option<&Path>) -> Self {
        let world = world.map(|path| path.to_string_lossy().into_owned());
        let target = std::iter::once("--sandbox".to_owned()).chain(world).collect();
        let outside = Outside { before: vec![Step::Say("in a real cluster:".to_owned())], ..Outside::default() };
        Self { sandbox: true, outside, ..Self::new(target) }
    }

    /// The same for a cluster of which no group is meant: there is nothing to upgrade.
    #[must_use]
    pub fn without_group(self) -> Self {
        Self { groupless: true, ..self }
    }

    /// Whether they point at a group that can be upgraded.
    #[must_use]
    pub fn have_group(&self) -> bool {
        !self.groupless
    }

    /// The same with what other programs need to reach the cluster.
    #[must_use]
    pub fn reaching(self, outside: Outside) -> Self {
        Self { outside, ..self }
    }

    /// `kubectl …` in this cluster.
    #[must_use]
    pub fn kubectl(&self, rest: &str) -> String {
        program("kubectl", &self.outside.kubectl, rest)
    }

    /// `aws …` in this region.
    #[must_use]
    pub fn aws(&self, rest: &str) -> String {
        program("aws", &self.outside.aws, rest)
    }

    /// The same of the group that is called so at Auto Scaling: a node group does not tell by its own name.
    #[must_use]
    pub fn scaled_by(mut self, asg: Option<&str>) -> Self {
        self.outside.auto_scaling_group = asg.map(str::to_owned);
        self
    }

    /// The Auto Scaling group's name, once it is known.
    #[must_use]
    pub fn auto_scaling_group(&self) -> Option<AsgName> {
        self.outside.auto_scaling_group.as_deref().map(AsgName::new)
    }

    /// What has to be so before kubectl reaches the cluster.
    #[must_use]
    pub fn before_kubectl(&self) -> Vec<Step> {
        self.outside.before.clone()
    }

    /// The same with the flags that say how a run goes, for commands that begin one.
    #[must_use]
    pub fn with(self, settings: Vec<String>) -> Self {
        Self { settings, ..self }
    }

    /// Whether a run that stops can be gone on with.
    #[must_use]
    pub fn resumable(&self) -> bool {
        !self.sandbox
    }

    /// `mngup upgrade …` that goes on with a run: it remembers how it goes, so that only what is to change is said.
    #[must_use]
    pub fn upgrade(&self, more: &str) -> String {
        if self.sandbox { self.begin(more) } else { joined(&self.line("upgrade"), more) }
    }

    /// `mngup upgrade …` that begins a run, or may have to, with all that was said of how it goes.
    #[must_use]
    pub fn begin(&self, more: &str) -> String {
        joined(&self.line_with("upgrade", &but(&self.settings, more)), more)
    }

    /// `mngup status …`
    #[must_use]
    pub fn status(&self) -> String {
        self.line("status")
    }

    /// `mngup abort …`
    #[must_use]
    pub fn abort(&self) -> String {
        self.line("abort")
    }

    /// `mngup report JOURNAL`, without the journal where it is the newest anyway.
    #[must_use]
    pub fn report(journal: Option<&Path>) -> String {
        match journal {
            Some(path) => format!("mngup report {}", quoted(&path.to_string_lossy())),
            None => "mngup report".to_owned(),
        }
    }

    /// `mngup COMMAND …`
    #[must_use]
    pub fn line(&self, command: &str) -> String {
        self.line_with(command, &[])
    }

    /// `mngup COMMAND …` with more words behind those that point at the group.
    #[must_use]
    pub fn line_with(&self, command: &str, words: &[String]) -> String {
        let words = self.target.iter().chain(words).map(|word| quoted(word));
        ["mngup", command].into_iter().map(str::to_owned).chain(words).collect::<Vec<_>>().join(" ")
    }
}

fn program(name: &str, flags: &[String], rest: &str) -> String {
    let flags = flags.iter().map(|word| quoted(word));
    let words = std::iter::once(name.to_owned()).chain(flags).chain([rest.to_owned()]);
    words.collect::<Vec<_>>().join(" ")
}

/// These words without the flags that are said anew: none may be said twice.
fn but(words: &[String], more: &str) -> Vec<String> {
    let name = |word: &str| word.split('=').next().unwrap_or_default().to_owned();
    let anew: Vec<_> = more.split_whitespace().filter(|word| word.starts_with("--")).map(name).collect();
    let mut kept = Vec::new();
    let mut stays = true;
    for word in words {
        if word.starts_with("--") {
            stays = !anew.contains(&name(word));
        }
        if stays {
            kept.push(word.clone());
        }
    }
    kept
}

fn joined(line: &str, more: &str) -> String {
    if more.is_empty() { line.to_owned() } else { format!("{line} {more}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_on_says_nothing_twice_and_who_begins_says_it_all() {
        let settings = || ["--max-surge", "2", "--force"].map(str::to_owned).into();
        let real = Commands::new(["-c", "prod", "-n", "apps"].map(str::to_owned).into()).with(settings());
        assert_eq!(real.upgrade(""), "mngup upgrade -c prod -n apps");
        assert_eq!(real.begin("--yes"), "mngup upgrade -c prod -n apps --max-surge 2 --force --yes");
        assert_eq!(real.begin("--max-surge 1"), "mngup upgrade -c prod -n apps --force --max-surge 1");
        assert_eq!(real.begin("--force=false"), "mngup upgrade -c prod -n apps --max-surge 2 --force=false");
        assert_eq!(real.abort(), "mngup abort -c prod -n apps");
        // Nothing is remembered of a sandbox.
        let sandbox = Commands::sandbox(None).with(settings());
        assert_eq!(sandbox.upgrade(""), "mngup upgrade --sandbox --max-surge 2 --force");
    }

    #[test]
    fn other_programs_are_told_where_the_cluster_is() {
        let outside = Outside {
            kubectl: ["--context", "my bastion"].map(str::to_owned).into(),
            aws: ["--region", "eu-west-1"].map(str::to_owned).into(),
            ..Outside::default()
        };
        let commands = Commands::new(Vec::new()).reaching(outside);
        assert_eq!(commands.kubectl("get nodes"), "kubectl --context 'my bastion' get nodes");
        assert_eq!(commands.aws("sts get-caller-identity"), "aws --region eu-west-1 sts get-caller-identity");
        assert_eq!(commands.before_kubectl(), []);
        assert_eq!(Commands::sandbox(None).before_kubectl(), [Step::Say("in a real cluster:".to_owned())]);
    }
}
