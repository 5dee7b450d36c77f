//! What EKS itself says is wrong, and what a failed update of it left behind.

use jiff::Timestamp;

use super::{
    Rule, Verdicts,
    eks_codes::{self, Meaning, Said},
    remedy::eks as remedy,
    resizes,
    scene::Scene,
};
use crate::{
    domain::{
        Ask, By, CannotTell, Cause, EXCLUDE_FROM_LOAD_BALANCERS, EksUpdate, Finding, Grade, Group, Held, Known, Lack,
        Lifecycle, Node, NodeManagerRole, Nodegroup, NodegroupStatus, Object, Subject, Sure,
    },
    plan::evidence,
};

pub(super) const RULE: Rule = Rule {
    causes: &[
        Cause::NodeManagerRights,
        Cause::EksTemplateMismatch,
        Cause::EksTemplateGone,
        Cause::EksGroupChanged,
        Cause::EksRoleGone,
        Cause::EksSecurityGroupGone,
        Cause::EksSubnet,
        Cause::EksLimit,
        Cause::EksClusterUnreachable,
        Cause::EksLabel,
        Cause::EksAccessDenied,
        Cause::EksDeletionStuck,
        Cause::EksAwsInternal,
        Cause::EksLeftCordoned,
        Cause::EksLeftSize,
        Cause::EksMixedVersions,
        Cause::EksIssue,
    ],
    find,
};

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    let Some(group) = scene.view.snapshot.group() else { return };
    let Some(nodegroup) = &group.nodegroup else { return };
    if !is_about_the_group(scene) {
        return;
    }
    for said in eks_codes::said(scene) {
        verdicts.found.extend(says(scene, group, nodegroup, &said, &mut verdicts.unknown));
    }
    match eks_codes::update(scene) {
        Known::Is(Some(update)) if leaves(update) && nodegroup.status != NodegroupStatus::Updating => {
            let left = Left { scene, group, nodegroup, update };
            verdicts.found.extend(left.cordoned());
            verdicts.found.extend(left.size(&mut verdicts.unknown));
            verdicts.found.extend(left.mixed());
        }
        Known::Is(_) | Known::Unknown(Lack::NotRead) => {}
        Known::Unknown(lacking) => {
            let object = Object::Nodegroup(nodegroup.name.clone());
            verdicts.unknown.push(CannotTell { cause: Cause::EksIssue, object, lacking });
        }
    }
}

fn is_about_the_group(scene: &Scene<'_>) -> bool {
    match scene.view.subject {
        Subject::Run | Subject::Group | Subject::BeforeUpgrade | Subject::Update(_) => true,
        Subject::Nodes(_) | Subject::Pod(_) => false,
    }
}

/// Only an update of the version cordons nodes and enlarges the group; one of the sizes sets what was asked for.
fn leaves(update: &EksUpdate) -> bool {
    matches!(update.status.as_str(), "Failed" | "Cancelled") && update.kind == "VersionUpdate"
}

/// One thing that EKS says, where no other family tells it.
fn says(
    scene: &Scene<'_>,
    group: &Group,
    nodegroup: &Nodegroup,
    said: &Said<'_>,
    unknown: &mut Vec<CannotTell>,
) -> Option<Finding> {
    let object = said.object(scene)?;
    let (cause, sure) = match said.meaning {
        Meaning::Cause(cause) => (RULE.causes.contains(&cause).then_some(cause)?, Sure::Certain),
        Meaning::Shows | Meaning::Words => (Cause::EksIssue, Sure::Certain),
        // Told by whoever refused it, or asks to come back.
        Meaning::Passes | Meaning::Admission => return None,
        Meaning::Refused => match scene.ask(&Ask::node_manager_role()) {
            Known::Is(NodeManagerRole { role: true, binding: true }) => (Cause::EksAccessDenied, Sure::Certain),
            Known::Is(role) => return Some(rights_of_eks(object, said, *role)),
            Known::Unknown(lacking) => {
                let cause = Cause::NodeManagerRights;
                unknown.push(CannotTell { cause, object: object.clone(), lacking });
                (Cause::EksAccessDenied, Sure::Likely)
            }
        },
    };
    let headline = if cause == Cause::EksIssue {
        format!("{object}: EKS reports {}", said.code())
    } else {
        format!("{object}: {}", cause.title())
    };
    let finding = Finding::new(cause, object, headline).graded(said.grade).sure(sure).by(By::Eks, said.own_words());
    Some(finding.since(said.since).remedies(remedy::of(cause, group, nodegroup, said)))
}

fn rights_of_eks(object: Object, said: &Said<'_>, role: NodeManagerRole) -> Finding {
    let missing: Vec<_> = [
        (role.role, "clusterrole/eks:node-manager lacks what a drain needs, or is absent"),
        (role.binding, "clusterrolebinding/eks:node-manager does not give it to that user, or is absent"),
    ]
    .into_iter()
    .filter(|(there, _)| !there)
    .map(|(_, what)| what)
    .collect();
    Finding::new(Cause::NodeManagerRights, object, "EKS may not drain the nodes of this node group")
        .graded(said.grade)
        .by(By::Eks, said.own_words())
        .by(By::Absence, missing.join("; "))
        .since(said.since)
        .remedies(remedy::node_manager_rights(role))
}

/// What an update left behind that failed.
struct Left<'a, 's> {
    scene: &'a Scene<'s>,
    group: &'s Group,
    nodegroup: &'s Nodegroup,
    update: &'s EksUpdate,
}

impl Left<'_, '_> {
    /// Nodes that take no pods or no traffic, and not by a run of ours.
    fn cordoned(&self) -> Option<Finding> {
        let nodes: Vec<&Node> = self.members().filter(|node| self.is_left_so(node)).collect();
        let names = || nodes.iter().map(|node| node.name.clone());
        if nodes.is_empty() {
            return None;
        }
        let excluded = nodes.iter().filter(|node| is_excluded(node)).count();
        let cordoned = nodes.iter().filter(|node| node.unschedulable).count();
        let says = format!("{} of {} are left as the update had them", count(nodes.len(), "node"), self.object());
        let why =
            format!("{cordoned} unschedulable, {excluded} out of load balancers, and no run of mngup marked them");
        // New ones stay as they are whoever replaces the old, and use up the nodes that may be out.
        let to_go = nodes.iter().all(|node| self.is_old(node));
        let grade = if to_go || eks_codes::is_done(self.group) { self.of_the_past() } else { Grade::Blocks };
        let finding = self.finding(Cause::EksLeftCordoned, says, By::Status, why).graded(grade).sure(Sure::Likely);
        let mut finding = finding.remedies(remedy::left_cordoned(&nodes));
        finding.holds = Held { nodes: names().collect(), ..Held::default() };
        Some(finding)
    }

    /// A group that is larger than before the update began.
    fn size(&self, unknown: &mut Vec<CannotTell>) -> Option<Finding> {
        let began = self.update.created_at?;
        // A run has its own extra nodes, and shrinks the group by itself.
        if eks_codes::is_under_a_run(self.scene, self.group) {
            return None;
        }
        let since = self.group.activities.iter().rev().filter(|activity| activity.started_at >= began);
        let causes: Vec<_> = since.map(|activity| (activity.started_at, activity.cause.as_str())).collect();
        let Some(raised) = resizes::raised_by_an_update(began, &causes) else {
            let reaches_back = self.group.activities.last().is_some_and(|oldest| oldest.started_at < began);
            if !reaches_back && self.scene.since(began) > super::limits::ACTIVITIES_KNOWN {
                let lacking = Lack::NotOffered("the group's activities of that time are not read".to_owned());
                unknown.push(CannotTell { cause: Cause::EksLeftSize, object: self.object(), lacking });
            }
            return None;
        };
        let desired = self.group.size.desired;
        // One that is larger still was enlarged by somebody who needs it so.
        if desired <= raised.from || desired > raised.to {
            return None;
        }
        let former = raised.from;
        let says = format!("{} is larger than before the update: {desired} instead of {former}", self.object());
        let why = format!("the update made the group want {} instead of {former}; it wants {desired} now", raised.to);
        let finding = self.finding(Cause::EksLeftSize, says, By::Activity, why).graded(self.of_the_past());
        let finding = finding.sure(Sure::Likely);
        let old: Vec<&Node> = self.members().filter(|node| self.is_old(node)).collect();
        Some(finding.remedies(remedy::left_size(self.group, self.nodegroup, former, &old)))
    }

    /// Nodes of the old version beside nodes of the new one.
    fn mixed(&self) -> Option<Finding> {
        let (old, new): (Vec<&Node>, Vec<&Node>) = self.members().partition(|node| self.is_old(node));
        if old.is_empty() || new.is_empty() {
            return None;
        }
        let (goes_on, grade) = match self.scene.view.subject {
            Subject::BeforeUpgrade => ("; an upgrade goes on", Grade::Notes),
            Subject::Group | Subject::Run | Subject::Nodes(_) | Subject::Pod(_) | Subject::Update(_) => {
                if eks_codes::is_under_a_run(self.scene, self.group) {
                    ("; a run of mngup has begun to replace the old", Grade::Notes)
                } else {
                    (", and nobody goes on", Grade::Blocks)
                }
            }
        };
        let says = format!("{} has nodes of both versions{goes_on}", self.object());
        let kubelets = |nodes: &[&Node]| {
            let mut known: Vec<_> = nodes.iter().map(|node| node.kubelet_version.as_str()).collect();
            known.sort_unstable();
            known.dedup();
            known.join(", ")
        };
        let why = format!(
            "{} from another launch template version than the group's (kubelet {}), {} from the group's (kubelet {})",
            count(old.len(), "node"),
            kubelets(&old),
            new.len(),
            kubelets(&new)
        );
        let mut finding = self.finding(Cause::EksMixedVersions, says, By::Status, why).graded(grade);
        finding.holds = Held { nodes: old.iter().map(|node| node.name.clone()).collect(), ..Held::default() };
        Some(finding.remedies(remedy::mixed_versions()))
    }

    fn finding(&self, cause: Cause, says: String, by: By, why: String) -> Finding {
        let update = format!("update {} ({}) is {}", self.update.id, self.update.kind, self.update.status);
        Finding::new(cause, self.object(), says).by(by, why).by(By::Eks, update).since(self.update.created_at)
    }

    /// What is left of the past is no obstacle to an upgrade that is to come, which replaces what is old, nor to anybody
    /// once all is replaced.
    fn of_the_past(&self) -> Grade {
        match self.scene.view.subject {
            Subject::BeforeUpgrade => Grade::Notes,
            Subject::Group | Subject::Run | Subject::Nodes(_) | Subject::Pod(_) | Subject::Update(_) => {
                if eks_codes::is_done(self.group) {
                    Grade::Notes
                } else {
                    Grade::Blocks
                }
            }
        }
    }

    fn object(&self) -> Object {
        Object::Nodegroup(self.nodegroup.name.clone())
    }

    /// Nodes of the group whose instances serve.
    fn members(&self) -> impl Iterator<Item = &Node> {
        let serves = |lifecycle: &Lifecycle| matches!(lifecycle, Lifecycle::InService);
        let serving = self.group.instances.values().filter(move |instance| serves(&instance.lifecycle));
        serving.filter_map(|instance| self.scene.view.snapshot.node_of(&instance.id))
    }

    /// A cordon from before the update is somebody's own.
    fn is_left_so(&self, node: &Node) -> bool {
        let before = |began: Timestamp| node.cordoned_at.is_some_and(|at| at < began);
        let cordoned = node.unschedulable && !self.update.created_at.is_some_and(before);
        (cordoned || is_excluded(node)) && node.marks.run().is_none()
    }

    fn is_old(&self, node: &Node) -> bool {
        let instance = node.instance.as_ref().and_then(|id| self.group.instances.get(id));
        instance.is_some_and(|instance| evidence(instance, self.group).is_some())
    }
}

fn is_excluded(node: &Node) -> bool {
    node.labels.contains_key(EXCLUDE_FROM_LOAD_BALANCERS)
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
