//! Ways out where the group launches nothing.

use super::{
    aws::{aws, of_group, of_nodegroup, template, who},
    containers::fewer_spares,
};
use crate::{
    diagnose::{launch_words, scene::Scene},
    domain::{AsgName, Ask, Cause, Command, Group, Limits, Remedy, ScalingActivity, quoted},
};

/// By what failed: what shows the fault first, with the ids that the words name, then what mends it.
pub(in crate::diagnose) fn of(
    scene: &Scene<'_>,
    cause: Cause,
    group: &Group,
    activities: &[&ScalingActivity],
) -> Vec<Remedy> {
    let failed = Failed::of(scene, group, activities);
    let way = WAYS.iter().find(|(of, _)| *of == cause);
    let own = way.map_or_else(|| failed.in_general(), |(_, way)| way(&failed));
    own.into_iter().chain([what_it_did(Some(&group.asg))]).collect()
}

/// Causes that have ways out of their own.
const WAYS: &[(Cause, Way)] = &[
    (Cause::LaunchNoCapacity, |failed| failed.no_capacity()),
    (Cause::LaunchQuota, |failed| failed.quota()),
    (Cause::LaunchNoAddresses, |failed| failed.no_addresses()),
    (Cause::LaunchAmi, |failed| failed.ami()),
    (Cause::LaunchKeyPair, |failed| failed.key_pair()),
    (Cause::LaunchKms, |failed| failed.kms()),
    (Cause::LaunchSpotPrice, |failed| failed.spot_price()),
    (Cause::LaunchSecurityGroup, |failed| failed.security_group()),
    (Cause::LaunchUnsupported, |failed| failed.offerings().into_iter().chain(failed.in_general()).collect()),
    (Cause::LaunchDevice, |failed| failed.device()),
    (Cause::LaunchRights, |failed| failed.rights()),
];

type Way = fn(&Failed<'_, '_>) -> Vec<Remedy>;

pub(in crate::diagnose) fn suspended(group: &Group) -> Vec<Remedy> {
    let resume = of_group("resume-processes", group, "--scaling-processes Launch");
    let suspend = of_group("suspend-processes", group, "--scaling-processes Launch");
    let fix = Remedy::fix("let it launch", vec![resume], "all instances that are missing are launched at once");
    vec![who("SuspendProcesses"), fix.back(vec![suspend])]
}

pub(in crate::diagnose) fn silent(group: &Group) -> Vec<Remedy> {
    let state = format!(
        "autoscaling describe-auto-scaling-groups --auto-scaling-group-names {} --query \
         'AutoScalingGroups[].[DesiredCapacity,SuspendedProcesses,WarmPoolConfiguration,Instances[].[InstanceId,LifecycleState]]'",
        quoted(group.asg.as_str())
    );
    vec![
        Remedy::wait("Auto Scaling may be slow"),
        Remedy::look("what holds it", vec![aws(&state)]),
        what_it_did(Some(&group.asg)),
    ]
}

pub(in crate::diagnose) fn at_max(group: &Group) -> Vec<Remedy> {
    let surge = Command::Upgrade("--max-surge 1".to_owned());
    let during = Remedy::fix(
        "one node more while it is upgraded, the maximum raised for that long",
        vec![surge],
        "one more instance is paid for",
    );
    let (min, max, desired) = (group.size.min, group.size.max, group.size.desired);
    let sized = |max: u32, desired: u32| {
        if let Some(nodegroup) = &group.nodegroup {
            let sizes = format!("--scaling-config minSize={min},maxSize={max},desiredSize={desired}");
            of_nodegroup("update-nodegroup-config", nodegroup, &sizes)
        } else {
            let sizes = format!("--max-size {max} --desired-capacity {desired}");
            of_group("update-auto-scaling-group", group, &sizes)
        }
    };
    let risk = "one more instance is paid for; taking it back ends a node of the group's choice without asking budgets";
    vec![during, Remedy::fix("a larger group", vec![sized(max + 1, desired + 1)], risk).back(vec![sized(max, desired)])]
}

/// What this group tried; of the whole account where nobody knows what it is called.
pub(in crate::diagnose) fn what_it_did(asg: Option<&AsgName>) -> Remedy {
    let of = asg.map_or_else(String::new, |asg| format!(" --auto-scaling-group-name {}", quoted(asg.as_str())));
    let query = "--max-items 10 --query 'Activities[].[StartTime,StatusCode,StatusMessage,Details]' --output text";
    Remedy::look("what the group tried", vec![aws(&format!("autoscaling describe-scaling-activities{of} {query}"))])
}

/// Failures of one cause, for the ids in their words.
struct Failed<'a, 's> {
    scene: &'a Scene<'s>,
    group: &'a Group,
    text: String,
    subnets: Vec<&'a str>,
}

impl<'a, 's> Failed<'a, 's> {
    fn of(scene: &'a Scene<'s>, group: &'a Group, activities: &[&'a ScalingActivity]) -> Self {
        let texts = activities.iter().filter_map(|activity| activity.message.as_deref());
        let text = texts.collect::<Vec<_>>().join(" ");
        let tried = activities.iter().filter_map(|activity| activity.subnet.as_deref());
        let known = scene.ask(&Ask::subnets()).known().filter(|_| activities.is_empty());
        let mut subnets: Vec<&str> =
            tried.chain(known.into_iter().flatten().map(|subnet| subnet.id.as_str())).collect();
        subnets.sort_unstable();
        subnets.dedup();
        Self { scene, group, text, subnets }
    }

    fn id(&self, prefix: &str) -> Option<String> {
        launch_words::id(&self.text, prefix)
    }

    fn no_capacity(&self) -> Vec<Remedy> {
        let wait = Remedy::wait("the group tries again by itself, and AWS's stock changes by the minute");
        let longer = Remedy::fix(
            "let the group go on trying",
            vec![Command::Upgrade("--replacement-timeout 2h".to_owned())],
            "the run stands still for as long, with what it has taken out",
        );
        std::iter::once(wait).chain(self.offerings()).chain([longer]).collect()
    }

    /// The zones in which the group's types can be had at all.
    fn offerings(&self) -> Option<Remedy> {
        let mut types: Vec<&str> = self
            .group
            .instances
            .values()
            .map(|instance| instance.instance_type.as_str())
            .filter(|t| !t.is_empty())
            .collect();
        types.sort_unstable();
        types.dedup();
        if types.is_empty() {
            return None;
        }
        let line = format!(
            "ec2 describe-instance-type-offerings --location-type availability-zone --filters \
             Name=instance-type,Values={} --query 'InstanceTypeOfferings[].[InstanceType,Location]' --output text",
            types.join(",")
        );
        Some(Remedy::look("which zones offer its types", vec![aws(&line)]))
    }

    fn no_addresses(&self) -> Vec<Remedy> {
        let ids = if self.subnets.is_empty() { self.id("subnet-") } else { Some(self.subnets.join(" ")) };
        let free = ids.as_ref().map(|ids| {
            let line = format!(
                "ec2 describe-subnets --subnet-ids {ids} --query \
                 'Subnets[].[SubnetId,AvailabilityZone,AvailableIpAddressCount]' --output text"
            );
            Remedy::look("how many addresses are free", vec![aws(&line)])
        });
        let unused = ids.map(|ids| {
            let line = format!(
                "ec2 describe-network-interfaces --filters Name=subnet-id,Values={} Name=status,Values=available --query \
                 'NetworkInterfaces[].[NetworkInterfaceId,Description]' --output text",
                ids.replace(' ', ",")
            );
            Remedy::look("network interfaces that nothing uses, and that hold addresses", vec![aws(&line)])
        });
        let fixes = self.without_surge().into_iter().chain(fewer_spares(self.scene));
        free.into_iter().chain(unused).chain(fixes).collect()
    }

    fn quota(&self) -> Vec<Remedy> {
        let list = "service-quotas list-service-quotas --service-code ec2 --output text --query \
                    'Quotas[?contains(QuotaName,`Running On-Demand`)||contains(QuotaName,`Spot Instance Requests`)].\
                    [QuotaCode,QuotaName,Value]'";
        let running = "ec2 describe-instances --filters Name=instance-state-name,Values=running --output text --query \
                       'Reservations[].Instances[].[InstanceType,InstanceId]'";
        let looks = [
            Remedy::look(
                "the quotas; `aws service-quotas request-service-quota-increase` asks for more",
                vec![aws(list)],
            ),
            Remedy::look("what uses them up", vec![aws(running)]),
        ];
        looks.into_iter().chain(self.without_surge()).collect()
    }

    /// Whether more is missing than extra nodes: without those, replacements of nodes that are gone are owed all the same.
    fn more_is_missing(&self, surge: u32) -> bool {
        if let Some(run) = self.scene.view.run {
            return run.awaited().any(|awaited| awaited.launched.is_none() && awaited.replaces.is_some());
        }
        let mut since_the_last = self.group.activities.iter().take_while(|activity| !activity.is_launch_that_goes_on());
        self.group.missing() > surge || since_the_last.any(ScalingActivity::is_termination)
    }

    /// Where extra nodes are asked for: each old one makes room for its replacement first.
    fn without_surge(&self) -> Option<Remedy> {
        let view = &self.scene.view;
        let size = self.group.size.desired;
        let limits = match view.run {
            Some(run) => run.intent().limits,
            None if view.old.is_empty() => return None,
            None => Limits::resolve(view.policy, self.group, size).ok()?,
        };
        if limits.surge == 0 || self.more_is_missing(limits.surge) {
            return None;
        }
        let out = if limits.max_unavailable == 0 { " --max-unavailable 1" } else { "" };
        let upgrade = Command::Upgrade(format!("--max-surge 0{out}"));
        let what = "no extra nodes: each old one makes room for its replacement first";
        Some(Remedy::fix(what, vec![upgrade], "less capacity during the run"))
    }

    fn ami(&self) -> Vec<Remedy> {
        let image = self.id("ami-").map(|ami| {
            let line = format!(
                "ec2 describe-images --image-ids {ami} --include-deprecated --query \
                 'Images[].[ImageId,State,Architecture,OwnerId,Public]' --output text"
            );
            Remedy::look("whether it is there for this account", vec![aws(&line)])
        });
        image.into_iter().chain(template(self.group, "LaunchTemplateVersions[].LaunchTemplateData.ImageId")).collect()
    }

    fn key_pair(&self) -> Vec<Remedy> {
        let list = Remedy::look(
            "the key pairs that there are",
            vec![aws("ec2 describe-key-pairs --query 'KeyPairs[].[KeyName,CreateTime]' --output text")],
        );
        let import = launch_words::named(&self.text, "key pair").map(|name| {
            let name = quoted(&name);
            let import = format!("ec2 import-key-pair --key-name {name} --public-key-material fileb://key.pub");
            let risk = "whoever has the private half of key.pub may log in to new nodes where SSH is open";
            let fix = Remedy::fix("a key under the same name: EC2 asks only for the name", vec![aws(&import)], risk);
            fix.back(vec![aws(&format!("ec2 delete-key-pair --key-name {name}"))])
        });
        std::iter::once(list).chain(import).collect()
    }

    fn kms(&self) -> Vec<Remedy> {
        let devices = template(self.group, "LaunchTemplateVersions[].LaunchTemplateData.BlockDeviceMappings");
        let key = launch_words::arn(&self.text, "kms").map(|key| {
            let line =
                format!("kms describe-key --key-id {} --query 'KeyMetadata.[KeyState,KeyManager]'", quoted(&key));
            Remedy::look("the state of the key", vec![aws(&line)])
        });
        devices.into_iter().chain(key).chain(self.key_back()).collect()
    }

    /// A key that was taken out of use, as the words tell.
    fn key_back(&self) -> Option<Remedy> {
        let key = quoted(&launch_words::arn(&self.text, "kms")?);
        let enable = aws(&format!("kms enable-key --key-id {key}"));
        let risk = "whoever put it out of use had a reason: ask first";
        if self.text.contains("is disabled") {
            let back = aws(&format!("kms disable-key --key-id {key}"));
            return Some(Remedy::fix("enable the key again", vec![enable], risk).back(vec![back]));
        }
        let cancel = aws(&format!("kms cancel-key-deletion --key-id {key}"));
        let keep = || Remedy::fix("keep the key, and enable it again", vec![cancel, enable], risk);
        self.text.contains("pending deletion").then(keep)
    }

    fn spot_price(&self) -> Vec<Remedy> {
        let distribution = format!(
            "autoscaling describe-auto-scaling-groups --auto-scaling-group-names {} --query \
             'AutoScalingGroups[].MixedInstancesPolicy.InstancesDistribution'",
            quoted(self.group.asg.as_str())
        );
        let look = Remedy::look("the highest price that is allowed", vec![aws(&distribution)]);
        // The API of managed node groups has no field for it: whoever set one did so behind EKS.
        let lift = self.group.nodegroup.is_none().then(|| {
            let policy = r#"--mixed-instances-policy '{"InstancesDistribution":{"SpotMaxPrice":""}}'"#;
            let lift = of_group("update-auto-scaling-group", self.group, policy);
            Remedy::fix("no maximum: the On-Demand price is the limit then", vec![lift], "at most what On-Demand costs")
        });
        std::iter::once(look).chain(lift).collect()
    }

    fn security_group(&self) -> Vec<Remedy> {
        let group = self.id("sg-").map(|id| {
            let line = format!(
                "ec2 describe-security-groups --group-ids {id} --query \
                 'SecurityGroups[].[GroupId,GroupName,VpcId]' --output text"
            );
            Remedy::look("whether it is there, and of which VPC", vec![aws(&line)])
        });
        let query = "LaunchTemplateVersions[].LaunchTemplateData.[SecurityGroupIds,NetworkInterfaces]";
        group.into_iter().chain(template(self.group, query)).collect()
    }

    fn device(&self) -> Vec<Remedy> {
        template(self.group, "LaunchTemplateVersions[].LaunchTemplateData.[ImageId,BlockDeviceMappings]")
            .into_iter()
            .collect()
    }

    fn rights(&self) -> Vec<Remedy> {
        let encoded = "Encoded authorization failure message: ";
        let message = self.text.split(encoded).nth(1).and_then(|rest| rest.split_whitespace().next());
        let decode = message.map(|message| {
            let line = format!(
                "sts decode-authorization-message --encoded-message {} --query DecodedMessage --output text",
                quoted(message)
            );
            Remedy::look("which statement forbids it", vec![aws(&line)])
        });
        let role = Remedy::look(
            "whether the role is there that the group launches with",
            vec![aws("iam get-role --role-name AWSServiceRoleForAutoScaling")],
        );
        let create = "iam create-service-linked-role --aws-service-name autoscaling.amazonaws.com";
        let risk = "it is for a role that is gone: of one that is there it is refused, and changes nothing";
        let again = Remedy::fix("make that role again, where it is gone", vec![aws(create)], risk);
        decode.into_iter().chain([role, again]).collect()
    }

    /// What may tell more of any failure. A dry run of the same launch needs to know what of it stands in the template: its
    /// page tells how.
    fn in_general(&self) -> Vec<Remedy> {
        template(self.group, "LaunchTemplateVersions[].LaunchTemplateData").into_iter().collect()
    }
}
