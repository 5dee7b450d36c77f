//! What `PodDisruptionBudgets` refuse, and why.

use super::{
    Rule, Verdicts, containers, limits, remedy,
    scene::{Scene, behind},
};
use crate::domain::{
    By, CannotTell, Cause, Finding, Grade, IntOrPercent, Known, Object, Pdb, PdbRef, PdbRule, Pod, Sure,
    UnhealthyPolicy, later,
};
use crate::engine::waiting::rule_text;

pub(super) const RULE: Rule = Rule {
    causes: &[
        Cause::PdbNeverAllows,
        Cause::PdbExhausted,
        Cause::PdbUnhealthyBlocks,
        Cause::PdbSyncFailed,
        Cause::TwoBudgets,
        Cause::PdbStaleDisrupted,
        Cause::PdbStatusBehind,
    ],
    find,
};

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    for (pdb, pods) in scene.blocked.values() {
        let finding = if let Some(why) = &pdb.status.sync_failed {
            sync_failed(scene, pdb, why)
        } else if !pdb.is_observed() {
            status_behind(scene, pdb)
        } else if pdb.never_allows() {
            never_allows(scene, pdb, pods)
        } else if let Some(pod) = stale_disrupted(scene, pdb) {
            pod
        } else {
            for pod in pods.iter().filter(|pod| keeps_its_broken_pod(pdb, pod)) {
                verdicts.found.push(unhealthy_blocks(scene, pdb, pod));
            }
            exhausted(scene, pdb, verdicts)
        };
        verdicts.found.push(finding);
    }
    for (pdbs, pods) in &scene.doubled {
        verdicts.found.push(two_budgets(scene, pdbs, pods));
    }
}

/// With force nobody has to act: what is left when patience ends is deleted past its budget.
fn blocks(scene: &Scene<'_>) -> Grade {
    if scene.view.policy.force { Grade::Waits } else { Grade::Blocks }
}

fn never_allows(scene: &Scene<'_>, pdb: &Pdb, pods: &[&Pod]) -> Finding {
    let status = &pdb.status;
    let settled = match pdb.rule {
        PdbRule::MinAvailable(IntOrPercent::Int(_)) => {
            status.blocked_since.is_none_or(|since| scene.since(since) >= limits::SETTLES)
        }
        PdbRule::MinAvailable(IntOrPercent::Percent(_)) | PdbRule::MaxUnavailable(_) => true,
    };
    let ready = if status.current == 1 { "1 is Ready".to_owned() } else { format!("{} are Ready", status.current) };
    let counted = if status.expected == 1 { "pod" } else { "pods" };
    let (rule, rounded) = (rule_text(pdb.rule), rounded(pdb));
    let why = format!(
        "{rule} of {} {counted} = {}{rounded} must stay; {ready}; 0 may leave, now and always",
        status.expected, status.desired
    );
    Finding::new(Cause::PdbNeverAllows, Object::Pdb(pdb.id.clone()), format!("{} can never allow an eviction", pdb.id))
        .graded(if settled { blocks(scene) } else { Grade::Waits })
        .by(By::Arithmetic, why)
        .since(status.blocked_since)
        .remedies(remedy::never_allows(scene, pdb, pods))
}

/// A percentage that was rounded says so: `minAvailable 50% of 3 pods = 2` puzzles people.
fn rounded(pdb: &Pdb) -> &'static str {
    match pdb.rule {
        PdbRule::MinAvailable(IntOrPercent::Percent(share))
            if (i64::from(pdb.status.expected) * i64::from(share)) % 100 != 0 =>
        {
            " (rounded up)"
        }
        PdbRule::MinAvailable(_) | PdbRule::MaxUnavailable(_) => "",
    }
}

fn exhausted(scene: &Scene<'_>, pdb: &Pdb, verdicts: &mut Verdicts) -> Finding {
    let object = Object::Pdb(pdb.id.clone());
    let quiet = scene.unexplained_since(pdb).is_some_and(|since| scene.since(since) >= limits::QUIET_BUDGET);
    let (may, out) = (pdb.status.expected - pdb.status.desired, pdb.status.expected - pdb.status.current);
    let (who, moves, absent) = match scene.counted(&pdb.id) {
        // What is made anew is missing for a moment.
        Known::Is(pods) => (out_words(pods), is_moving(scene, pdb, pods), absent(pdb, pods).filter(|_| quiet)),
        Known::Unknown(lacking) => {
            verdicts.unknown.push(CannotTell { cause: Cause::PdbExhausted, object: object.clone(), lacking });
            // Who uses it up is not known: that somebody must act cannot be said.
            (String::new(), true, None)
        }
    };
    let out = if out == 1 { "1 is".to_owned() } else { format!("{} are", out.max(0)) };
    let found = Finding::new(Cause::PdbExhausted, object, format!("{} allows no eviction now", pdb.id))
        .graded(if quiet && !moves { blocks(scene) } else { Grade::Waits })
        .by(By::Arithmetic, format!("{may} of {} may be out and {out}{who}", pdb.status.expected))
        .since(pdb.status.blocked_since);
    let Some((there, maker)) = absent else { return found.remedies(remedy::exhausted(pdb, None)) };
    let says = format!("it counts on {} pods and there are {there}: {maker} is to make more", pdb.status.expected);
    found.by(By::Absence, says).remedies(remedy::exhausted(pdb, Some(&maker)))
}

/// How many pods there are where that is fewer than it counts on, and who is to make them, if it is one.
fn absent(pdb: &Pdb, pods: &[Pod]) -> Option<(usize, Object)> {
    let there = pods.iter().filter(|pod| pod.deletion.is_none() && !pod.is_finished()).count();
    let mut makers = pods.iter().filter(|pod| pod.owner.is_some()).map(behind);
    let maker = makers.next()?;
    let fewer = usize::try_from(pdb.status.expected).is_ok_and(|expected| there < expected);
    (fewer && makers.all(|other| other == maker)).then_some((there, maker))
}

/// Whether it will allow one again by itself: a pod is on its way out, or more are Ready than its status counts.
fn is_moving(scene: &Scene<'_>, pdb: &Pdb, pods: &[Pod]) -> bool {
    let ready = pods.iter().filter(|pod| pod.ready && pod.deletion.is_none()).count();
    let more_than_counted = i32::try_from(ready).is_ok_and(|ready| ready > pdb.status.desired);
    more_than_counted || pods.iter().any(|pod| is_leaving(scene, pod))
}

/// Whether it is on its way out and in time.
fn is_leaving(scene: &Scene<'_>, pod: &Pod) -> bool {
    pod.deletion.is_some_and(|deletion| later(deletion.due, limits::OVERDUE) >= scene.view.now)
}

/// `: cart-1, cart-2`
fn out_words(pods: &[Pod]) -> String {
    let out: Vec<_> =
        pods.iter().filter(|pod| !pod.ready && !pod.is_finished()).map(|pod| pod.id.name.as_str()).collect();
    if out.is_empty() { String::new() } else { format!(": {}", out.join(", ")) }
}

/// Whether the pod is not Ready itself and may leave only while the budget is met, which it is not.
fn keeps_its_broken_pod(pdb: &Pdb, pod: &Pod) -> bool {
    !pod.ready && pdb.unhealthy == UnhealthyPolicy::IfHealthyBudget && pdb.status.current < pdb.status.desired
}

fn unhealthy_blocks(scene: &Scene<'_>, pdb: &Pdb, pod: &Pod) -> Finding {
    let broken = containers::is_broken(scene, pod);
    let why = format!(
        "it is not Ready, and such a pod may leave only while {} is met (unhealthyPodEvictionPolicy IfHealthyBudget); \
         {} of {} are Ready and {} must be",
        pdb.id, pdb.status.current, pdb.status.expected, pdb.status.desired
    );
    Finding::new(
        Cause::PdbUnhealthyBlocks,
        Object::Pod(pod.id.clone()),
        format!("{} keeps {}, which is broken", pdb.id, pod.id),
    )
    .graded(if broken { blocks(scene) } else { Grade::Waits })
    .by(By::Arithmetic, why)
    .since(pod.ready_since)
    .remedies(remedy::unhealthy_blocks(pdb, pod))
}

fn sync_failed(scene: &Scene<'_>, pdb: &Pdb, why: &str) -> Finding {
    let ready = match scene.counted(&pdb.id) {
        Known::Is(pods) => Some(pods.iter().filter(|pod| pod.ready).count()),
        Known::Unknown(_) => None,
    };
    Finding::new(Cause::PdbSyncFailed, Object::Pdb(pdb.id.clone()), format!("{} cannot be counted", pdb.id))
        .graded(blocks(scene))
        .by(By::Status, format!("the disruption controller says: {why}"))
        .since(pdb.status.blocked_since)
        .remedies(remedy::sync_failed(pdb, ready))
}

fn status_behind(scene: &Scene<'_>, pdb: &Pdb) -> Finding {
    let since = scene.behind_since(pdb);
    let long = since.is_some_and(|since| scene.since(since) >= limits::BEHIND);
    let why = format!(
        "its status speaks of generation {} and its spec is at {}; until the disruption controller has looked, the server \
         lets nobody go",
        pdb.status.observed_generation, pdb.generation
    );
    Finding::new(Cause::PdbStatusBehind, Object::Pdb(pdb.id.clone()), format!("the status of {} is behind", pdb.id))
        .graded(if long { Grade::Blocks } else { Grade::Waits })
        .by(By::Status, why)
        .since(since)
        .remedies(remedy::status_behind(pdb))
}

fn stale_disrupted(scene: &Scene<'_>, pdb: &Pdb) -> Option<Finding> {
    let Known::Is(pods) = scene.counted(&pdb.id) else { return None };
    let lives = |name: &str| pods.iter().any(|pod| pod.id.name == name && pod.deletion.is_none());
    let long = |since| scene.since(since) >= limits::DISRUPTED;
    let stale: Vec<_> = pdb.status.disrupted.iter().filter(|(name, since)| long(**since) && lives(name)).collect();
    let (first, since) = stale.first()?;
    let names: Vec<_> = stale.iter().map(|(name, _)| name.as_str()).collect();
    let says = format!("{} still counts the eviction of {first} as under way", pdb.id);
    let why = format!(
        "status.disruptedPods names {}, which was not told to stop; the controller forgets such pods after 2m and did not",
        names.join(", ")
    );
    let finding = Finding::new(Cause::PdbStaleDisrupted, Object::Pdb(pdb.id.clone()), says);
    let finding = finding.graded(blocks(scene)).by(By::Status, why).since(Some(**since));
    Some(finding.remedies(remedy::stale_disrupted(pdb)))
}

fn two_budgets(scene: &Scene<'_>, pdbs: &[PdbRef], pods: &[&Pod]) -> Finding {
    let names: Vec<_> = pdbs.iter().map(ToString::to_string).collect();
    let says = format!("{} count the same pods", names.join(" and "));
    let known: Vec<&Pdb> = pdbs.iter().filter_map(|id| scene.view.snapshot.pdb(id)).collect();
    let selectors: Vec<_> =
        known.iter().map(|pdb| format!("{} selects {}", pdb.id.name, pdb.selector.to_query())).collect();
    Finding::new(Cause::TwoBudgets, Object::Budgets(pdbs.to_vec()), says)
        .graded(blocks(scene))
        .sure(Sure::Certain)
        .by(By::Spec, "the eviction API refuses a pod that more than one budget counts, now and always")
        .by(By::Spec, selectors.join("; "))
        .since(pods.iter().map(|pod| pod.created_at).min())
        .remedies(remedy::two_budgets(&known))
}
