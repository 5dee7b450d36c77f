//! What refuses an eviction, budgets aside: a webhook, a namespace on its way out, a right that lacks, a busy server.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    Rule, Verdicts,
    eks_codes::{self, Meaning, Said},
    limits,
    missing::closed,
    remedy::refused as remedy,
    scene::{Leaver, Scene},
};
use crate::{
    domain::{
        Ask, By, CannotTell, Cause, Finding, Grade, Known, Lack, Namespace, Object, Pod, Refusal, Subject, Sure,
        Webhook, forbidden,
    },
    drain::Fate,
};

pub(super) const RULE: Rule = Rule {
    causes: &[
        Cause::WebhookDenies,
        Cause::WebhookDown,
        Cause::NamespaceTerminating,
        Cause::RightsEvict,
        Cause::ApiBusy,
    ],
    find,
};

/// A pod that the server does not let go.
#[derive(Clone, Debug)]
pub(super) struct Refused<'a> {
    pub(super) pod: &'a Pod,
    /// Who keeps it.
    pub(super) by: Object,
    refusal: &'a Refusal,
    /// Since when the server says so; none where it was only asked once, for a try.
    since: Option<Timestamp>,
}

/// How an eviction is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Denied,
    Unanswered,
    Terminating,
    Forbidden,
    Busy,
}

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    let mut kept: BTreeMap<(Kind, Object), Vec<Refused<'_>>> = BTreeMap::new();
    for refused in refusals(scene) {
        if let Some(kind) = Kind::of(refused.refusal) {
            kept.entry((kind, refused.by.clone())).or_default().push(refused);
        }
    }
    for (_, namespace) in closed(scene) {
        kept.entry((Kind::Terminating, namespace)).or_default();
    }
    let told = told_by_eks(scene);
    for (kind, object, _) in &told {
        kept.entry((*kind, object.clone())).or_default();
    }
    for ((kind, object), refused) in kept {
        let said: Vec<_> =
            told.iter().filter(|told| (told.0, &told.1) == (kind, &object)).map(|told| &told.2).collect();
        let found = judge(scene, kind, &object, &refused);
        let found = said.iter().fold(found, |found, said| found.by(By::Eks, said.words()));
        // What only EKS met matters as much as EKS's word.
        let only_eks = said.first().filter(|_| refused.is_empty());
        verdicts.found.push(match only_eks {
            Some(said) => {
                let says = met_by_eks(kind, &object).unwrap_or_else(|| found.says.clone());
                Finding { says, ..found }.graded(said.grade).sure(Sure::Likely).since(said.since)
            }
            None => found,
        });
    }
    verdicts.unknown.extend(untried(scene));
}

/// Pods that are kept so, and by whom.
pub(super) fn refusals<'a>(scene: &Scene<'a>) -> Vec<Refused<'a>> {
    let said = |leaver: &Leaver<'a>| -> Option<(&'a Pod, &'a Refusal, Option<Timestamp>)> {
        let pod = leaver.pod;
        if let Some(run) = scene.view.run {
            return run.refusal(&pod.id.uid).map(|(refusal, since)| (pod, refusal, Some(since)));
        }
        let answer = scene.ask(&Ask::try_eviction(&pod.id)).known()?;
        answer.as_ref().map(|refusal| (pod, refusal, None))
    };
    let said = asked_to_leave(scene).filter_map(|leaver| said(&leaver));
    said.filter_map(|(pod, refusal, since)| Some(Refused { pod, by: refusal.by(&pod.id)?, refusal, since })).collect()
}

/// What EKS met: its own requests pass the same webhooks, and AWS puts it off as it does everybody.
fn told_by_eks<'a>(scene: &Scene<'a>) -> Vec<(Kind, Object, Said<'a>)> {
    let met = |said: Said<'a>| {
        let kind = match said.meaning {
            Meaning::Admission if said.refusal().is_unanswered() => Kind::Unanswered,
            Meaning::Admission => Kind::Denied,
            Meaning::Passes => Kind::Busy,
            Meaning::Cause(_) | Meaning::Shows | Meaning::Words | Meaning::Refused => return None,
        };
        let by = if kind == Kind::Busy { said.object(scene) } else { said.refusal().admission() };
        Some((kind, by?, said))
    };
    eks_codes::said(scene).into_iter().filter_map(met).collect()
}

fn met_by_eks(kind: Kind, object: &Object) -> Option<String> {
    match kind {
        Kind::Denied => Some(format!("{object} denies what EKS asks for")),
        Kind::Unanswered => Some(format!("{object} must be asked about what EKS does, and does not answer")),
        Kind::Busy => Some(format!("AWS puts off what EKS does for {object}")),
        Kind::Terminating | Kind::Forbidden => None,
    }
}

/// Those whose eviction was sent; without a run those that nothing else keeps, so that it could be tried.
fn asked_to_leave<'a>(scene: &Scene<'a>) -> impl Iterator<Item = Leaver<'a>> {
    let held = scene.blocked.values().flat_map(|(_, pods)| pods).chain(scene.doubled.values().flatten());
    let held: BTreeSet<_> = held.map(|pod| &pod.id.uid).collect();
    let runs = scene.view.run.is_some();
    let tries = *scene.view.subject != Subject::BeforeUpgrade && !scene.view.policy.disable_eviction;
    let leaves = scene.leavers.iter().copied().filter(|leaver| leaver.fate == Fate::Leaves);
    let asked: Vec<_> = leaves
        .filter(move |leaver| runs || tries && !held.contains(&leaver.pod.id.uid))
        .take(if runs { usize::MAX } else { limits::TRIES })
        .collect();
    asked.into_iter()
}

/// What was not answered to a try, each reason once.
fn untried(scene: &Scene<'_>) -> Vec<CannotTell> {
    if scene.view.run.is_some() {
        return Vec::new();
    }
    let mut lacks: Vec<CannotTell> = Vec::new();
    for leaver in asked_to_leave(scene) {
        let Known::Unknown(lacking) = scene.ask(&Ask::try_eviction(&leaver.pod.id)) else { continue };
        if lacking != Lack::NotRead && lacks.iter().all(|known| known.lacking != lacking) {
            let object = Object::Pod(leaver.pod.id.clone());
            lacks.push(CannotTell { cause: Cause::WebhookDenies, object, lacking });
        }
    }
    lacks
}

impl Kind {
    /// None where it is a budget's, or nobody's who is named.
    fn of(refusal: &Refusal) -> Option<Self> {
        match refusal {
            Refusal::Webhook { .. } if refusal.is_unanswered() => Some(Self::Unanswered),
            Refusal::Webhook { .. } => Some(Self::Denied),
            Refusal::NamespaceTerminating => Some(Self::Terminating),
            Refusal::Forbidden { .. } => Some(Self::Forbidden),
            Refusal::Throttled { .. } | Refusal::Failed { .. } => Some(Self::Busy),
            Refusal::Budget { .. } | Refusal::TwoBudgets | Refusal::Gone | Refusal::Conflict { .. } => None,
        }
    }
}

fn judge(scene: &Scene<'_>, kind: Kind, object: &Object, refused: &[Refused<'_>]) -> Finding {
    let (cause, says) = match kind {
        Kind::Denied => (Cause::WebhookDenies, format!("{object} denies the eviction")),
        Kind::Unanswered => (Cause::WebhookDown, format!("{object} must be asked about evictions and does not answer")),
        Kind::Terminating => (Cause::NamespaceTerminating, format!("{object} is being deleted and does not get done")),
        Kind::Forbidden => (Cause::RightsEvict, format!("{object} is missing")),
        Kind::Busy if is_unheard(refused) => (Cause::ApiBusy, format!("{object} does not answer evictions")),
        Kind::Busy => (Cause::ApiBusy, format!("{object} asks to come back later")),
    };
    let since = refused.iter().filter_map(|refused| refused.since).min();
    let found = Finding::new(cause, object.clone(), says).since(since);
    let found = words(refused).into_iter().fold(found, |found, words| found.by(By::Refusal, words));
    match kind {
        Kind::Denied | Kind::Unanswered => admission(scene, found, kind, object, refused),
        Kind::Terminating => object.namespace().into_iter().fold(found, |found, name| namespace(scene, found, name)),
        Kind::Forbidden => right(scene, found, refused),
        Kind::Busy => busy(scene, found),
    }
}

/// Whether no eviction was answered at all, be it with a no.
fn is_unheard(refused: &[Refused<'_>]) -> bool {
    !refused.is_empty() && refused.iter().all(|refused| refused.refusal.is_unheard())
}

/// It goes by, unless that takes too long; a try that was made once says nothing of how long.
fn busy(scene: &Scene<'_>, found: Finding) -> Finding {
    if found.since.is_some_and(|since| scene.since(since) >= limits::API_BUSY) {
        found.graded(Grade::Blocks).remedies(remedy::busy_for_long())
    } else {
        found.graded(Grade::Waits).remedies(remedy::busy())
    }
}

fn namespaces<'a>(refused: &[Refused<'a>]) -> BTreeSet<&'a str> {
    refused.iter().map(|refused| refused.pod.id.namespace.as_str()).collect()
}

/// The server's words, each once: of thirty pods they differ in the names alone, so the first are enough.
fn words(refused: &[Refused<'_>]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for refused in refused {
        let said = refused.refusal.to_string();
        if words.len() < limits::WORDS && !words.contains(&said) {
            words.push(said);
        }
    }
    words
}

/// Whoever says "not yet" is given a moment; a try that was made once says nothing of how long it has been so.
fn patience(scene: &Scene<'_>, since: Option<Timestamp>, limit: std::time::Duration) -> Grade {
    let long = since.is_none_or(|since| scene.since(since) >= limit);
    if long { Grade::Blocks } else { Grade::Waits }
}

/// A webhook, or a policy that stands in its place without a server behind it.
fn admission(scene: &Scene<'_>, found: Finding, kind: Kind, object: &Object, refused: &[Refused<'_>]) -> Finding {
    let grade = patience(scene, found.since, limits::ADMISSION);
    let sure = if found.since.is_some() { Sure::Certain } else { Sure::Likely };
    let found = found.graded(grade).sure(sure);
    let Object::Webhook(name) = object else { return found.remedies(remedy::policy(object)) };
    let hooks: Vec<&Webhook> = match scene.ask(&Ask::webhooks()) {
        Known::Is(hooks) => hooks.iter().filter(|hook| hook.name == *name).collect(),
        Known::Unknown(Lack::NotRead) => Vec::new(),
        Known::Unknown(lack) => {
            return found
                .by(By::Unread, format!("cannot tell in which configuration it stands: {lack}"))
                .remedies(remedy::unknown_webhook(name));
        }
    };
    let found = hooks.iter().fold(found, |found, hook| {
        let policy = if hook.fails_closed { "Fail" } else { "Ignore" };
        let found = found.by(By::Spec, format!("{} of {}, failurePolicy {policy}", hook.name, hook.config));
        match &hook.service {
            Some((namespace, service)) if kind == Kind::Unanswered => behind(scene, found, namespace, service),
            Some(_) | None => found,
        }
    });
    let remedies = if kind == Kind::Unanswered {
        remedy::webhook_down(&hooks, name)
    } else {
        remedy::webhook_denies(&hooks, name, &namespaces(refused))
    };
    found.remedies(remedies)
}

/// Whether anybody stands behind it who could answer.
fn behind(scene: &Scene<'_>, found: Finding, namespace: &str, service: &str) -> Finding {
    let endpoints = scene.ask(&Ask::endpoints(namespace, service));
    let found = found.cannot_tell(&format!("whether service/{namespace}/{service} has an endpoint"), &endpoints);
    match endpoints {
        Known::Is(None) => found.by(By::Absence, format!("service/{namespace}/{service} does not exist")),
        Known::Is(Some(0)) => found.by(By::Status, format!("service/{namespace}/{service} has no ready endpoint")),
        Known::Is(Some(ready)) => {
            let says = format!("service/{namespace}/{service} has {ready} ready: the way to it, or its certificate");
            found.by(By::Status, says)
        }
        Known::Unknown(_) => found,
    }
}

fn namespace(scene: &Scene<'_>, found: Finding, name: &str) -> Finding {
    let read = scene.ask(&Ask::namespace(name));
    let found = found.cannot_tell(&format!("what remains in namespace/{name}"), &read);
    let known: Option<&Namespace> = read.known().and_then(Option::as_ref);
    let since = known.and_then(|namespace| namespace.deleting_since).or(found.since);
    let remains = known.map(|namespace| namespace.remains.as_slice()).unwrap_or_default();
    let found = found.graded(patience(scene, since, limits::NAMESPACE)).since(since);
    let found = remains.iter().fold(found, |found, remains| found.by(By::Status, remains));
    found.remedies(remedy::namespace(name, remains))
}

/// A run whose rights lack stands still. Whoever only looks may be somebody else than the one who drains.
fn right(scene: &Scene<'_>, found: Finding, refused: &[Refused<'_>]) -> Finding {
    let words: Vec<_> = refused.iter().map(|refused| refused.refusal.to_string()).collect();
    let message = words.iter().find_map(|words| forbidden(words));
    let found = match scene.view.run {
        Some(_) => found,
        None => found
            .graded(Grade::Notes)
            .by(By::Seen, "tried with the rights of whoever asks, who need not be the one who drains"),
    };
    found.remedies(message.map(|forbidden| remedy::right(&forbidden)).unwrap_or_default())
}
