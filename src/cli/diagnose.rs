//! `mngup diagnose`.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    answer::{answer, answer_json, answer_json_line, tell as say},
    args::{DiagnoseArgs, DiagnosisForm},
    connect::{self, Purpose},
    error::CliError,
    exit_code::ExitCode,
    stop, suggest,
    upgrade::{SANDBOX_SEED, group_of, world_of},
    values::{Sandbox, World},
    whose::{self, Owner},
};
use crate::{
    adapters::SystemClock,
    app::{Inquiry, NoUpdate, NotDiagnosed, Ports, Question, Whose},
    domain::{Cause, Diagnosis, GroupName, Lack, Policy, Subject, later, short},
    forecast::{NoRehearsal, Rehearsal},
    ports::{Clock, Cloud, Cluster, Lock},
    report::{Commands, Screen, diagnosis},
    sim::{Sim, SimClock, SimCloud, SimCluster, SimLock, World as SimWorld},
};

/// Says why nodes do not empty.
///
/// # Errors
/// When the question makes no sense, or what it is about cannot be read.
pub(super) async fn diagnose(args: DiagnoseArgs, screen: Screen) -> Result<ExitCode, CliError> {
    let question = question(&args)?;
    let telling = |title: String, commands: Commands| Telling { args: &args, screen: &screen, title, commands };
    if let Sandbox::On(world) = &args.sandbox {
        let (ports, group, commands) = in_sandbox(&args, world)?;
        return Box::pin(answered(&ports, Whose::Group, &question, telling(group.to_string(), commands))).await;
    }
    let target = match owner(&args, &question).await? {
        Owner::Group(target) => target,
        Owner::Nobody { ports, commands, why } => {
            say(&format!("AWS is not asked: {why}"));
            let telling = telling(String::new(), commands);
            return Box::pin(answered(&ports, Whose::Nobody, &question, telling)).await;
        }
    };
    let now = SystemClock.now();
    let ports = connect::connect(&target, Purpose::Look, &connect::operator(), &connect::run_id(now)).await?;
    let telling = telling(target.group.to_string(), target.commands());
    Box::pin(answered(&ports, Whose::Group, &question, telling)).await
}

/// Whose nodes the question is about: the group's that is named, else of whatever group they are.
async fn owner(args: &DiagnoseArgs, question: &Question) -> Result<Owner, CliError> {
    let of_any_group = match question {
        Question::Nodes(_) | Question::Pod { .. } => args.target.whole_cluster("diagnose", beside(args))?,
        Question::Group | Question::BeforeUpgrade | Question::Update(_) => None,
    };
    match of_any_group {
        Some(target) => whose::owner(target, args.target.cluster.is_some(), question).await,
        None => Ok(Owner::Group(Box::new(args.target.target("diagnose", beside(args))?))),
    }
}

/// Looks once, or until Ctrl-C.
async fn answered<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    whose: Whose,
    question: &Question,
    telling: Telling<'_>,
) -> Result<ExitCode, CliError> {
    let failed = |error| not_diagnosed(error, &telling.commands);
    // Before anything is said: whoever reads it may end it at once.
    let stop = telling.args.watch.then(stop::listen);
    let mut inquiry = Inquiry::begin(ports, whose, question).await.map_err(failed)?;
    let mut found = inquiry.examine().await?;
    let size = || (telling.screen.width(), telling.screen.height());
    let mut shown_at = size();
    if inquiry.cordoned() == 0 && *question == Question::Group {
        say_that_none_is_cordoned(&found);
    }
    telling.tell(&found)?;
    let Some(mut stop) = stop else { return Ok(code(&found)) };
    let mut trouble = String::new();
    loop {
        let next = later(ports.clock.now(), telling.args.interval);
        tokio::select! {
            _ = stop.recv() => return Ok(code(&found)),
            () = ports.clock.sleep_until(next) => {}
        }
        let looked = tokio::select! {
            _ = stop.recv() => return Ok(code(&found)),
            looked = inquiry.examine_again() => looked,
        };
        match looked {
            Ok(now) => {
                if !now.same_as(&found) || now.unknown != found.unknown || size() != shown_at {
                    telling.tell(&now)?;
                    shown_at = size();
                }
                (found, trouble) = (now, String::new());
            }
            // What was seen last still stands on the screen; it is looked again.
            Err(error) if error.to_string() != trouble => {
                trouble = error.to_string();
                say(&format!("warning: {trouble}"));
            }
            Err(_) => {}
        }
    }
}

/// What was looked at instead, or that there was nothing to look at.
fn say_that_none_is_cordoned(found: &Diagnosis) {
    if found.subject == Subject::BeforeUpgrade {
        say("no node is cordoned: this is what an upgrade would meet (--before-upgrade)");
    } else if found.blocking().next().is_none() {
        say("no node is cordoned, and none is old: nothing is to be emptied");
    }
}

fn code(found: &Diagnosis) -> ExitCode {
    if found.blocking().next().is_some() { ExitCode::Refused } else { ExitCode::Done }
}

/// How the answer is given.
struct Telling<'a> {
    args: &'a DiagnoseArgs,
    screen: &'a Screen,
    title: String,
    commands: Commands,
}

/// What programs read.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    #[serde(flatten)]
    found: &'a Diagnosis,
}

/// Raised when a field changes its meaning.
const SCHEMA: u32 = 1;

/// Columns of what goes to a file or a pipe.
const PIPED: usize = 120;

/// Clears the terminal and begins at its top (ECMA-48: ED 2, CUP).
const CLEARED: &str = "\x1b[2J\x1b[H";

/// What is asked again and again stays on one screen, its beginning in sight: the causes come first.
fn first_screen(mut lines: Vec<String>, height: usize) -> Vec<String> {
    // Below stand an empty line, how to end it, and the cursor.
    let room = height.saturating_sub(3).max(1);
    if lines.len() > room {
        let more = lines.len() - (room - 1);
        lines.truncate(room - 1);
        lines.push(format!("… and {more} lines more, which it shows without --watch"));
    }
    lines
}

impl Telling<'_> {
    fn tell(&self, found: &Diagnosis) -> Result<(), CliError> {
        let watch = self.args.watch;
        match self.args.output {
            DiagnosisForm::Human => {
                let width = self.screen.width().unwrap_or(PIPED);
                let mut lines = diagnosis::screen(found, &self.title, &self.commands, Some(width));
                if let Some(height) = self.screen.height().filter(|_| watch) {
                    lines = first_screen(lines, height);
                }
                let before = match (watch, self.screen.stdout_terminal) {
                    (true, true) => CLEARED.to_owned(),
                    (true, false) => format!("at {}\n", found.at.strftime("%H:%M:%SZ")),
                    (false, _) => String::new(),
                };
                let after = if watch { "\n\n" } else { "\n" };
                answer(&(before + &lines.join("\n") + after))?;
                self.say_what_next(found);
                Ok(())
            }
            DiagnosisForm::Markdown => answer(&diagnosis::markdown(found, &self.title, &self.commands)),
            DiagnosisForm::Json if watch => answer_json_line(&Document { schema: SCHEMA, found }),
            DiagnosisForm::Json => answer_json(&Document { schema: SCHEMA, found }),
        }
    }

    fn say_what_next(&self, found: &Diagnosis) {
        if self.args.watch {
            say(&format!("looks again each {}; Ctrl-C ends it", short(self.args.interval)));
        } else if self.commands.have_group() && found.blocking().next().is_some() {
            let updating = found.findings.iter().any(|finding| finding.cause == Cause::GroupUpdating);
            let when = if updating { "when EKS is done" } else { "when it is fixed" };
            say(&format!("Next, {when}: {}", self.commands.begin("")));
        }
    }
}

/// What is asked: clap has seen to it that it is one thing.
fn question(args: &DiagnoseArgs) -> Result<Question, CliError> {
    if let Some(pod) = &args.pod {
        let Some((namespace, name)) = pod.split_once('/').filter(|(ns, name)| !ns.is_empty() && !name.is_empty())
        else {
            return Err(CliError::usage(format!("--pod {pod} has no namespace")).next("write --pod NAMESPACE/NAME"));
        };
        return Ok(Question::Pod { namespace: namespace.to_owned(), name: name.to_owned() });
    }
    if args.latest_update || args.update_id.is_some() {
        return Ok(Question::Update(args.update_id.clone()));
    }
    Ok(match args.node.as_slice() {
        [] if args.before_upgrade => Question::BeforeUpgrade,
        [] => Question::Group,
        nodes => Question::Nodes(nodes.to_vec()),
    })
}

/// What was said beside the group, for the command that is to be typed again.
fn beside(args: &DiagnoseArgs) -> Vec<String> {
    let nodes = args.node.iter().flat_map(|node| ["--node".to_owned(), node.clone()]);
    let pod = args.pod.iter().flat_map(|pod| ["--pod".to_owned(), pod.clone()]);
    let update = args.update_id.iter().flat_map(|id| ["--update-id".to_owned(), id.clone()]);
    let switches = [(args.before_upgrade, "--before-upgrade"), (args.latest_update, "--latest-update")];
    let switches = switches.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag.to_owned());
    nodes.chain(pod).chain(update).chain(switches).collect()
}

/// A world in which an upgrade has gone on for a while, and then is looked at; before an upgrade, one as it begins.
fn in_sandbox(args: &DiagnoseArgs, world: &World) -> Result<(SandboxPorts, GroupName, Commands), CliError> {
    if let Some(flag) = args.target.points_at_something() {
        return Err(CliError::usage(format!("{flag} with --sandbox, which brings a cluster of its own"))
            .next("leave one of them out"));
    }
    let commands = Commands::sandbox(match world {
        World::Embedded => None,
        World::File(path) => Some(path),
    });
    let spec =
        world_of(world).map_err(|error| error.next("mngup diagnose --sandbox   # the world that mngup brings"))?;
    let group = group_of(&spec);
    let world = SimWorld::starting_at(spec, SANDBOX_SEED, SANDBOX_START);
    let at =
        if args.before_upgrade || args.latest_update || args.update_id.is_some() { Duration::ZERO } else { args.at };
    let world = played(world, at)?;
    let sim = Sim::new(world, 1.0);
    let ports = Ports {
        cluster: Arc::new(sim.cluster()),
        cloud: Arc::new(sim.cloud()),
        clock: Arc::new(sim.clock()),
        lock: Arc::new(sim.lock(connect::operator())),
    };
    Ok((ports, group, commands))
}

type SandboxPorts = Ports<SimCluster, SimCloud, SimClock, SimLock>;

/// Every sandbox that is diagnosed begins at this moment: the same command always gives the same answer.
const SANDBOX_START: jiff::Timestamp = jiff::Timestamp::constant(1_767_225_600, 0);

/// The world after so long of an upgrade.
fn played(world: SimWorld, span: Duration) -> Result<SimWorld, CliError> {
    if span.is_zero() {
        return Ok(world);
    }
    let until = later(world.now(), span);
    let broken = |error: NoRehearsal| match error {
        NoRehearsal::Refused(_) | NoRehearsal::Limits(_) => CliError::refused(error.to_string()),
        NoRehearsal::Broken(_) => CliError::new(ExitCode::Unexpected, error.to_string()),
    };
    let mut rehearsal = Rehearsal::begin(world, Policy::default()).map_err(broken)?;
    rehearsal.play_until(until).map_err(broken)?;
    Ok(rehearsal.into_world())
}

fn not_diagnosed(error: NotDiagnosed, commands: &Commands) -> CliError {
    let message = error.to_string();
    match error {
        NotDiagnosed::Port(error) => error.into(),
        NotDiagnosed::NoSuchNode { name, nodes } => {
            let error = CliError::usage(message);
            match suggest::nearest_node(&name, &nodes) {
                Some(near) => error.next(commands.line_with("diagnose", &["--node".to_owned(), near.to_owned()])),
                None => error.next(commands.kubectl("get nodes   # shows the names")),
            }
        }
        NotDiagnosed::PodElsewhere { namespace, name, .. } => CliError::usage(message)
            .next(format!("leave the group out: mngup diagnose -c CLUSTER --pod {namespace}/{name}")),
        NotDiagnosed::Update(error) => no_update(&error, commands),
        NotDiagnosed::NoSuchPod { namespace, name, pods } => {
            let error = CliError::usage(message);
            match suggest::nearest(&format!("{namespace}/{name}"), &pods) {
                Some(near) => error.next(commands.line_with("diagnose", &["--pod".to_owned(), near.to_owned()])),
                None => error.next(commands.kubectl(&format!("-n {namespace} get pods -o wide   # shows them all"))),
            }
        }
    }
}

fn no_update(error: &NoUpdate, commands: &Commands) -> CliError {
    let flag = |id: &str| ["--update-id".to_owned(), id.to_owned()];
    let usage = CliError::usage(error.to_string());
    match error {
        NoUpdate::NotTold { lacking: Lack::Right(_) } => CliError::refused(error.to_string()),
        NoUpdate::NotTold { lacking: Lack::NotRead | Lack::Server(_) | Lack::NotOffered(_) } => {
            CliError::new(ExitCode::Unexpected, error.to_string())
        }
        NoUpdate::SelfManaged | NoUpdate::NoneFailed { .. } => {
            usage.next(format!("{}   # looks at the group as it is now", commands.line("diagnose")))
        }
        NoUpdate::Elsewhere { id, nodegroup } => {
            usage.next(format!("name that group: -n {nodegroup} --update-id {id}"))
        }
        NoUpdate::Unknown { id, known, .. } => match (suggest::nearest(id, known), known.first()) {
            (Some(near), _) => usage.next(commands.line_with("diagnose", &flag(near))),
            (None, Some(newest)) => {
                usage.next(format!("{}   # its newest", commands.line_with("diagnose", &flag(newest))))
            }
            (None, None) => usage.next(format!("{}   # it never had one", commands.line("diagnose"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::first_screen;

    #[test]
    fn what_does_not_fit_on_a_screen_is_counted() {
        let lines = |count: usize| (1..=count).map(|line| line.to_string()).collect::<Vec<_>>();
        assert_eq!(first_screen(lines(7), 10), lines(7));
        let cut = first_screen(lines(20), 10);
        assert_eq!((cut.len(), cut[5].as_str()), (7, "6"));
        assert_eq!(cut[6], "… and 14 lines more, which it shows without --watch");
    }
}
