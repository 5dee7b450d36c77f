//! What about the group itself stands in an upgrade's way.

use super::{
    Rule, Verdicts,
    eks_codes::{self, Meaning},
    launches,
    remedy::group as remedy,
    scene::Scene,
};
use crate::{
    domain::{By, Cause, Command, Finding, Grade, Group, NodegroupStatus, Object, Process, Subject},
    plan::{self, Objection},
};

pub(super) const RULE: Rule = Rule {
    causes: &[
        Cause::GroupUpdating,
        Cause::GroupNotActive,
        Cause::GroupSuspended,
        Cause::GroupInstanceRefresh,
        Cause::GroupOperated,
        Cause::GroupNoTemplate,
        Cause::GroupWeights,
    ],
    find,
};

fn find(scene: &Scene<'_>, verdicts: &mut Verdicts) {
    let Some(group) = scene.view.snapshot.group() else { return };
    let objections = objections(scene, group);
    let refreshes = objections.iter().any(|objection| matches!(objection, Objection::InstanceRefresh(_)));
    let found = objections.iter().filter(|objection| !is_told_of_launches(group, objection));
    verdicts.found.extend(found.filter_map(|objection| objects(scene, group, objection)));
    if !refreshes {
        verdicts.found.extend(refresh_told_by_eks(scene, group));
    }
}

/// What speaks against a run, or in the middle of one holds it up.
fn objections(scene: &Scene<'_>, group: &Group) -> Vec<Objection> {
    match scene.view.subject {
        Subject::BeforeUpgrade | Subject::Group => plan::objections(scene.view.snapshot, scene.view.policy),
        Subject::Run => plan::busy(group),
        Subject::Update(_) => {
            plan::busy(group).into_iter().filter(|objection| matches!(objection, Objection::Updating)).collect()
        }
        Subject::Nodes(_) | Subject::Pod(_) => Vec::new(),
    }
}

/// Takes the upgrades out of what is printed while EKS works on the group: it would refuse the next step of each.
pub(super) fn only_what_works_now(scene: &Scene<'_>, findings: &mut [Finding]) {
    let nodegroup = scene.view.snapshot.group().and_then(|group| group.nodegroup.as_ref());
    let updating = nodegroup.is_some_and(|nodegroup| nodegroup.status == NodegroupStatus::Updating);
    let now = match scene.view.subject {
        Subject::Group | Subject::Nodes(_) | Subject::Pod(_) | Subject::Update(_) => true,
        Subject::Run | Subject::BeforeUpgrade => false,
    };
    if updating && now {
        without_upgrades(findings);
    }
}

fn without_upgrades(findings: &mut [Finding]) {
    let upgrades = |command: &Command| matches!(command, Command::Upgrade(_));
    for finding in findings {
        finding.remedies.retain(|remedy| !remedy.run.iter().any(upgrades));
        without_upgrades(&mut finding.under);
        without_upgrades(&mut finding.because);
    }
}

/// A group that owes instances and may do everything but launch is told as that.
fn is_told_of_launches(group: &Group, objection: &Objection) -> bool {
    let only_launch = matches!(objection, Objection::Suspended(processes) if processes.as_slice() == ["Launch"]);
    only_launch && group.missing() > 0
}

/// Whether it is told here that the group may not launch: what was suspended with more than that is one cause, and is
/// resumed by one command.
pub(super) fn tells_that_it_may_not_launch(scene: &Scene<'_>, group: &Group) -> bool {
    let tells = |objection: &Objection| match objection {
        Objection::Suspended(processes) => processes.contains(&"Launch") && !is_told_of_launches(group, objection),
        Objection::NotActive(_)
        | Objection::Updating
        | Objection::InstanceRefresh(_)
        | Objection::Operator(_)
        | Objection::NoLaunchTemplate
        | Objection::NotInstances(_)
        | Objection::NoSuchNodes(_) => false,
    };
    objections(scene, group).iter().any(tells)
}

fn objects(scene: &Scene<'_>, group: &Group, objection: &Objection) -> Option<Finding> {
    let cause = objection.cause()?;
    let object = match (objection, &group.nodegroup) {
        (Objection::Updating | Objection::NotActive(_), Some(nodegroup)) => Object::Nodegroup(nodegroup.name.clone()),
        (_, _) => Object::Asg(group.asg.clone()),
    };
    let finding = Finding::new(cause, object.clone(), format!("{object}: {}", cause.title()));
    let finding = finding.graded(grade(scene, objection)).by(By::Status, objection.to_string());
    let owes = cause == Cause::GroupSuspended && group.missing() > 0 && group.suspended.contains(&Process::Launch);
    let finding = if owes { launches::with_what_it_owes(scene, group, finding) } else { finding };
    Some(finding.remedies(remedy::of(group, objection)))
}

/// Before an upgrade each of them refuses it. In the middle of a run, and for whoever asks why a group stands still, what
/// ends by itself is waited for, and what merely forbids an upgrade holds nothing now.
fn grade(scene: &Scene<'_>, objection: &Objection) -> Grade {
    let ahead = *scene.view.subject == Subject::BeforeUpgrade;
    match objection {
        Objection::NotActive(_) | Objection::Suspended(_) => Grade::Blocks,
        Objection::Updating | Objection::InstanceRefresh(_) => {
            if ahead {
                Grade::Blocks
            } else {
                Grade::Waits
            }
        }
        Objection::Operator(_) if *scene.view.subject == Subject::Run => Grade::Blocks,
        Objection::Operator(_)
        | Objection::NoLaunchTemplate
        | Objection::NotInstances(_)
        | Objection::NoSuchNodes(_) => {
            if ahead {
                Grade::Blocks
            } else {
                Grade::Notes
            }
        }
    }
}

/// EKS has a code of its own for it, and looks at other times than we do.
fn refresh_told_by_eks(scene: &Scene<'_>, group: &Group) -> Option<Finding> {
    let cause = Cause::GroupInstanceRefresh;
    let said = eks_codes::said(scene).into_iter().find(|said| said.meaning == Meaning::Cause(cause))?;
    let object = Object::Asg(group.asg.clone());
    let finding = Finding::new(cause, object.clone(), format!("{object}: {}", cause.title())).graded(said.grade);
    Some(finding.by(By::Eks, said.words()).remedies(remedy::instance_refresh(group)))
}
