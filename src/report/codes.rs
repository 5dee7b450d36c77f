//! From what a run waits for to what was found about it.

use crate::{
    domain::{Cause, Diagnosis, Finding, Object},
    engine::waiting::WaitingOn,
};

/// What a wait is about, as findings name it.
pub(super) fn objects(on: &WaitingOn) -> Vec<Object> {
    match on {
        WaitingOn::Budget(view) => vec![Object::Pdb(view.pdb.clone())],
        WaitingOn::TwoBudgets { pdbs, .. } => vec![Object::Budgets(pdbs.clone())],
        WaitingOn::Unmanaged { pod } | WaitingOn::LandsBack { pod, owner: None, .. } => vec![Object::Pod(pod.clone())],
        WaitingOn::PodsOverdue { pods, .. } | WaitingOn::PodsStopping { pods, .. } => {
            pods.iter().cloned().map(Object::Pod).collect()
        }
        WaitingOn::LandsBack { pod, owner: Some(owner), .. } => {
            vec![Object::Workload { namespace: pod.namespace.clone(), owner: owner.clone() }]
        }
        WaitingOn::NodeReady { node, .. }
        | WaitingOn::DaemonSets { node, .. }
        | WaitingOn::ExtendedResources { node, .. }
        | WaitingOn::NodeTaint { node, .. } => vec![Object::Node(node.clone())],
        WaitingOn::Join { instance, .. } | WaitingOn::WrongTemplate { instance, .. } => {
            vec![Object::Instance(instance.as_str().into())]
        }
        WaitingOn::Refused { pod, refusal, .. } => {
            refusal.as_ref().and_then(|refusal| refusal.by(pod)).into_iter().collect()
        }
        WaitingOn::Launch { .. }
        | WaitingOn::PodList { .. }
        | WaitingOn::LoadBalancers { .. }
        | WaitingOn::Volumes { .. }
        | WaitingOn::InstanceLeaving { .. }
        | WaitingOn::NodesOut { .. }
        | WaitingOn::ZoneVolumes { .. }
        | WaitingOn::GroupBusy { .. }
        | WaitingOn::NodeInterval { .. }
        | WaitingOn::Answers { .. }
        | WaitingOn::Reading => Vec::new(),
    }
}

/// The causes at the bottom of this wait, as the youngest diagnosis that knows it has them.
pub(super) fn roots<'a>(youngest_first: &[&'a Diagnosis], on: &WaitingOn) -> Vec<&'a Finding> {
    for object in objects(on) {
        for diagnosis in youngest_first {
            let is_it = |root: &&Finding| {
                root.object == object || root.under.iter().chain(&root.because).any(|folded| folded.object == object)
            };
            let roots: Vec<_> = diagnosis.blocking().filter(is_it).collect();
            if !roots.is_empty() {
                return roots;
            }
        }
    }
    Vec::new()
}

/// The codes of a wait, what is seen first: `PDB-EXHAUSTED <- POD-CRASH-LOOP`.
pub(super) fn codes(diagnosis: Option<&Diagnosis>, on: &WaitingOn) -> Option<String> {
    let roots = roots(diagnosis.as_slice(), on);
    let own = objects(on).into_iter().find_map(|object| diagnosis?.at(&object).map(|found| found.cause));
    let mut codes: Vec<_> = own.into_iter().chain(roots.into_iter().map(|root| root.cause)).collect();
    codes.dedup();
    let codes: Vec<_> = codes.into_iter().map(Cause::code).collect();
    (!codes.is_empty()).then(|| codes.join(" <- "))
}
