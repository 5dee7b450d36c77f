//! `mngup upgrade`: look, object, begin or go on, drive.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::{
    driver::{Desk, DriveError, Ports, Stop, drive, unless_stopped},
    lease::{give_back, regain, while_renewing},
    observe::{Observed, look_on, observe},
};
use crate::{
    domain::{
        ClusterName, Contradiction, GroupName, INTENT_SCHEMA, Intent, IntentState, Limits, LimitsError, Node, NodeName,
        Operator, Policy, Process, RunId, Settings, Snapshot,
    },
    engine::{
        Goal, Rollout,
        event::{Event, OldNode, RunOutcome},
    },
    plan::{self, Objection},
    ports::{Clock, Cloud, Cluster, Journal, Lock, PortError},
    report::Reporter,
};

/// What the user asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The cluster.
    pub cluster: ClusterName,
    /// The group.
    pub group: GroupName,
    /// What was said about how it goes; the rest is what an earlier run remembers, or the default.
    pub settings: Settings,
    /// Who asks.
    pub operator: Operator,
    /// The name of the run, should it be a new one.
    pub run: RunId,
    /// Which mngup this is.
    pub version: String,
}

/// A run that could begin.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Everything that was seen.
    pub snapshot: Snapshot,
    /// An earlier run that goes on.
    pub resumes: Option<Intent>,
    /// How it goes: what was remembered, with what was given now.
    pub policy: Policy,
    /// The numbers that the policy became.
    pub limits: Limits,
    /// What is to be replaced.
    pub old: Vec<OldNode>,
    /// Nodes that were named and are not old.
    pub not_old: Vec<NodeName>,
    /// Where other evidence disagrees.
    pub disagreements: Vec<String>,
}

impl Prepared {
    /// What the group is called at Auto Scaling.
    #[must_use]
    pub fn auto_scaling_group(&self) -> Option<&str> {
        self.snapshot.group().map(|group| group.asg.as_str())
    }

    /// What is odd about the group, whether or not anything is old: a sentence each.
    #[must_use]
    pub fn oddities(&self) -> Vec<String> {
        let unseen = self.snapshot.unseen().map(ToOwned::to_owned);
        self.disagreements.iter().cloned().chain(without_instance(&self.snapshot)).chain(unseen).collect()
    }

    /// Old nodes that the run leaves as they are, since others were named.
    #[must_use]
    pub fn left_out(&self) -> u32 {
        if self.policy.only.is_empty() {
            return 0;
        }
        let all = Policy { only: BTreeSet::new(), all_nodes: false, ..self.policy.clone() };
        let others = plan::old_nodes(&self.snapshot, &all).into_iter();
        let others = others.filter(|old| old.member.node.as_ref().is_none_or(|name| !self.policy.only.contains(name)));
        u32::try_from(others.count()).unwrap_or(u32::MAX)
    }
}

/// Why no run begins.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Reasons of the group's.
    #[error("refused")]
    Objections {
        /// Which.
        objections: Vec<Objection>,
        /// The Auto Scaling group's name, for remedies.
        asg: String,
        /// The group's nodes, for names that were mistyped.
        nodes: Vec<String>,
    },
    /// Settings that cannot both be meant, now that those of the earlier run are known too.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// Numbers with which nothing can move.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The outside cannot be read.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Looks at the group and its nodes, and objects to what speaks against a run. Writes nothing.
///
/// # Errors
/// [`Refused`].
pub async fn prepare<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    request: &Request,
) -> Result<Prepared, Refused> {
    let Observed { snapshot, intent } = observe(ports).await?;
    judge(&snapshot, intent, request, Since::Before)
}

/// When a run is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// Before it begins, or goes on.
    Before,
    /// In the middle: what the group is busy with for a while is waited for there.
    UnderWay,
}

fn judge(snapshot: &Snapshot, intent: Option<Intent>, request: &Request, since: Since) -> Result<Prepared, Refused> {
    let Some(group) = snapshot.group() else {
        return Err(PortError::NotFound { what: request.group.to_string(), others: Vec::new() }.into());
    };
    let remembered = intent.as_ref().map(|intent| intent.policy.clone()).unwrap_or_default();
    let given = in_full(&request.settings, snapshot);
    let policy = given.over(&remembered);
    policy.check()?;
    let mut objections = plan::objections(snapshot, &policy);
    if intent.is_some() {
        // Our own call to raise the maximum leaves a managed group UPDATING for a moment, and nodes that the run was
        // to replace may be replaced by now.
        let named_before =
            |names: &[String]| names.iter().all(|name| remembered.only.contains(&NodeName::new(name.as_str())));
        objections.retain(|objection| match objection {
            Objection::Updating => false,
            Objection::NoSuchNodes(names) => !named_before(names),
            Objection::NotActive(_)
            | Objection::Suspended(_)
            | Objection::InstanceRefresh(_)
            | Objection::Operator(_)
            | Objection::NoLaunchTemplate
            | Objection::NotInstances(_) => true,
        });
    }
    if since == Since::UnderWay {
        let busy = plan::busy(group);
        objections.retain(|objection| !busy.contains(objection));
    }
    if !objections.is_empty() {
        let nodes = members(snapshot).map(ToString::to_string).collect();
        return Err(Refused::Objections { objections, asg: group.asg.to_string(), nodes });
    }
    let limits = match &intent {
        None => Limits::resolve(&policy, group, group.size.desired)?,
        Some(intent) => intent.limits.resume(&given, &policy, group, intent.size.desired)?,
    };
    let old = plan::old_nodes(snapshot, &policy);
    let is_old = |name: &NodeName| old.iter().any(|old| old.member.node.as_ref() == Some(name));
    let not_old = members(snapshot).filter(|name| policy.only.contains(name) && !is_old(name)).cloned().collect();
    let disagreements = plan::disagreements(snapshot);
    Ok(Prepared { snapshot: snapshot.clone(), resumes: intent, policy, limits, old, not_old, disagreements })
}

/// Nodes that carry the node group's label and none of its instances. A self-managed group has no label of its own.
fn without_instance(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    let group = snapshot.group().filter(|group| group.nodegroup.is_some());
    let lost = group.into_iter().flat_map(|group| {
        let known = |node: &Node| node.instance.as_ref().is_some_and(|id| group.instances.contains_key(id));
        snapshot.nodes().values().filter(move |node| !known(node))
    });
    lost.map(|node| format!("node/{} says it is of this group, but the group has no such instance", node.name))
}

/// The settings with the names of nodes in full: what stands before the first dot is enough where one node has it.
fn in_full(settings: &Settings, snapshot: &Snapshot) -> Settings {
    let full = |name: &NodeName| {
        let mut begin_so =
            members(snapshot).filter(|node| node.as_str().split('.').next() == Some(name.as_str()) && *node != name);
        match (begin_so.next(), begin_so.next()) {
            (Some(node), None) => node.clone(),
            (None, _) | (Some(_), Some(_)) => name.clone(),
        }
    };
    let only = settings.only.as_ref().map(|only| only.iter().map(full).collect());
    Settings { only, ..settings.clone() }
}

/// The nodes of the group.
pub(super) fn members(snapshot: &Snapshot) -> impl Iterator<Item = &NodeName> {
    let instances = snapshot.group().into_iter().flat_map(|group| group.instances.keys());
    instances.filter_map(|instance| snapshot.node_of(instance)).map(|node| &node.name)
}

/// A run that holds the lock of its group and has seen what there is now. Nothing of it was told or done yet: a place
/// to open what only the holder may write.
#[derive(Debug)]
pub struct Begun<'a, C, A, K, L> {
    ports: &'a Ports<C, A, K, L>,
    request: &'a Request,
    prepared: Prepared,
}

/// Why a run did not begin; nothing was touched then.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// Something speaks against it that was not so when it was planned.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The lock was not had, nothing could be read, or the user left.
    #[error(transparent)]
    Broken(#[from] DriveError),
}

/// Takes the lock, or says who has it, looks again, and objects to what speaks against it by now.
///
/// # Errors
/// [`NotBegun`]; the lock is not held then.
pub async fn begin<'a, C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &'a Ports<C, A, K, L>,
    request: &'a Request,
    prepared: Prepared,
    stop: &mut mpsc::Receiver<Stop>,
) -> Result<Begun<'a, C, A, K, L>, NotBegun> {
    unless_stopped(stop, ports.lock.acquire()).await?;
    let Prepared { mut snapshot, .. } = prepared;
    // Somebody may have thought it over for a while, or another run held the lock.
    let seen = unless_stopped(stop, while_renewing(&ports.lock, &ports.clock, look_on(ports, &mut snapshot))).await;
    match seen.map_err(NotBegun::from).and_then(|intent| Ok(judge(&snapshot, intent, request, Since::Before)?)) {
        Ok(prepared) => Ok(Begun { ports, request, prepared }),
        Err(error) => {
            let broken = match &error {
                NotBegun::Refused(_) => None,
                NotBegun::Broken(error) => Some(error),
            };
            give_back(&*ports.lock, broken).await;
            Err(error)
        }
    }
}

impl<C: Cluster, A: Cloud, K: Clock, L: Lock> Begun<'_, C, A, K, L> {
    /// Its name: one that goes on keeps it, and so its journal.
    #[must_use]
    pub fn run(&self) -> &RunId {
        self.prepared.resumes.as_ref().map_or(&self.request.run, |intent| &intent.run)
    }

    /// Gives the lock back, having done nothing.
    pub async fn give_up(self) {
        give_back(&*self.ports.lock, None).await;
    }

    /// Runs, and gives the lock back; a run that was interrupted goes on with its own sizes and its own settings, but
    /// for those that are given now.
    ///
    /// # Errors
    /// [`DriveError`]; a run that ends in order has an outcome, however bad.
    pub async fn drive(
        self,
        reporter: &mut dyn Reporter,
        journal: &mut dyn Journal,
        stop: &mut mpsc::Receiver<Stop>,
    ) -> Result<RunOutcome, DriveError> {
        let mut desk = Desk { reporter, journal, stop };
        for message in self.prepared.snapshot.unseen() {
            desk.warn(self.ports.clock.now(), message.to_owned());
        }
        let outcome = legs(self.ports, self.request, self.prepared, &mut desk).await;
        give_back(&*self.ports.lock, outcome.as_ref().err()).await;
        outcome
    }
}

/// One leg after the other: whenever nothing could be heard for a while, the run goes on as if another had begun it.
async fn legs<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    request: &Request,
    prepared: Prepared,
    desk: &mut Desk<'_>,
) -> Result<RunOutcome, DriveError> {
    let mut ended = Box::pin(leg(ports, request, prepared, desk, None)).await;
    let mut ports = ports.clone();
    while let Err(DriveError::Adrift { stop }) = ended {
        ports = regain(&ports, desk).await?;
        let Observed { snapshot, intent } =
            desk.unless_stopped(while_renewing(&ports.lock, &ports.clock, observe(&ports))).await?;
        let prepared = judge(&snapshot, intent, request, Since::UnderWay).map_err(broken_off)?;
        ended = Box::pin(leg(&ports, request, prepared, desk, stop)).await;
    }
    ended
}

/// What refuses a run before it begins only breaks it off midway.
fn broken_off(refused: Refused) -> DriveError {
    let message = match refused {
        Refused::Port(error) => return error.into(),
        Refused::Objections { objections, .. } => {
            objections.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        Refused::Limits(error) => error.to_string(),
        Refused::Contradiction(error) => error.to_string(),
    };
    PortError::Other { message }.into()
}

async fn leg<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    request: &Request,
    prepared: Prepared,
    desk: &mut Desk<'_>,
    stop: Option<RunOutcome>,
) -> Result<RunOutcome, DriveError> {
    let (mut rollout, first) = start(request, &prepared, ports.clock.now());
    let Prepared { mut snapshot, .. } = prepared;
    let outcome = drive(ports, &mut rollout, &mut snapshot, first, desk, stop).await;
    desk.reporter.size(snapshot.group().map(|group| group.size));
    outcome
}

fn start(request: &Request, prepared: &Prepared, now: jiff::Timestamp) -> (Rollout, Event) {
    let snapshot = &prepared.snapshot;
    let old = prepared.old.clone();
    if let Some(remembered) = prepared.resumes.clone() {
        let intent = Intent {
            policy: prepared.policy.clone(),
            limits: prepared.limits,
            operator: request.operator.clone(),
            version: request.version.clone(),
            ..remembered.clone()
        };
        let run = Rollout::resume(intent, remembered, Goal::Upgrade, snapshot, now);
        let event = Event::RunResumed { intent: Box::new(run.intent().clone()), old };
        return (run, event);
    }
    let group = snapshot.group();
    let size = group.map_or(crate::domain::Size { min: 0, desired: 0, max: 0 }, |group| group.size);
    let intent = Intent {
        schema: INTENT_SCHEMA,
        version: request.version.clone(),
        run: request.run.clone(),
        cluster: request.cluster.clone(),
        group: request.group.clone(),
        started_at: now,
        operator: request.operator.clone(),
        size,
        old: u32::try_from(old.len()).unwrap_or(u32::MAX),
        policy: prepared.policy.clone(),
        limits: prepared.limits,
        surge: 0,
        raised_max: None,
        suspended_az_rebalance: group.is_some_and(|group| !group.suspended.contains(&Process::AzRebalance)),
        state: IntentState::Rolling,
    };
    let event = Event::RunStarted { intent: Box::new(intent.clone()), old };
    (Rollout::begin(intent, snapshot), event)
}
