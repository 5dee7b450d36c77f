//! What EKS itself says is wrong, and what a failed update of it left behind.

use jiff::Timestamp;

use super::{
    Rule, Verdicts,
    eks_codes::{self, Meaning, Said},
    remedy::eks as remedy,
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
        Known::Is(Some(update)) if has_failed(update) && nodegroup.status != NodegroupStatus::Updating => {
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

fn has_failed(update: &EksUpdate) -> bool {
    matches!(update.status.as_str(), "Failed" | "Cancelled")
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
        Meaning::Shows | Meaning::Passes | Meaning::Words => (Cause::EksIssue, Sure::Certain),
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
    let finding = Finding::new(cause, object, headline).graded(said.grade).sure(sure).by(By::Eks, said.words());
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
        .by(By::Eks, said.words())
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
        let grade = if nodes.iter().all(|node| self.is_old(node)) { self.of_the_past() } else { Grade::Blocks };
        let finding = self.finding(Cause::EksLeftCordoned, says, By::Status, why).graded(grade).sure(Sure::Likely);
        let mut finding = finding.remedies(remedy::left_cordoned(&nodes));
        finding.holds = Held { nodes: names().collect(), ..Held::default() };
        Some(finding)
    }

    /// A group that is larger than before the update began.
    fn size(&self, unknown: &mut Vec<CannotTell>) -> Option<Finding> {
        let began = self.update.created_at?;
        let since = self.group.activities.iter().rev().filter(|activity| activity.started_at >= began);
        let former = since.into_iter().find_map(|activity| former_size(&activity.cause));
        let desired = self.group.size.desired;
        let Some(former) = former else {
            let reaches_back = self.group.activities.last().is_some_and(|oldest| oldest.started_at < began);
            if !reaches_back && self.scene.since(began) > super::limits::ACTIVITIES_KNOWN {
                let lacking = Lack::NotOffered("the group's activities of that time are not read".to_owned());
                unknown.push(CannotTell { cause: Cause::EksLeftSize, object: self.object(), lacking });
            }
            return None;
        };
        if former >= desired {
            return None;
        }
        let says = format!("{} is larger than before the update: {desired} instead of {former}", self.object());
        let why = format!("the group's activities tell of {former} when the update began; it wants {desired} now");
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
        let says = match self.scene.view.subject {
            Subject::BeforeUpgrade => format!("{} has nodes of both versions; an upgrade goes on", self.object()),
            Subject::Group | Subject::Run | Subject::Nodes(_) | Subject::Pod(_) | Subject::Update(_) => {
                format!("{} has nodes of both versions, and nobody goes on", self.object())
            }
        };
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
        let mut finding = self.finding(Cause::EksMixedVersions, says, By::Status, why).graded(self.of_the_past());
        finding.holds = Held { nodes: old.iter().map(|node| node.name.clone()).collect(), ..Held::default() };
        Some(finding.remedies(remedy::mixed_versions()))
    }

    fn finding(&self, cause: Cause, says: String, by: By, why: String) -> Finding {
        let update = format!("update {} ({}) is {}", self.update.id, self.update.kind, self.update.status);
        Finding::new(cause, self.object(), says).by(by, why).by(By::Eks, update).since(self.update.created_at)
    }

    /// What is left of the past is no obstacle to an upgrade that is to come, which replaces what is old.
    fn of_the_past(&self) -> Grade {
        match self.scene.view.subject {
            Subject::BeforeUpgrade => Grade::Notes,
            Subject::Group | Subject::Run | Subject::Nodes(_) | Subject::Pod(_) | Subject::Update(_) => Grade::Blocks,
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

/// The size before, as a scaling activity tells: "… changing the desired capacity from 3 to 7", "… increasing the capacity
/// from 3 to 4".
fn former_size(cause: &str) -> Option<u32> {
    let told = ["changing the desired capacity from ", "increasing the capacity from "];
    let behind = told.iter().find_map(|words| cause.split(words).nth(1))?;
    let (from, rest) = behind.split_once(" to ")?;
    let to: u32 = rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()?;
    from.parse().ok().filter(|from| *from < to)
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
