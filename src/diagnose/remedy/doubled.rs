//! Ways out where several budgets count the same pods: each leaves those to one of them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::json;

use super::{kubectl, patch, relax};
use crate::{
    diagnose::scene::Scene,
    domain::{Command, Pdb, PdbRef, Pod, Remedy, Selector, SelectorOperator},
};

/// Which budget is best kept of each lot that counts the same pods, so that whoever does all of it leaves each pod one.
pub(in crate::diagnose) fn kept<'a>(scene: &Scene<'a>) -> BTreeMap<Vec<PdbRef>, &'a Pdb> {
    let (mut kept, mut gone) = (BTreeSet::new(), BTreeSet::new());
    let mut best = BTreeMap::new();
    for (ids, pods) in &scene.doubled {
        let lot = Lot::of(scene, ids, pods);
        let worth = |pdb: &&&Pdb| (!gone.contains(&pdb.id), kept.contains(&pdb.id), lot.worth(scene, pdb));
        let Some(keep) = lot.pdbs.iter().max_by_key(worth).copied() else { continue };
        gone.extend(lot.pdbs.iter().map(|pdb| pdb.id.clone()).filter(|id| *id != keep.id));
        kept.insert(keep.id.clone());
        best.insert(ids.clone(), keep);
    }
    best
}

/// One of them is kept, the best one first; a catch-all need not go where it can leave out whom the others count.
pub(in crate::diagnose) fn two_budgets(
    scene: &Scene<'_>,
    ids: &[PdbRef],
    pods: &[&Pod],
    best: Option<&Pdb>,
) -> Vec<Remedy> {
    let lot = Lot::of(scene, ids, pods);
    let mut order = lot.pdbs.clone();
    order.sort_by_key(|pdb| Reverse((best.is_some_and(|best| best.id == pdb.id), lot.worth(scene, pdb))));
    lot.narrow(scene).into_iter().chain(order.iter().map(|pdb| lot.keep(scene, pdb))).collect()
}

/// The others of several that count the same pods go, which the one that is kept may imply.
pub(in crate::diagnose) fn keep(kept: &PdbRef, others: &[&PdbRef], implied: bool) -> Remedy {
    let others: Vec<_> = others.iter().map(|pdb| Other { pdb, elsewhere: false }).collect();
    leave_to(kept, &others, implied)
}

fn leave_to(kept: &PdbRef, others: &[Other<'_>], implied: bool) -> Remedy {
    let what = format!("leave the pods to {}", kept.name);
    let (what, risk) = if implied {
        (format!("{what}, which asks for as much of the same pods"), "whoever made it may make it again")
    } else {
        (what, "pods that only the other counts lose it, or what it asks for beyond this one")
    };
    let run = others.iter().flat_map(|other| other.away(kept)).chain(count_anew(kept)).collect();
    Remedy::fix(what, run, risk).back(others.iter().map(|other| other.again(kept)).collect())
}

/// Budgets that count the same pods.
struct Lot<'a> {
    pdbs: Vec<&'a Pdb>,
    /// So many pods at least each of them counts.
    pods: usize,
}

impl<'a> Lot<'a> {
    fn of(scene: &Scene<'a>, ids: &[PdbRef], pods: &[&Pod]) -> Self {
        Self { pdbs: ids.iter().filter_map(|id| scene.view.snapshot.pdb(id)).collect(), pods: pods.len() }
    }

    /// What speaks for keeping this one: it is none that collides everywhere, it can allow an eviction, and it asks for what
    /// the others ask for.
    fn worth(&self, scene: &Scene<'_>, pdb: &Pdb) -> impl Ord + use<> {
        let implied = self.pdbs.iter().any(|other| implies(other, pdb));
        (!is_catch_all(pdb), self.can_allow(pdb), Reverse(lots(scene, &pdb.id)), !implied, pdb.id.clone())
    }

    /// By its rule: of several budgets the disruption controller may have counted for one alone.
    fn can_allow(&self, pdb: &Pdb) -> bool {
        let counts = self.counts(pdb);
        pdb.rule.must_stay(counts) < counts
    }

    fn counts(&self, pdb: &Pdb) -> u32 {
        match u32::try_from(pdb.status.expected) {
            Ok(expected) if expected > 0 => expected,
            _ => u32::try_from(self.pods).unwrap_or(u32::MAX),
        }
    }

    /// Its patch counts one that can never allow an eviction anew, too.
    fn keep(&self, scene: &Scene<'_>, pdb: &Pdb) -> Remedy {
        let others = self.pdbs.iter().filter(|other| other.id != pdb.id);
        let implied = self.can_allow(pdb) && others.clone().all(|other| implies(pdb, other));
        let others: Vec<_> =
            others.map(|other| Other { pdb: &other.id, elsewhere: lots(scene, &other.id) > 1 }).collect();
        let keep = leave_to(&pdb.id, &others, implied);
        if self.can_allow(pdb) {
            return keep;
        }
        let relax = self.relax(pdb);
        let what = format!("{}, and let one of them leave at a time, which it never allows", keep.what);
        let run = others.iter().flat_map(|other| other.away(&pdb.id)).chain(relax.run).collect();
        let risk = format!("{}; {}", keep.risk, relax.risk);
        Remedy::fix(what, run, risk).back(keep.back.into_iter().chain(relax.back).collect())
    }

    fn relax(&self, pdb: &Pdb) -> Remedy {
        relax(&pdb.id, pdb.rule, i32::try_from(self.counts(pdb)).unwrap_or(i32::MAX))
    }

    /// A catch-all leaves out the pods of all other budgets of its namespace: the same command whichever of them it collides
    /// with.
    fn narrow(&self, scene: &Scene<'_>) -> Option<Remedy> {
        let (all, other) = match self.pdbs.as_slice() {
            [all, other] if is_catch_all(all) => (all, other),
            [other, all] if is_catch_all(all) => (all, other),
            _ => return None,
        };
        let pdbs = scene.view.snapshot.pdbs().values();
        let others =
            pdbs.filter(|pdb| pdb.id.namespace == all.id.namespace && pdb.id != all.id && !pdb.selector.absent);
        let mut counted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for pdb in others {
            let (key, values) = one_label(&pdb.selector)?;
            counted.entry(key).or_default().extend(values.iter().map(String::as_str));
        }
        let but = |(key, values)| json!({ "key": key, "operator": "NotIn", "values": values });
        let but: Vec<_> = counted.iter().map(but).collect();
        let select =
            |what: serde_json::Value| patch(&all.id, &json!({ "spec": { "selector": { "matchExpressions": what } } }));
        let (next, back, risk) = if self.can_allow(other) {
            (count_anew(&other.id).to_vec(), Vec::new(), String::new())
        } else {
            let relax = self.relax(other);
            (relax.run, relax.back, format!("; {}", relax.risk))
        };
        let what = format!("let {} leave out the pods that other budgets of its namespace count", all.id.name);
        let risk = format!("a budget that is made later collides with it again{risk}");
        let run = [select(json!(but))].into_iter().chain(next).collect();
        let back = [select(json!(null))].into_iter().chain(back).collect();
        Some(Remedy::fix(what, run, risk).back(back))
    }
}

/// Whether it counts every pod of its namespace.
fn is_catch_all(pdb: &Pdb) -> bool {
    pdb.selector.requirements.is_empty() && !pdb.selector.absent
}

/// Whom it counts, where one label alone tells.
fn one_label(selector: &Selector) -> Option<(&str, &[String])> {
    match selector.requirements.as_slice() {
        [only] if only.operator == SelectorOperator::In => Some((&only.key, &only.values)),
        _ => None,
    }
}

/// Whether whoever keeps to the first keeps to the other too: the same pods, and no fewer that must stay.
fn implies(first: &Pdb, other: &Pdb) -> bool {
    let as_much = first.status.desired > other.status.desired
        || first.status.desired == other.status.desired && first.id < other.id;
    first.id != other.id && first.selector == other.selector && as_much
}

/// One that is not kept.
struct Other<'a> {
    pdb: &'a PdbRef,
    /// Whether it collides with others as well, whose way out may have deleted it already.
    elsewhere: bool,
}

impl Other<'_> {
    fn away(&self, kept: &PdbRef) -> [Command; 2] {
        let PdbRef { namespace, name } = self.pdb;
        let (file, gone) = (self.file(kept), if self.elsewhere { " --ignore-not-found" } else { "" });
        [
            kubectl(namespace, &format!("get pdb/{name} -o yaml{gone} > {file}")),
            kubectl(namespace, &format!("delete pdb/{name}{gone}")),
        ]
    }

    fn again(&self, kept: &PdbRef) -> Command {
        kubectl(&self.pdb.namespace, &format!("apply -f {}", self.file(kept)))
    }

    /// Where it is gone already, what was saved then is not to be written over with nothing.
    fn file(&self, kept: &PdbRef) -> String {
        let name = &self.pdb.name;
        if self.elsewhere { format!("{name}-beside-{}.yaml", kept.name) } else { format!("{name}.yaml") }
    }
}

/// How many lots of pods it counts beside others.
fn lots(scene: &Scene<'_>, pdb: &PdbRef) -> usize {
    scene.doubled.keys().filter(|ids| ids.contains(pdb)).count()
}

/// Of several the disruption controller keeps count for one alone (`getPdbForPod`), and when that goes it looks at none of
/// the others until one is changed, or a pod of it.
fn count_anew(PdbRef { namespace, name }: &PdbRef) -> [Command; 2] {
    ["=anew", "-"].map(|value| kubectl(namespace, &format!("annotate pdb/{name} mngup.dev/counted{value}")))
}
