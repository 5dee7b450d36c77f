//! `mngup diagnose`.

use std::{sync::Arc, time::Duration};

use super::{
    answer::{answer, answer_json},
    args::{DiagnoseArgs, DiagnosisForm},
    connect::{self, Purpose},
    error::CliError,
    exit_code::ExitCode,
    suggest,
    upgrade::{SANDBOX_SEED, group_of, world_of},
    values::{Sandbox, World},
};
use crate::{
    adapters::SystemClock,
    app::{self, NoUpdate, NotDiagnosed, Ports, Question},
    domain::{Diagnosis, GroupName, Lack, Policy, later},
    forecast::{NoRehearsal, Rehearsal},
    ports::Clock,
    report::{Commands, Screen, diagnosis},
    sim::{Sim, World as SimWorld},
};

/// Says why nodes do not empty.
///
/// # Errors
/// When the question makes no sense, or what it is about cannot be read.
pub(super) async fn diagnose(args: DiagnoseArgs, screen: Screen) -> Result<ExitCode, CliError> {
    let question = question(&args)?;
    let (found, group, commands) = match &args.sandbox {
        Sandbox::On(world) => in_sandbox(&args, world, &question).await?,
        Sandbox::Off => {
            let target = args.target.target("diagnose", beside(&args))?;
            let now = SystemClock.now();
            let ports = connect::connect(&target, Purpose::Look, &connect::operator(), &connect::run_id(now)).await?;
            let commands = target.commands();
            let found = app::diagnose(&ports, &question).await.map_err(|error| not_diagnosed(error, &commands))?;
            (found, target.group, commands)
        }
    };
    tell(&found, &group, &commands, args.output, &screen)?;
    Ok(if found.blocking().next().is_some() { ExitCode::Refused } else { ExitCode::Done })
}

fn tell(
    found: &Diagnosis,
    group: &GroupName,
    commands: &Commands,
    form: DiagnosisForm,
    screen: &Screen,
) -> Result<(), CliError> {
    match form {
        DiagnosisForm::Human => {
            let lines = diagnosis::screen(found, &group.to_string(), commands, Some(screen.width().unwrap_or(120)));
            answer(&(lines.join("\n") + "\n"))
        }
        DiagnosisForm::Markdown => answer(&diagnosis::markdown(found, &group.to_string(), commands)),
        DiagnosisForm::Json => answer_json(found),
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
async fn in_sandbox(
    args: &DiagnoseArgs,
    world: &World,
    question: &Question,
) -> Result<(Diagnosis, GroupName, Commands), CliError> {
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
    let found = app::diagnose(&ports, question).await.map_err(|error| not_diagnosed(error, &commands))?;
    Ok((found, group, commands))
}

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
