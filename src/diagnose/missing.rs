//! Pods that a budget counts on and that nobody makes, for their controller is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Rule, Verdicts, limits,
    remedy::missing as remedy,
    scene::{Scene, behind},
};
use crate::domain::{
    Ask, By, CannotTell, Cause, Finding, Grade, Known, KubeEvent, Object, Owner, Pdb, PdbRef, Pod, Quota, Workload,
};

pub(super) const RULE: Rule = Rule { causes: &[Cause::Quota, Cause::CreateRefused], find };

/// A controller that lacks pods of a budget, and what it was told when it made one.
#[derive(Clone, Debug)]
pub(super) struct Missing<'a> {
    pub(super) pdb: &'a Pdb,
    /// What keeps it from making one.
    pub(super) by: Object,
    event: &'a KubeEvent,
}

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    let mut known = BTreeSet::new();
    for missing in missing(scene) {
        if known.insert(missing.by.clone()) {
            verdicts.found.push(judge(scene, &missing));
        }
    }
    verdicts.unknown.extend(cannot_tell(scene));
}

/// Controllers that are refused, by the budgets that wait for their pods.
pub(super) fn missing<'a>(scene: &Scene<'a>) -> Vec<Missing<'a>> {
    let mut found = Vec::new();
    for (pdb, owner, pod) in lacking(scene) {
        let made = scene.counted(&pdb.id).known().unwrap_or_default();
        let youngest = made.iter().filter(|pod| pod.owner.as_ref() == Some(owner)).map(|pod| pod.created_at).max();
        let told = scene.ask(&events_of(&pdb.id, owner)).known().map(Vec::as_slice).unwrap_or_default();
        // What was refused before the last one was made is over.
        let holds = |event: &&KubeEvent| {
            let last = event.last.or(event.first);
            event.reason == "FailedCreate"
                && last.is_none_or(|last| youngest.is_none_or(|youngest| last >= youngest))
                && last.is_none_or(|last| scene.since(last) <= limits::EVENT_AGE)
        };
        let Some(event) = told.iter().rfind(holds) else { continue };
        let by = match Exceeded::of(&event.message) {
            Some(told) => Object::Quota { namespace: pdb.id.namespace.clone(), name: told.name.to_owned() },
            None => behind(pod),
        };
        found.push(Missing { pdb, by, event });
    }
    found
}

/// Budgets that lack pods in a namespace that is being deleted, where none may be made: its controllers are refused
/// without an event (`manageReplicas` in `pkg/controller/replicaset`).
pub(super) fn closed<'a>(scene: &Scene<'a>) -> Vec<(&'a Pdb, Object)> {
    let lacking: BTreeMap<_, _> = lacking(scene).into_iter().map(|(pdb, _, _)| (&pdb.id, pdb)).collect();
    let goes = |pdb: &Pdb| {
        let known = scene.ask(&Ask::namespace(&pdb.id.namespace)).known().and_then(Option::as_ref);
        known.is_some_and(|namespace| namespace.deleting_since.is_some())
    };
    let closed = lacking.into_values().filter(|pdb| goes(pdb));
    closed.map(|pdb| (pdb, Object::Namespace(pdb.id.namespace.clone()))).collect()
}

fn events_of(pdb: &PdbRef, owner: &Owner) -> crate::domain::Query<Vec<KubeEvent>> {
    Ask::events(&Object::Workload { namespace: pdb.namespace.clone(), owner: owner.clone() })
}

/// Controllers that have fewer pods than they should although nothing that can be seen is in the way, and one of their
/// pods.
fn lacking<'a>(scene: &Scene<'a>) -> Vec<(&'a Pdb, &'a Owner, &'a Pod)> {
    let makers = makers(scene).into_iter().filter(|maker| maker.lacks(scene).known() == Some(true));
    makers.map(|Maker { pdb, owner, pod, short: _ }| (pdb, owner, pod)).collect()
}

/// A controller of pods that a budget counts.
struct Maker<'a> {
    pdb: &'a Pdb,
    owner: &'a Owner,
    /// One of its pods.
    pod: &'a Pod,
    /// Whether there are fewer pods than the budget counts on.
    short: bool,
}

impl Maker<'_> {
    /// Whether it has fewer pods than it should.
    fn lacks(&self, scene: &Scene<'_>) -> Known<bool> {
        if self.short {
            return Known::Is(true);
        }
        let has_fewer = |known: &Workload| known.replicas.is_some_and(|replicas| replicas > known.current);
        scene.ask(&Ask::workload(&self.pdb.id.namespace, self.owner)).map(|known| known.as_ref().is_some_and(has_fewer))
    }
}

/// Those of budgets that are used up for a while and nobody can see by whom.
fn makers<'a>(scene: &Scene<'a>) -> Vec<Maker<'a>> {
    let mut makers: Vec<Maker<'a>> = Vec::new();
    for (pdb, leavers) in scene.blocked.values() {
        let quiet = scene.unexplained_since(pdb).is_some_and(|since| scene.since(since) >= limits::SPEAKS);
        let Some(counted) = scene.counted(&pdb.id).known().filter(|_| quiet) else { continue };
        let there = counted.iter().filter(|pod| pod.deletion.is_none() && !pod.is_finished()).count();
        let short = usize::try_from(pdb.status.expected).is_ok_and(|expected| expected > there);
        let mut owners: BTreeSet<&Owner> = BTreeSet::new();
        for pod in counted.iter().chain(leavers.iter().copied()) {
            let owner = pod.owner.as_ref().filter(|owner| MAKERS.contains(&owner.kind.as_str()));
            if let Some(owner) = owner.filter(|owner| owners.insert(owner)) {
                makers.push(Maker { pdb, owner, pod, short });
            }
        }
    }
    makers
}

/// Controllers that make a pod again when one goes, and say so when they may not.
const MAKERS: [&str; 3] = ["ReplicaSet", "StatefulSet", "Job"];

fn cannot_tell(scene: &Scene<'_>) -> Vec<CannotTell> {
    let cannot = |cause, object, lacking| CannotTell { cause, object, lacking };
    let unknown = |maker: Maker<'_>| {
        let Maker { pdb, owner, pod, short: _ } = maker;
        let lacks = maker.lacks(scene);
        let is_lacking = lacks == Known::Is(true);
        let events = || scene.ask(&events_of(&pdb.id, owner)).lacking();
        let refused = if is_lacking { events() } else { lacks.lacking() };
        let namespace = || scene.ask(&Ask::namespace(&pdb.id.namespace)).lacking();
        let goes = if is_lacking { namespace() } else { None };
        let refused = refused.map(|lack| cannot(Cause::CreateRefused, behind(pod), lack));
        let object = Object::Namespace(pdb.id.namespace.clone());
        refused.into_iter().chain(goes.map(|lack| cannot(Cause::NamespaceTerminating, object, lack)))
    };
    makers(scene).into_iter().flat_map(unknown).collect()
}

fn judge(scene: &Scene<'_>, missing: &Missing<'_>) -> Finding {
    let Missing { pdb, by, event } = missing;
    let since = scene.unexplained_since(pdb);
    let quiet = since.is_some_and(|since| scene.since(since) >= limits::QUIET_BUDGET);
    let grade = if quiet { Grade::Blocks } else { Grade::Waits };
    let lacks = u32::try_from(pdb.status.expected - pdb.status.current).unwrap_or(1).max(1);
    let (Some(told), Object::Quota { namespace, .. }) = (Exceeded::of(&event.message), by) else {
        let says = format!("{by} may not make the pods that it lacks");
        let found = Finding::new(Cause::CreateRefused, by.clone(), says).graded(grade).since(since);
        return found.by(By::Event, &event.message).remedies(remedy::refused(by, &event.message));
    };
    let found = Finding::new(Cause::Quota, by.clone(), format!("{by} leaves no room for the pods that are missing"));
    let found = found.graded(grade).since(since).by(By::Event, &event.message);
    let now = scene.ask(&Ask::quotas(namespace)).known().and_then(|quotas| quotas.iter().find(|q| q.name == told.name));
    if now.is_some_and(|quota| told.fits(quota)) {
        let words = "there is room by now; its controller tries again, with longer and longer pauses";
        return found.graded(Grade::Waits).by(By::Status, words).remedies(remedy::quota(namespace, &told, lacks));
    }
    let told = now.map_or_else(|| told.clone(), |quota| told.by_now(quota));
    found.remedies(remedy::quota(namespace, &told, lacks))
}

/// A quota that is exceeded, as the API server tells it (`plugin/pkg/admission/resourcequota`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exceeded<'a> {
    pub(super) name: &'a str,
    pub(super) of: Vec<Lacks<'a>>,
}

/// A resource of which a quota has too little left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lacks<'a> {
    pub(super) resource: &'a str,
    pub(super) asks: &'a str,
    /// More than the limit where that was lowered meanwhile, which no pod is ended for.
    pub(super) used: &'a str,
    pub(super) limit: &'a str,
}

impl<'a> Exceeded<'a> {
    /// `exceeded quota: q, requested: cpu=1,pods=1, used: cpu=4,pods=4, limited: cpu=4,pods=4`
    pub(super) fn of(message: &'a str) -> Option<Self> {
        let (_, rest) = message.split_once("exceeded quota: ")?;
        let (name, rest) = rest.split_once(", requested: ")?;
        let (requested, rest) = rest.split_once(", used: ")?;
        let (used, limited) = rest.split_once(", limited: ")?;
        let each = |list: &'a str| list.split(',').filter_map(|entry| entry.split_once('='));
        let amount =
            |list: &'a str, resource: &str| each(list).find(|(name, _)| *name == resource).map(|(_, it)| it.trim());
        let of = each(requested).filter_map(|(resource, asks)| {
            Some(Lacks { resource, asks, used: amount(used, resource)?, limit: amount(limited, resource)? })
        });
        Some(Self { name, of: of.collect() })
    }

    /// With what is used and allowed by now.
    fn by_now(&self, quota: &'a Quota) -> Self {
        let of = self.of.iter().map(|lacks| Lacks {
            used: quota.used.get(lacks.resource).map_or(lacks.used, String::as_str),
            limit: quota.hard.get(lacks.resource).map_or(lacks.limit, String::as_str),
            ..*lacks
        });
        Self { name: self.name, of: of.collect() }
    }

    /// Whether what was asked for would be granted now.
    fn fits(&self, quota: &Quota) -> bool {
        self.of.iter().all(|Lacks { resource, asks, .. }| {
            let (used, hard) = (quota.used.get(*resource), quota.hard.get(*resource));
            used.zip(hard).is_some_and(|(used, hard)| remedy::is_room(used, asks, hard))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_told_with_all_that_it_limits() {
        let message = "Error creating: pods \"cart-x\" is forbidden: exceeded quota: team, requested: \
                       limits.memory=1Gi,pods=1, used: limits.memory=4Gi,pods=4, limited: limits.memory=4Gi,pods=4";
        let told = Exceeded::of(message).unwrap();
        let lacks = |resource, asks, used, limit| Lacks { resource, asks, used, limit };
        let of = vec![lacks("limits.memory", "1Gi", "4Gi", "4Gi"), lacks("pods", "1", "4", "4")];
        assert_eq!((told.name, told.of), ("team", of));
        assert_eq!(Exceeded::of("pods \"cart-x\" is forbidden: violates PodSecurity"), None);
    }
}
