//! Launches that fail, groups that are not fit, and what EKS says or left behind.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each function is handed the causes of its family alone, by a match that names them all"
)]

use std::time::Duration;

use mngup::{
    app::Question,
    domain::{Cause, Grade},
    sim::{
        WorldSpec,
        spec::{
            FaultKind, GroupSpec, IssueSpec, LeftSpec, NamedNode, NodegroupSpec, UpdateErrorSpec, UpdateSpec,
            WorkloadSpec,
        },
    },
};

use super::{Begins, Proof, cart, faulty, out, world};

/// The group launches nothing: its own words tell why. Near by: one zone fails and another launches.
pub fn launch(cause: Cause) -> Proof {
    let fails = |text: &str, zone: Option<&str>| {
        let (zone, reason) = (zone.map(str::to_owned), Some(text.to_owned()));
        faulty(cart(out(1)), vec![(1, FaultKind::LaunchesFail { lasts: None, zone, reason })])
    };
    let proof =
        |text: &str| Proof { begins: Begins::Owed, ..of_group(fails(text, None), "asg/", fails(text, Some("a"))) };
    // What AWS or a subnet lacks comes free again now and then: the group's second and third try are waited for.
    let passes = |text: &str| Proof { by_nature: Duration::from_secs(45), ..proof(text) };
    match cause {
        Cause::LaunchNoCapacity => passes("capacity"),
        Cause::LaunchQuota => passes("vcpu-limit"),
        Cause::LaunchNoAddresses => passes("addresses"),
        Cause::LaunchSpotPrice => passes(
            "Your Spot request price of 0.015 is lower than the minimum required Spot request fulfillment price of 0.0735.",
        ),
        Cause::LaunchTemplate => proof(
            "Could not launch On-Demand Instances. InvalidLaunchTemplateId.VersionNotFound - Could not find the specified \
             version 7 for the launch template with ID lt-0e1f2a3b4c5d6e7f8.",
        ),
        Cause::LaunchAmi => proof("The image id '[ami-0123456789abcdef0]' does not exist"),
        Cause::LaunchKeyPair => proof("The key pair 'ops' does not exist"),
        Cause::LaunchKms => proof("Client.InternalError: Client error on launch"),
        Cause::LaunchSecurityGroup => proof("The security group 'sg-0123456789abcdef0' does not exist"),
        Cause::LaunchUnsupported => proof("The requested configuration is currently not supported."),
        Cause::LaunchDevice => proof("Invalid device name upload."),
        Cause::LaunchRights => proof("You are not authorized to perform this operation."),
        Cause::LaunchSuspended => {
            let suspend =
                |process: &str| faulty(cart(out(1)), vec![(1, FaultKind::Suspend { process: process.to_owned() })]);
            Proof { begins: Begins::Owed, ..of_group(suspend("Launch"), "asg/", suspend("AlarmNotification")) }
        }
        Cause::LaunchSilent => {
            let late = |mut spec: WorldSpec| {
                spec.delays.react = Duration::from_secs(30);
                spec
            };
            let stalls = faulty(cart(out(1)), vec![(1, FaultKind::LaunchesStall { lasts: None })]);
            Proof { begins: Begins::Owed, ..of_group(stalls, "asg/", late(world(cart(out(1))))) }
        }
        Cause::LaunchAtMax => {
            let full = |max| {
                let workload = WorkloadSpec { replicas: 8, cpu: "900m".parse().unwrap(), ..cart(out(1)) };
                let mut spec = world(workload);
                spec.group.max = Some(max);
                spec
            };
            of_group(full(4), "asg/", full(6))
        }
        _ => proof("Instance became unhealthy while waiting for instance to be in InService state."),
    }
}

/// The group is not fit for an upgrade, or would not be.
pub fn group(cause: Cause) -> Proof {
    let of = |change: &dyn Fn(&mut GroupSpec)| {
        let mut spec = world(cart(out(1)));
        change(&mut spec.group);
        spec
    };
    let status = |status: &'static str| of(&move |group| status.clone_into(&mut nodegroup(group).status));
    let suspended = |process: &'static str| of(&move |group| group.suspended = vec![process.to_owned()]);
    let before = |world, object, near_miss| Proof {
        outside: Some(Question::BeforeUpgrade),
        ..of_group(world, object, near_miss)
    };
    match cause {
        Cause::GroupUpdating => before(status("UPDATING"), "nodegroup/", status("DEGRADED")),
        Cause::GroupNotActive => before(status("CREATE_FAILED"), "nodegroup/", status("DEGRADED")),
        Cause::GroupSuspended => before(suspended("Launch"), "asg/", suspended("AZRebalance")),
        Cause::GroupInstanceRefresh => {
            let refresh = of(&|group| group.instance_refresh = Some("InProgress".to_owned()));
            before(refresh, "asg/", of(&|_| {}))
        }
        Cause::GroupOperated => {
            let operated = of(&|group| group.operator = Some("someone.amazonaws.com".to_owned()));
            before(operated, "asg/", of(&|_| {}))
        }
        Cause::GroupNoTemplate => {
            let latest = of(&|group| group.template.version = Some("$Latest".to_owned()));
            // Without one no node is old, and nobody looks at the pods of any.
            before(of(&|group| group.launch_configuration = true), "asg/", latest).alone()
        }
        _ => {
            let types = of(&|group| {
                let mut second = group.instance_types[0].clone();
                "m6a.large".clone_into(&mut second.name);
                group.instance_types.push(second);
            });
            before(of(&|group| group.weight = Some(2)), "asg/", types)
        }
    }
}

/// EKS says so, by a code that stands for this cause.
pub fn eks(cause: Cause) -> Proof {
    let looked_at =
        |world, near_miss| Proof { outside: Some(Question::Group), ..of_group(world, "nodegroup/", near_miss) };
    let says = |code: &str| looked_at(issue(code, true), world(cart(out(1))));
    match cause {
        Cause::NodeManagerRights => looked_at(issue("AccessDenied", false), issue("AccessDenied", true)),
        Cause::EksAccessDenied => looked_at(issue("AccessDenied", true), issue("AccessDenied", false)),
        Cause::EksTemplateMismatch => says("Ec2LaunchTemplateVersionMismatch"),
        Cause::EksTemplateGone => says("SourceEc2LaunchTemplateNotFound"),
        Cause::EksGroupChanged => says("AutoScalingGroupInvalidConfiguration"),
        Cause::EksRoleGone => says("IamNodeRoleNotFound"),
        Cause::EksSecurityGroupGone => says("Ec2SecurityGroupNotFound"),
        Cause::EksSubnet => says("Ec2SubnetInvalidConfiguration"),
        Cause::EksLimit => says("Ec2LaunchTemplateVersionMaxLimitExceeded"),
        Cause::EksClusterUnreachable => Proof { grade: Grade::Waits, ..says("ClusterUnreachable") },
        Cause::EksLabel => says("KubernetesLabelInvalid"),
        Cause::EksDeletionStuck => says("Ec2SecurityGroupDeletionFailure"),
        Cause::EksAwsInternal => Proof { grade: Grade::Waits, ..says("InternalFailure") },
        Cause::EksLeftCordoned => left(LeftSpec { cordoned: true, desired: 0 }, 0),
        Cause::EksLeftSize => left(LeftSpec { cordoned: false, desired: 2 }, 0),
        Cause::EksMixedVersions => left(LeftSpec::default(), 1),
        _ => says("ConfigurationConflict"),
    }
}

/// Worlds beside the proofs in which other ways out are offered: for other words, other ids in them, another kind of group.
pub fn other_ways_out() -> Vec<(Cause, Proof)> {
    let fails = |text: &str| {
        let reason = Some(text.to_owned());
        faulty(cart(out(1)), vec![(1, FaultKind::LaunchesFail { lasts: None, zone: None, reason })])
    };
    let launch = |cause, world: WorldSpec| {
        let (proof, near_miss) = (launch(cause), world.clone());
        (cause, Proof { world, near_miss, ..proof })
    };
    let unmanaged = |mut spec: WorldSpec| {
        spec.group.nodegroup = None;
        spec
    };
    let says = |cause, code: &str, message: &str, resources: &[&str]| {
        let mut world = issue(code, true);
        let issue = &mut nodegroup(&mut world.group).issues[0];
        message.clone_into(&mut issue.message);
        issue.resources = resources.iter().map(|id| (*id).to_owned()).collect();
        let proof = eks(cause);
        (cause, Proof { world, ..proof })
    };
    let denied = "You are not authorized to perform this operation. Encoded authorization failure message: x-_1";
    let mismatch = "The Amazon EC2 Launch Template : lt-0a has a new version associated with your Autoscaling group, which \
                    is not managed by Amazon EKS. Expected Launch Template version: 3";
    let key =
        "Client.InvalidKMSKey.InvalidState: The KMS key arn:aws:kms:eu-west-1:111122223333:key/0a1b-2c is disabled";
    let pending = "Client.InvalidKMSKey.InvalidState: The KMS key arn:aws:kms:eu-west-1:111122223333:key/0a1b-2c is pending \
                   deletion";
    let of_update = Proof { object: "update/".to_owned(), ..left(LeftSpec::default(), 0) };
    vec![
        (Cause::EksIssue, of_update),
        launch(Cause::LaunchKms, fails(pending)),
        launch(Cause::LaunchKms, fails(key)),
        launch(Cause::LaunchRights, fails(denied)),
        launch(Cause::LaunchSpotPrice, unmanaged(launch_world(Cause::LaunchSpotPrice))),
        launch(Cause::LaunchAtMax, unmanaged(launch_world(Cause::LaunchAtMax))),
        says(Cause::EksTemplateMismatch, "Ec2LaunchTemplateVersionMismatch", mismatch, &["lt-0a"]),
        says(Cause::EksSubnet, "Ec2SubnetInvalidConfiguration", "no public address", &["subnet-0a"]),
        says(Cause::EksSubnet, "Ec2SubnetMissingIpv6Assignment", "no IPv6 address", &["subnet-0a", "subnet-0b"]),
        says(Cause::EksDeletionStuck, "Ec2SecurityGroupDeletionFailure", "it is used", &["sg-0a"]),
    ]
}

fn launch_world(cause: Cause) -> WorldSpec {
    launch(cause).world
}

/// A group of which EKS says this, in a cluster that has the role that EKS drains with, or has not.
fn issue(code: &str, role: bool) -> WorldSpec {
    let mut spec = world(cart(out(1)));
    let group = nodegroup(&mut spec.group);
    let (message, resources) = (format!("{code}, in EKS's own words"), vec!["lt-0e1f2a3b4c5d6e7f8".to_owned()]);
    "DEGRADED".clone_into(&mut group.status);
    group.issues = vec![IssueSpec { code: code.to_owned(), message, resources }];
    group.node_manager_role = role;
    spec
}

/// What an update left that failed; near by one that is still at work.
fn left(left: LeftSpec, new: u32) -> Proof {
    let of = |status: &str| {
        let mut spec = world(cart(out(1)));
        spec.zones[0].new = new;
        let errors = vec![UpdateErrorSpec {
            code: "PodEvictionFailure".to_owned(),
            message: "Reached max retries while trying to evict pods from nodes in node group workers".to_owned(),
            resources: vec![NamedNode::First],
        }];
        nodegroup(&mut spec.group).update = Some(UpdateSpec {
            id: "0a1b2c3d-0000-4000-8000-000000000001".to_owned(),
            status: status.to_owned(),
            began: Duration::from_mins(30),
            params: [("ReleaseVersion".to_owned(), "1.33.5-20250920".to_owned())].into(),
            errors,
            left,
        });
        spec
    };
    Proof { outside: Some(Question::Group), ..of_group(of("Failed"), "nodegroup/", of("InProgress")) }
}

fn nodegroup(group: &mut GroupSpec) -> &mut NodegroupSpec {
    group.nodegroup.as_mut().expect("the worlds here are managed")
}

fn of_group(world: WorldSpec, object: &str, near_miss: WorldSpec) -> Proof {
    Proof::new(world, object, near_miss).of_group()
}
