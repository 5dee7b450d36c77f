//! What EKS says is wrong, by its codes: health issues of a node group and errors of its updates.

use jiff::Timestamp;

use super::scene::Scene;
use crate::{
    domain::{Ask, Cause, EksUpdate, Grade, Group, Known, Node, Object, PENDING_TAINT, Refusal, Subject},
    plan::evidence,
};

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This cause.
    Cause(Cause),
    /// Something that shows at pods, nodes, instances or launches, where it is looked for.
    Shows,
    /// EKS or AWS was asked too often; it goes by.
    Passes,
    /// Nothing certain: its words are all there is.
    Words,
    /// EKS or a node was refused something; by whom, the roles in the cluster tell.
    Refused,
    /// An admission webhook or a policy of the cluster said no to EKS; its words name it, or they are all there is.
    Admission,
}

/// Every code of `NodegroupIssueCode` and of `ErrorCode` in aws-sdk-eks 1.160.
const CODES: &[(&str, Meaning)] = &[
    ("AccessDenied", Meaning::Refused),
    ("AdmissionRequestDenied", Meaning::Admission),
    ("AmiIdNotFound", Meaning::Cause(Cause::LaunchAmi)),
    ("AsgInstanceLaunchFailures", Meaning::Shows),
    ("AutoScalingGroupInstanceRefreshActive", Meaning::Cause(Cause::GroupInstanceRefresh)),
    ("AutoScalingGroupInvalidConfiguration", Meaning::Cause(Cause::EksGroupChanged)),
    ("AutoScalingGroupNotFound", Meaning::Cause(Cause::EksGroupChanged)),
    ("AutoScalingGroupOptInRequired", Meaning::Cause(Cause::EksGroupChanged)),
    ("AutoScalingGroupRateLimitExceeded", Meaning::Passes),
    ("ClusterUnreachable", Meaning::Cause(Cause::EksClusterUnreachable)),
    ("ConfigurationConflict", Meaning::Words),
    ("Ec2InstanceTypeDoesNotExist", Meaning::Cause(Cause::LaunchUnsupported)),
    ("Ec2LaunchTemplateDeletionFailure", Meaning::Cause(Cause::EksDeletionStuck)),
    ("Ec2LaunchTemplateInvalidConfiguration", Meaning::Cause(Cause::LaunchTemplate)),
    ("Ec2LaunchTemplateMaxLimitExceeded", Meaning::Cause(Cause::EksLimit)),
    ("Ec2LaunchTemplateNotFound", Meaning::Cause(Cause::EksTemplateGone)),
    ("Ec2LaunchTemplateVersionMaxLimitExceeded", Meaning::Cause(Cause::EksLimit)),
    ("Ec2LaunchTemplateVersionMismatch", Meaning::Cause(Cause::EksTemplateMismatch)),
    ("Ec2SecurityGroupDeletionFailure", Meaning::Cause(Cause::EksDeletionStuck)),
    ("Ec2SecurityGroupNotFound", Meaning::Cause(Cause::EksSecurityGroupGone)),
    ("Ec2SubnetInvalidConfiguration", Meaning::Cause(Cause::EksSubnet)),
    ("Ec2SubnetListTooLong", Meaning::Cause(Cause::EksSubnet)),
    ("Ec2SubnetMissingIpv6Assignment", Meaning::Cause(Cause::EksSubnet)),
    ("Ec2SubnetNotFound", Meaning::Cause(Cause::EksSubnet)),
    ("EniLimitReached", Meaning::Cause(Cause::EksLimit)),
    ("IamInstanceProfileNotFound", Meaning::Cause(Cause::EksRoleGone)),
    ("IamLimitExceeded", Meaning::Cause(Cause::EksLimit)),
    ("IamNodeRoleNotFound", Meaning::Cause(Cause::EksRoleGone)),
    ("IamThrottling", Meaning::Passes),
    ("InstanceLimitExceeded", Meaning::Cause(Cause::LaunchQuota)),
    ("InsufficientFreeAddresses", Meaning::Cause(Cause::LaunchNoAddresses)),
    ("InsufficientNumberOfReplicas", Meaning::Words),
    ("InternalFailure", Meaning::Cause(Cause::EksAwsInternal)),
    ("IpNotAvailable", Meaning::Cause(Cause::LaunchNoAddresses)),
    ("K8sResourceNotFound", Meaning::Words),
    ("KubernetesLabelInvalid", Meaning::Cause(Cause::EksLabel)),
    ("LimitExceeded", Meaning::Cause(Cause::EksLimit)),
    ("NodeCreationFailure", Meaning::Shows),
    ("NodeTerminationFailure", Meaning::Shows),
    ("OperationNotPermitted", Meaning::Words),
    ("PodEvictionFailure", Meaning::Shows),
    ("SecurityGroupNotFound", Meaning::Cause(Cause::EksSecurityGroupGone)),
    ("SourceEc2LaunchTemplateNotFound", Meaning::Cause(Cause::EksTemplateGone)),
    ("SubnetNotFound", Meaning::Cause(Cause::EksSubnet)),
    ("Unknown", Meaning::Words),
    ("UnsupportedAddonModification", Meaning::Words),
    ("VpcIdNotFound", Meaning::Cause(Cause::EksSubnet)),
];

/// One thing that EKS says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    /// The update that says it; none where it is about the node group's health.
    pub(super) update: Option<&'a EksUpdate>,
    code: &'a str,
    message: &'a str,
    pub(super) resources: &'a [String],
    pub(super) meaning: Meaning,
    pub(super) grade: Grade,
    /// Since when, where EKS tells.
    pub(super) since: Option<Timestamp>,
}

/// What a code means; one that was not there when this was written is shown in its own words.
fn meaning(code: &str, message: &str) -> Meaning {
    // AMIs of EKS for Windows become private after four months; EKS calls that a lack of rights.
    if message.contains("Not authorized for images") {
        return Meaning::Cause(Cause::LaunchAmi);
    }
    let known = CODES.iter().find(|(known, _)| *known == code).map_or(Meaning::Words, |(_, meaning)| *meaning);
    let names_it = || Refusal::Webhook { message: message.to_owned() }.admission().is_some();
    if known == Meaning::Admission && !names_it() { Meaning::Words } else { known }
}

/// All that EKS says: issues of the node group, and errors of the update that is asked about.
pub(super) fn said<'a>(scene: &Scene<'a>) -> Vec<Said<'a>> {
    let nodegroup = scene.view.snapshot.group().and_then(|group| group.nodegroup.as_ref());
    let issues = nodegroup.into_iter().flat_map(|nodegroup| &nodegroup.issues).map(|issue| {
        let meaning = meaning(&issue.code, &issue.message);
        let (code, message) = (issue.code.as_str(), issue.message.as_str());
        let resources = issue.resources.as_slice();
        Said { update: None, code, message, resources, meaning, grade: grade(scene, meaning), since: None }
    });
    // An upgrade that is to come goes its own way: what made the update fail it meets by itself, if it is still there.
    // So does one that is under way. Of the whole group a failure is history once all is replaced; who asks about the
    // update itself asks why it failed.
    let of_errors = match scene.view.subject {
        Subject::BeforeUpgrade => Grade::Notes,
        Subject::Group
            if scene.view.snapshot.group().is_some_and(|group| is_done(group) || is_under_a_run(scene, group)) =>
        {
            Grade::Notes
        }
        Subject::Group | Subject::Run | Subject::Nodes(_) | Subject::Pod(_) | Subject::Update(_) => Grade::Blocks,
    };
    let errors = update(scene).known().flatten().into_iter().flat_map(|update| {
        update.errors.iter().map(move |error| {
            let meaning = meaning(&error.code, &error.message);
            let (code, message) = (error.code.as_str(), error.message.as_str());
            let (resources, since) = (error.resources.as_slice(), update.created_at);
            Said { update: Some(update), code, message, resources, meaning, grade: of_errors, since }
        })
    });
    issues.chain(errors).collect()
}

/// The update that is asked about; of a whole group, and before an upgrade of it, the newest that failed or is under way.
pub(super) fn update<'a>(scene: &Scene<'a>) -> Known<Option<&'a EksUpdate>> {
    let managed = scene.view.snapshot.group().is_some_and(|group| group.nodegroup.is_some());
    match scene.view.subject {
        Subject::Update(id) => scene.ask(&Ask::update(Some(id))).map(Option::as_ref),
        Subject::Group | Subject::BeforeUpgrade if managed => scene.ask(&Ask::update(None)).map(Option::as_ref),
        Subject::Group | Subject::BeforeUpgrade | Subject::Run | Subject::Nodes(_) | Subject::Pod(_) => Known::Is(None),
    }
}

/// Whether there is nothing left to replace: no member is old, and none is missing.
pub(super) fn is_done(group: &Group) -> bool {
    group.missing() == 0 && group.instances.values().all(|instance| evidence(instance, group).is_none())
}

/// Whether a run of ours is under way, or was left before its end: marks and taint of it are on nodes until then.
pub(super) fn is_under_a_run(scene: &Scene<'_>, group: &Group) -> bool {
    let ours = |node: &Node| node.marks.run().is_some() || node.taints.contains(&PENDING_TAINT.taint());
    let nodes = group.instances.keys().filter_map(|id| scene.view.snapshot.node_of(id));
    scene.view.run.is_some() || nodes.into_iter().any(ours)
}

/// EKS keeps an issue until it looks again, which for a failed launch is when one succeeds: where the group has all of its
/// instances and what is wrong shows elsewhere, it is only worth knowing. A run goes on whatever EKS says, unless it waits
/// for what EKS complains about.
fn grade(scene: &Scene<'_>, meaning: Meaning) -> Grade {
    let short = scene.view.snapshot.group().is_some_and(|group| group.missing() > 0);
    let run = matches!(scene.view.subject, Subject::Run);
    match meaning {
        Meaning::Passes | Meaning::Cause(Cause::EksAwsInternal | Cause::EksClusterUnreachable) => Grade::Waits,
        Meaning::Shows | Meaning::Cause(Cause::LaunchQuota | Cause::LaunchNoAddresses) if !short => Grade::Notes,
        Meaning::Shows | Meaning::Cause(_) | Meaning::Words | Meaning::Refused | Meaning::Admission => {
            if run && !short { Grade::Notes } else { Grade::Blocks }
        }
    }
}

impl Said<'_> {
    /// Code and words, as they are.
    pub(super) fn words(&self) -> String {
        let by = self.update.map_or_else(String::new, |update| format!("update {}: ", update.id));
        format!("{by}{}", self.own_words())
    }

    /// The same where the update that says it is named already.
    pub(super) fn own_words(&self) -> String {
        let about = if self.resources.is_empty() { String::new() } else { format!(" ({})", self.resources.join(", ")) };
        match self.message {
            "" => format!("{}{about}", self.code),
            message => format!("{}: {message}{about}", self.code),
        }
    }

    /// Its words as those of a webhook that refuses.
    pub(super) fn refusal(&self) -> Refusal {
        Refusal::Webhook { message: self.message.to_owned() }
    }

    pub(super) fn code(&self) -> &str {
        self.code
    }

    /// Whether what it is about would be seen at pods, nodes or instances if it were still so.
    pub(super) fn shows_elsewhere(&self) -> bool {
        self.meaning == Meaning::Shows
    }

    pub(super) fn message(&self) -> &str {
        self.message
    }

    /// What it is said of.
    pub(super) fn object(&self, scene: &Scene<'_>) -> Option<Object> {
        let nodegroup = || scene.view.snapshot.group().and_then(|group| group.nodegroup.as_ref());
        match self.update {
            Some(update) => Some(Object::Update(update.id.clone())),
            None => nodegroup().map(|nodegroup| Object::Nodegroup(nodegroup.name.clone())),
        }
    }
}
