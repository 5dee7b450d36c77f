//! What EKS says, and what it left behind.

use super::*;

const ID: &str = "0a1b2c3d-0000-4000-8000-000000000001";

/// A group of which EKS says this.
fn says(code: &str, message: &str) -> Cluster {
    let mut group = group(&["n1", "n2"]);
    let nodegroup = group.nodegroup.as_mut().unwrap();
    nodegroup.status = NodegroupStatus::Degraded;
    let resources = vec!["lt-0a".to_owned()];
    nodegroup.issues = vec![HealthIssue { code: code.to_owned(), message: message.to_owned(), resources }];
    let mut cluster = Cluster::new();
    cluster.see(Change::Group(Box::new(group)));
    cluster
}

fn role(there: bool) -> Answer {
    (Ask::NodeManagerRole, Known::Is(Fact::NodeManagerRole(NodeManagerRole { role: there, binding: there })))
}

fn update(status: &str, code: &str, resources: &[&str]) -> EksUpdate {
    EksUpdate {
        id: ID.to_owned(),
        status: status.to_owned(),
        kind: "VersionUpdate".to_owned(),
        created_at: Some(ago(7200)),
        params: BTreeMap::new(),
        errors: vec![UpdateError {
            code: code.to_owned(),
            message: "Reached max retries while trying to evict pods from nodes in node group workers".to_owned(),
            resources: resources.iter().map(|name| (*name).to_owned()).collect(),
        }],
    }
}

/// Asked about the group and about the update itself alike.
fn with(cluster: Cluster, update: &EksUpdate) -> Cluster {
    let answer = || Known::Is(Fact::Update(Some(update.clone())));
    cluster.told((Ask::Update(None), answer())).told((Ask::Update(Some(ID.to_owned())), answer()))
}

#[test]
fn a_code_is_told_as_its_cause_with_eks_s_own_words() {
    let mismatch = "The Amazon EC2 Launch Template : lt-0a has a new version associated with your Autoscaling group, which \
                    is not managed by Amazon EKS. Expected Launch Template version: 3";
    let found = says("Ec2LaunchTemplateVersionMismatch", mismatch).examine(&Subject::Group);
    assert_eq!(told(&found), ["EKS-TEMPLATE-MISMATCH nodegroup/workers blocks"]);
    let said = format!("Ec2LaunchTemplateVersionMismatch: {mismatch} (lt-0a)");
    assert_eq!(found.findings[0].evidence, [Proof { by: By::Eks, says: said }]);
    // The policy is edited, never replaced by a plain template.
    let fix = found.findings[0].remedies.iter().find(|remedy| remedy.kind == RemedyKind::Fix).unwrap();
    let lines = format!("{:?}", fix.run);
    assert!(lines.contains(r#"Version:`\"3\"`"#) && lines.contains("--mixed-instances-policy"), "{lines}");
    assert!(!lines.contains("--launch-template "), "{lines}");
}

#[test]
fn a_code_that_nobody_knows_is_shown_as_it_is() {
    assert_eq!(says("SomethingNew", "in words").found(), ["EKS-ISSUE nodegroup/workers blocks"]);
    assert_eq!(says("IamThrottling", "").found(), ["API-BUSY nodegroup/workers waits"]);
    assert_eq!(says("AutoScalingGroupRateLimitExceeded", "").found(), ["API-BUSY nodegroup/workers waits"]);
    // EKS keeps it until the next launch succeeds; the group has all of its instances.
    assert_eq!(says("AsgInstanceLaunchFailures", "…").found(), ["EKS-ISSUE nodegroup/workers notes"]);
}

#[test]
fn codes_of_other_families_are_told_by_them() {
    assert_eq!(says("AmiIdNotFound", "").found(), ["LAUNCH-AMI asg/workers blocks"]);
    assert_eq!(says("AccessDenied", "Not authorized for images: [ami-0a]").found(), ["LAUNCH-AMI asg/workers blocks"]);
    assert_eq!(says("InstanceLimitExceeded", "").found(), ["LAUNCH-QUOTA asg/workers notes"]);
    let refresh = says("AutoScalingGroupInstanceRefreshActive", "");
    assert_eq!(refresh.found(), ["GROUP-INSTANCE-REFRESH asg/workers blocks"]);
}

#[test]
fn whether_eks_lacks_its_role_is_asked_and_not_guessed() {
    let denied = || says("AccessDenied", "");
    assert_eq!(denied().told(role(false)).found(), ["NODE-MANAGER-RIGHTS nodegroup/workers blocks"]);
    assert_eq!(denied().told(role(true)).found(), ["EKS-ACCESS-DENIED nodegroup/workers blocks"]);
    let lack = Lack::Right("get clusterroles.rbac.authorization.k8s.io eks:node-manager".to_owned());
    let unknown = denied().told((Ask::NodeManagerRole, Known::Unknown(lack.clone()))).examine(&Subject::Group);
    assert_eq!(told(&unknown), ["EKS-ACCESS-DENIED nodegroup/workers blocks"]);
    assert!(unknown.unknown.iter().any(|cannot| cannot.cause == Cause::NodeManagerRights && cannot.lacking == lack));
}

#[test]
fn a_webhook_that_refuses_eks_is_named_where_its_words_name_it() {
    let denied = |message: &str| {
        let mut failed = update("Failed", "AdmissionRequestDenied", &[]);
        message.clone_into(&mut failed.errors[0].message);
        let gone = Cluster::new().with_group(group(&["n1", "n2"]));
        let mut found = with(gone, &failed).examine(&Subject::Update(ID.to_owned()));
        found.findings.retain(|finding| finding.cause.code() != "EKS-LEFT-CORDONED");
        found
    };
    let named = denied("admission webhook \"drain.strimzi.io\" denied the request: Kafka moves by itself");
    assert_eq!(told(&named), ["WEBHOOK-DENIES webhook/drain.strimzi.io blocks"]);
    // No namespace is known that could be left out of what it is asked about.
    let fixes: Vec<_> = fixes(&named.findings[0]).iter().map(|fix| fix.what.as_str()).collect();
    assert!(!fixes.iter().any(|what| what.contains("leave")), "{fixes:?}");
    let down = denied("failed calling webhook \"drain.strimzi.io\": context deadline exceeded");
    assert_eq!(told(&down), ["WEBHOOK-DOWN webhook/drain.strimzi.io blocks"]);
    // Near by: words that name nobody are told as they are.
    assert_eq!(told(&denied("request denied")), [format!("EKS-ISSUE update/{ID} blocks")]);
}

#[test]
fn a_failed_eviction_is_folded_under_what_holds_the_pod() {
    let two = || {
        let tier = Pdb {
            id: PdbRef { namespace: "shop".to_owned(), name: "tier".to_owned() },
            ..budget(max_unavailable(1), 2, 1, 2)
        };
        let mut cluster = Cluster::new().budget(budget(max_unavailable(1), 2, 1, 2), [pod("cart-1", "n1")]);
        cluster.see(Change::Pdb(Box::new(tier)));
        cluster.see(Change::Group(Box::new(group(&["n1", "n2"]))));
        cluster
    };
    let subject = Subject::Update(ID.to_owned());
    let failed = update("Failed", "PodEvictionFailure", &["n1"]);
    let found = with(two(), &failed).examine(&subject);
    let roots = told(&found);
    // What made it fail comes before what it left.
    assert!(roots[0].starts_with("TWO-BUDGETS"), "{roots:#?}");
    assert!(
        roots.contains(&format!("TWO-BUDGETS pdb/shop/cart and pdb/shop/tier blocks <- EKS-ISSUE update/{ID}")),
        "{roots:#?}"
    );
    assert!(roots.contains(&"EKS-LEFT-CORDONED nodegroup/workers blocks".to_owned()), "{roots:#?}");
    // Where nothing holds a pod any more, EKS's word is all there is.
    let gone = with(Cluster::new().with_group(group(&["n1", "n2"])), &failed).examine(&subject);
    assert!(told(&gone).contains(&format!("EKS-ISSUE update/{ID} blocks")), "{:#?}", told(&gone));
}

#[test]
fn what_an_update_left_is_told_only_once_it_has_failed() {
    let enlarged = || {
        ScalingActivity {
        started_at: ago(7000),
        status: "Successful".to_owned(),
        description: "Launching a new EC2 instance: i-n2".to_owned(),
        cause: "At 2026-11-21T07:03:20Z a user request update of AutoScalingGroup constraints to min: 1, max: 4, desired: 2 \
                changing the desired capacity from 1 to 2."
            .to_owned(),
        ..ScalingActivity::default()
    }
    };
    let mut mixed = group(&["n1", "n2"]);
    mixed.activities = vec![enlarged()];
    mixed.instances.get_mut(&"i-n2".into()).unwrap().template =
        Some(LaunchTemplate { id: "lt-0a".to_owned(), version: "2".to_owned() });
    let look = |status: &str| with(Cluster::new().with_group(mixed.clone()), &update(status, "Unknown", &[])).found();
    let failed = look("Failed");
    for cause in ["EKS-LEFT-CORDONED", "EKS-LEFT-SIZE", "EKS-MIXED-VERSIONS"] {
        assert!(failed.contains(&format!("{cause} nodegroup/workers blocks")), "{failed:#?}");
    }
    assert!(!look("InProgress").iter().any(|line| line.contains("LEFT") || line.contains("MIXED")));
    // An upgrade replaces what is old, whoever left it so; a new node that is left cordoned it leaves as it is.
    let told_before = |group: &Group| {
        let failed = update("Failed", "Unknown", &[]);
        told(&with(Cluster::new().with_group(group.clone()), &failed).examine(&Subject::BeforeUpgrade))
    };
    let before = told_before(&mixed);
    for cause in ["EKS-LEFT-CORDONED", "EKS-LEFT-SIZE", "EKS-MIXED-VERSIONS"] {
        assert!(before.contains(&format!("{cause} nodegroup/workers notes")), "{before:#?}");
    }
    assert!(before.contains(&format!("EKS-ISSUE update/{ID} notes")), "{before:#?}");
    let of_n1 = mixed.instances[&"i-n1".into()].template.clone();
    let of_n2 = std::mem::replace(&mut mixed.instances.get_mut(&"i-n2".into()).unwrap().template, of_n1);
    mixed.instances.get_mut(&"i-n1".into()).unwrap().template = of_n2;
    let before = told_before(&mixed);
    assert!(before.contains(&"EKS-LEFT-CORDONED nodegroup/workers blocks".to_owned()), "{before:#?}");
}

#[test]
fn the_sizes_are_put_back_as_they_were() {
    let size = Size { min: 1, desired: 5, max: 8 };
    let nodegroup = group(&[]).nodegroup.unwrap();
    let remedies = crate::diagnose::remedy::eks::left_size(&Group { size, ..group(&[]) }, &nodegroup, 3, &[]);
    let line = |max, desired| {
        let sizes = format!("--scaling-config minSize=1,maxSize={max},desiredSize={desired}");
        Command::Aws(format!("eks update-nodegroup-config --cluster-name prod --nodegroup-name workers {sizes}"))
    };
    assert_eq!(remedies[0].run, [line(6, 3)]);
    assert_eq!(remedies[0].back, [line(8, 5)]);
}

/// A group of these nodes after an update that failed, each of the version that the group launches or of the one before,
/// which an update enlarged when it began.
fn after_failure(nodes: &[(&str, bool)], cause: &str) -> Group {
    let names: Vec<&str> = nodes.iter().map(|(name, _)| *name).collect();
    let mut group = group(&names);
    for (name, new) in nodes {
        let instance = group.instances.get_mut(&InstanceId::new(format!("i-{name}"))).unwrap();
        instance.template = group.target.template.clone().filter(|_| *new).or_else(|| instance.template.clone());
    }
    let launch = |seconds, cause: &str| ScalingActivity {
        started_at: ago(seconds),
        status: "Successful".to_owned(),
        description: "Launching a new EC2 instance: i-n2".to_owned(),
        cause: cause.to_owned(),
        ..ScalingActivity::default()
    };
    let replaced = "At 2026-11-21T08:50:00Z an instance was started in response to a difference between desired and actual \
                    capacity, increasing the capacity from 1 to 2.";
    group.activities = vec![launch(600, replaced), launch(7100, cause)];
    group
}

const ENLARGED: &str = "At 2026-11-21T07:01:40Z a user request update of AutoScalingGroup constraints to min: 1, max: 4, \
                        desired: 2 changing the desired capacity from 1 to 2. At 2026-11-21T07:01:45Z an instance was \
                        started in response to a difference between desired and actual capacity, increasing the capacity \
                        from 1 to 2.";

fn left_by(group: Group) -> Cluster {
    let mut cluster = with(Cluster::new().with_group(group), &update("Failed", "Unknown", &[]));
    cluster.see(Change::Node(Box::new(node("n1", None))));
    cluster
}

#[test]
fn a_group_is_larger_only_where_the_update_itself_made_it_so() {
    let size = |cause: &str| {
        let group = after_failure(&[("n1", false), ("n2", false)], cause);
        left_by(group).found().into_iter().filter(|line| line.contains("LEFT-SIZE")).collect::<Vec<_>>()
    };
    assert_eq!(size(ENLARGED), ["EKS-LEFT-SIZE nodegroup/workers blocks"]);
    // A node that is replaced, and an autoscaler.
    let replaced = "At 2026-11-21T07:01:45Z an instance was started in response to a difference between desired and actual \
                    capacity, increasing the capacity from 1 to 2.";
    let autoscaler = "At 2026-11-21T07:01:40Z a user request explicitly set group desired capacity changing the desired \
                      capacity from 1 to 2.";
    assert_eq!(size(replaced), [""; 0]);
    assert_eq!(size(autoscaler), [""; 0]);
    // An autoscaler that went on from there needs what there is.
    let mut larger = after_failure(&[("n1", false), ("n2", false)], ENLARGED);
    larger.size.desired = 3;
    assert!(!left_by(larger).found().iter().any(|line| line.contains("LEFT-SIZE")));
    // A change of the sizes that failed enlarges nothing.
    let of_sizes = EksUpdate { kind: "ConfigUpdate".to_owned(), ..update("Failed", "Unknown", &[]) };
    let group = after_failure(&[("n1", false), ("n2", true)], ENLARGED);
    let told = with(Cluster::new().with_group(group), &of_sizes).found();
    assert!(!told.iter().any(|line| line.contains("LEFT") || line.contains("MIXED")), "{told:#?}");
}

#[test]
fn what_a_run_of_ours_has_begun_to_replace_is_not_left_by_eks() {
    let mut cluster = left_by(after_failure(&[("n1", false), ("n2", true)], ENLARGED));
    assert!(cluster.found().contains(&"EKS-MIXED-VERSIONS nodegroup/workers blocks".to_owned()));
    let marks = Marks([(key::RUN.to_owned(), "r-1121-0900".to_owned())].into());
    cluster.see(Change::Node(Box::new(Node { marks, ..node("n1", None) })));
    let told = cluster.found();
    assert!(told.contains(&"EKS-MIXED-VERSIONS nodegroup/workers notes".to_owned()), "{told:#?}");
    assert!(told.contains(&format!("EKS-ISSUE update/{ID} notes")), "it meets by itself what made EKS fail: {told:#?}");
    assert!(!told.iter().any(|line| line.contains("LEFT-SIZE")), "its surge is its own: {told:#?}");
}

#[test]
fn a_failed_update_is_history_once_nothing_is_left_to_replace() {
    let blocks = |group: Group| left_by(group).examine(&Subject::Group).blocking().count();
    assert_ne!(blocks(after_failure(&[("n1", false), ("n2", true)], ENLARGED)), 0);
    assert_eq!(blocks(after_failure(&[("n1", true), ("n2", true)], ENLARGED)), 0);
    // One is missing.
    assert_ne!(blocks(after_failure(&[("n1", true)], ENLARGED)), 0);
    // Who asks about the update is told why it failed.
    let whole = left_by(after_failure(&[("n1", true), ("n2", true)], ENLARGED));
    let of_it = told(&whole.examine(&Subject::Update(ID.to_owned())));
    assert!(of_it.contains(&format!("EKS-ISSUE update/{ID} blocks")), "{of_it:#?}");
}

#[test]
fn while_eks_works_on_the_group_no_upgrade_is_printed() {
    let budget = || budget(PdbRule::MinAvailable(IntOrPercent::Int(2)), 2, 2, 2);
    let prints = |status: NodegroupStatus, subject: &Subject| {
        let mut group = group(&["n1", "n2"]);
        group.nodegroup.as_mut().unwrap().status = status;
        let pods = [pod("cart-1", "n1"), pod("cart-2", "n2")];
        let cluster = with(Cluster::new().with_group(group), &update("InProgress", "", &[])).budget(budget(), pods);
        let found = cluster.examine(subject);
        let commands = found.findings.iter().flat_map(|finding| &finding.remedies).flat_map(|remedy| &remedy.run);
        (commands.filter(|command| matches!(command, Command::Upgrade(_))).count(), told(&found))
    };
    let of_it = Subject::Update(ID.to_owned());
    let (upgrades, told) = prints(NodegroupStatus::Updating, &of_it);
    assert_eq!(upgrades, 0);
    assert!(told.contains(&"GROUP-UPDATING nodegroup/workers waits".to_owned()), "{told:#?}");
    let (upgrades, told) = prints(NodegroupStatus::Active, &of_it);
    assert_ne!(upgrades, 0, "{told:#?}");
    assert!(!told.iter().any(|line| line.contains("GROUP-UPDATING")), "{told:#?}");
    // One that is to come begins when EKS is done.
    assert_ne!(prints(NodegroupStatus::Updating, &Subject::BeforeUpgrade).0, 0);
}

#[test]
fn what_failed_of_an_update_and_no_longer_shows_is_gone_on_with() {
    let lines = |code: &str| {
        let cluster = with(Cluster::new().with_group(group(&["n1", "n2"])), &update("Failed", code, &[]));
        let found = cluster.examine(&Subject::Update(ID.to_owned()));
        let finding = found.findings.iter().find(|finding| finding.cause == Cause::EksIssue).unwrap();
        finding.remedies.iter().flat_map(|remedy| &remedy.run).map(line).map(str::to_owned).collect::<Vec<_>>()
    };
    let evictions = lines("PodEvictionFailure");
    assert!(evictions[0].contains(&format!("describe-update --name prod --nodegroup-name workers --update-id {ID}")));
    assert_eq!(evictions.last().unwrap(), "", "an upgrade goes on");
    assert_eq!(lines("ConfigurationConflict").len(), 1);
}
