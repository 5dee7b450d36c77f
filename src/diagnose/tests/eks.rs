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
    assert_eq!(says("IamThrottling", "").found(), ["EKS-ISSUE nodegroup/workers waits"]);
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
