//! The rights that we ship are the rights that runs use: each call is covered, and nothing is granted for nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mngup::adapters::k8s::{Connection, KubeCluster, Scope};
use mngup::domain::{About, Ask, Cause, Fact, GroupName, Known, News, Notice, Object, Owner, PodRef, Refusal};
use mngup::ports::Cluster as _;
use serde_json::Value;

use crate::support::aws::{AwsServer, World};
use crate::support::facts::pods_of;
use crate::support::workloads::{all, daemon_set, deployment, pdb};
use crate::support::{AuditEntry, Bed, BedOptions, Ended, READER};

/// The policy of the repository, action by action.
fn policy() -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(include_str!("../../docs/iam-policy.json")).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// What was called, whatever was answered.
fn called(aws: &AwsServer) -> BTreeSet<String> {
    aws.calls().into_iter().map(|call| call.action).collect()
}

/// `verb resource` of every rule of the role and the cluster role of the repository that a run needs.
fn granted(bed: &Bed) -> BTreeSet<String> {
    granted_by(&[bed.get("clusterrole/mngup"), get_in(bed, "kube-system", "role/mngup")])
}

fn granted_by(roles: &[Value]) -> BTreeSet<String> {
    let rules = roles.iter().flat_map(|role| role["rules"].as_array().unwrap());
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let pairs = rules.flat_map(|rule| {
        let verbs = texts(&rule["verbs"]);
        texts(&rule["resources"])
            .into_iter()
            .flat_map(move |resource| verbs.clone().into_iter().map(move |verb| format!("{verb} {resource}")))
    });
    pairs.collect()
}

/// `verb resource` of what was asked for.
fn used(entries: &[AuditEntry]) -> BTreeSet<String> {
    let object = |entry: &AuditEntry| match entry.subresource.as_str() {
        "" => entry.resource.clone(),
        subresource => format!("{}/{subresource}", entry.resource),
    };
    entries.iter().map(|entry| format!("{} {}", entry.verb, object(entry))).collect()
}

fn get_in(bed: &Bed, namespace: &str, object: &str) -> Value {
    serde_json::from_str(&bed.plane.kubectl(&["-n", namespace, "get", object, "-o", "json"])).unwrap()
}

fn forbidden(bed: &Bed) -> Vec<AuditEntry> {
    bed.audit().into_iter().filter(|entry| entry.code == 403).collect()
}

/// What a diagnosis asks of the API server: each question once.
fn questions(cart: &PodRef) -> BTreeSet<Ask> {
    let shop = || "default".to_owned();
    let owner = |kind: &str, name: &str| Owner { kind: kind.to_owned(), name: name.to_owned() };
    let workload = |kind: &str, name: &str| Ask::Workload { namespace: shop(), owner: owner(kind, name) };
    let claim = |name: &str| Ask::Claim { namespace: shop(), name: name.to_owned() };
    BTreeSet::from([
        Ask::Events(Object::Pod(cart.clone())),
        Ask::Events(Object::Node("ip-10-0-1-11.eu-west-1.compute.internal".into())),
        Ask::Events(Object::Namespace(shop())),
        workload("Deployment", "cart"),
        workload("ReplicaSet", "nobody"),
        workload("StatefulSet", "nobody"),
        workload("DaemonSet", "nobody"),
        workload("Job", "nobody"),
        Ask::DaemonPods { namespace: "kube-system".to_owned(), name: "agent".to_owned(), node: "nobody".into() },
        Ask::Pod { namespace: shop(), name: cart.name.clone() },
        Ask::AllNodes,
        claim("bound"),
        claim("waits"),
        Ask::Attachments,
        Ask::Quotas(shop()),
        Ask::Namespace(shop()),
        Ask::Webhooks,
        Ask::Endpoints { namespace: shop(), service: "nobody".to_owned() },
        Ask::NodeManagerRole,
        Ask::AwsAuth,
        Ask::TryEviction(cart.clone()),
    ])
}

/// A claim with a volume of one zone, and one of a class that there is not.
const CLAIMS: &str = "\
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-1}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  csi: {driver: ebs.csi.aws.com, volumeHandle: vol-1}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{key: topology.kubernetes.io/zone, operator: In, values: [eu-west-1a]}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: bound, namespace: default}
spec: {volumeName: pv-1, storageClassName: \"\", accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: waits, namespace: default}
spec: {storageClassName: nobody, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

#[test]
fn permits_of_a_diagnosis_answer_each_of_its_questions_and_nothing_is_granted_beside_that() {
    let workloads = all([deployment("cart", 1).yaml(), pdb("cart", "minAvailable: 1"), CLAIMS.to_owned()]);
    let Some(bed) = Bed::start(BedOptions { world: World { old: 1, ..World::default() }, workloads }) else { return };
    let (name, (uid, node)) = pods_of(&bed, "cart").pop_first().unwrap();
    let cart = PodRef { namespace: "default".to_owned(), name, uid: uid.as_str().into() };
    let now = Timestamp::now();
    let notice = Notice {
        about: About::Node(node.as_str().into()),
        cause: Cause::PdbNeverAllows,
        news: News::Blocked,
        says: "PDB-NEVER-ALLOWS: played".to_owned(),
        count: 1,
        first: now,
        at: now,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let asks = questions(&cart);
    let answers: BTreeMap<Ask, Known<Fact>> = runtime.block_on(async {
        let connection = Connection::from_kubeconfig(Some(&bed.plane.kubeconfig(READER)), None).await.unwrap();
        let scope = Scope { group: GroupName::Nodegroup("workers".into()), state_namespace: "kube-system".to_owned() };
        let cluster = KubeCluster::new(connection, scope);
        cluster.announce(std::slice::from_ref(&notice)).await;
        cluster.announce(&[Notice { count: 2, ..notice }]).await;
        cluster.look(&asks).await.into_iter().collect()
    });
    for (ask, answer) in &answers {
        assert!(matches!(answer, Known::Is(_)), "{ask:?}: {answer:?}");
    }
    // The real server's words, where they matter: an event of its scheduler, a volume's zone, and a try without effect.
    let is = |ask: Ask| match &answers[&ask] {
        Known::Is(fact) => fact.clone(),
        Known::Unknown(_) => unreachable!("asserted above"),
    };
    let Fact::Events(events) = is(Ask::Events(Object::Pod(cart.clone()))) else { panic!() };
    assert!(
        events.iter().any(|event| event.reason == "Scheduled" && event.reporter == "default-scheduler"),
        "{events:?}"
    );
    let Fact::Claim(Some(bound)) = is(Ask::Claim { namespace: "default".to_owned(), name: "bound".to_owned() }) else {
        panic!()
    };
    assert_eq!(bound.zones, ["eu-west-1a".into()]);
    let Fact::Claim(Some(waits)) = is(Ask::Claim { namespace: "default".to_owned(), name: "waits".to_owned() }) else {
        panic!()
    };
    assert_eq!(waits.class_exists, Some(false));
    let Fact::Eviction(refusal) = is(Ask::TryEviction(cart.clone())) else { panic!() };
    assert!(matches!(refusal, Some(Refusal::Budget { .. })), "{refusal:?}");
    assert_eq!(pods_of(&bed, "cart").into_values().next().unwrap().0, cart.uid.to_string(), "it is still there");
    // What is said twice is one event, which counts.
    let events = bed.plane.kubectl(&["get", "events", "--field-selector", "reason=Blocked", "-o", "json"]);
    let events: Value = serde_json::from_str(&events).unwrap();
    assert_eq!((events["items"].as_array().unwrap().len(), &events["items"][0]["count"]), (1, &2.into()), "{events}");

    let entries = bed.audit_of(READER);
    let refused: Vec<_> = entries.iter().filter(|entry| entry.code == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let diagnose = granted_by(&[bed.get("clusterrole/mngup-diagnose")]);
    let not_granted: Vec<_> = used(&entries).into_iter().filter(|right| !diagnose.contains(right)).collect();
    // What a run may do, too; and everybody may look at what the server is.
    let own = granted(&bed);
    assert!(not_granted.iter().all(|right| own.contains(right)), "{not_granted:?}");
    let for_nothing: Vec<_> = diagnose.difference(&used(&entries)).cloned().collect();
    assert_eq!(for_nothing, ["create events"], "an apply that creates is a patch in the log");
}

fn done(run: Ended) -> Ended {
    assert_eq!(run.code, Some(0), "{run}");
    run
}

#[test]
fn permits_are_what_a_managed_group_needs() {
    let workloads = all([
        deployment("cart", 3).spread().yaml(),
        pdb("cart", "maxUnavailable: 1"),
        deployment("ledger", 1).yaml(),
        pdb("ledger", "minAvailable: 1"),
        daemon_set("agent"),
    ]);
    let Some(bed) = Bed::start(BedOptions { world: World { headroom: 0, ..World::default() }, workloads }) else {
        return;
    };
    // Names that nobody has: what there is instead is listed.
    for (cluster, group) in [("prd", "workers"), ("prod", "wrkers")] {
        let run = bed.mngup(&["status", "-c", cluster, "-n", group]);
        assert_eq!(run.code, Some(2), "{run}");
        assert!(run.stderr.ends_with("  Next: mngup status -c prod -n workers\n") && run.stdout.is_empty(), "{run}");
    }
    let ledger = pods_of(&bed, "ledger");
    // Long enough for the lease to be renewed; the ledger's pod must be deleted, and the group is at its maximum.
    done(bed.upgrade(&["--force", "--drain-timeout", "8s", "--post-drain-delay", "4s"]));
    assert_ne!(pods_of(&bed, "ledger"), ledger);
    let status = done(bed.command("status", &[]));
    assert_eq!(
        status.stdout,
        "cluster/prod  nodegroup/workers   no run: nothing is under way, and nothing is left of one\n\
         3 of 3 nodes are new\n"
    );
    // Below its maximum the group grows without moving that.
    bed.aws.with_asg(|asg, now| asg.update_size(None, Some(5), None, now)).unwrap();
    let (instance, _) = bed.aws.instances().swap_remove(0);
    let node = bed.aws.node_of(&instance).unwrap();
    done(bed.upgrade(&[
        "--all-nodes",
        "--node",
        &node,
        "--force",
        "--drain-timeout",
        "8s",
        "--post-drain-delay",
        "0s",
    ]));

    let not_covered: Vec<_> = called(&bed.aws).difference(&policy()).cloned().collect();
    assert_eq!(not_covered, Vec::<String>::new());
    let own = ["autoscaling:UpdateAutoScalingGroup", "ec2:DescribeLaunchTemplates"];
    // Read only where nodes do not come or go, and what lets them in: tests/aws_wire shows each.
    let asked =
        ["autoscaling:DescribeAutoScalingInstances", "autoscaling:DescribeLifecycleHooks", "eks:ListAccessEntries"];
    let but: BTreeSet<String> = own.into_iter().chain(asked).map(str::to_owned).collect();
    let for_nothing: BTreeSet<_> = policy().difference(&called(&bed.aws)).cloned().collect();
    assert_eq!(for_nothing, but, "but for what self-managed groups need, and what a diagnosis asks");

    assert_eq!(forbidden(&bed), []);
    let entries = bed.audit();
    // Everybody may ask for their rights.
    let everybody = ["create selfsubjectaccessreviews", "create selfsubjectrulesreviews"];
    let not_granted: Vec<_> = used(&entries).difference(&granted(&bed)).cloned().collect();
    // What holds the ledger is looked at, and told on its node and its budget: that is the optional role's.
    let diagnose = granted_by(&[bed.get("clusterrole/mngup-diagnose")]);
    let may = |right: &String| everybody.contains(&right.as_str()) || diagnose.contains(right);
    assert!(not_granted.iter().all(may), "{not_granted:?}");
    // Applying an object that is not there is a patch in the log and needs the right to create too, as the next test
    // shows; a Node is read alone only when a change of its taints met another writer's, and pods are listed only for a
    // budget that blocks for a while or where the server streams no lists, as tests/k8s_wire shows.
    let for_nothing: Vec<_> = granted(&bed).difference(&used(&entries)).cloned().collect();
    assert!(
        for_nothing.iter().all(|right| ["create configmaps", "get nodes", "list pods"].contains(&right.as_str())),
        "{for_nothing:?}"
    );
}

#[test]
fn permits_of_a_self_managed_group_move_its_maximum_and_read_its_templates() {
    let workloads = all([deployment("cart", 3).spread().yaml(), pdb("cart", "maxUnavailable: 1")]);
    let world = World { old: 2, headroom: 0, ..World::self_managed() };
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    done(bed.upgrade(&["--post-drain-delay", "0s"]));
    let not_covered: Vec<_> = called(&bed.aws).difference(&policy()).cloned().collect();
    assert_eq!(not_covered, Vec::<String>::new());
    for action in ["autoscaling:UpdateAutoScalingGroup", "ec2:DescribeLaunchTemplates"] {
        assert_ne!(bed.aws.calls_of(action), [], "{action}");
    }
    assert_eq!(forbidden(&bed), []);
    assert!(called(&bed.aws).iter().all(|action| !action.starts_with("eks:Update")));

    // Objects of other names are not ours to write, even where there is none: `aws-auth` is a ConfigMap of this namespace.
    let apply = |name: &str| {
        let object = bed.plane.folder().join("object.yaml");
        let text = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: kube-system}}}}");
        std::fs::write(&object, text).unwrap();
        let command = ["apply", "--server-side", "--as=somebody", "--as-group=mngup", "-f", object.to_str().unwrap()];
        bed.plane.kubectl_try(&command)
    };
    let refused = apply("aws-auth").unwrap_err();
    assert!(refused.contains("is forbidden"), "{refused}");
    apply("mngup-asg-shop-nodes").unwrap();
    bed.plane.kubectl(&["-n", "kube-system", "delete", "configmap/mngup-asg-shop-nodes"]);

    // Without the right to create, the first word of a run cannot be written.
    let rules = r#"[{"op":"replace","path":"/rules/0/verbs","value":["get","patch","delete"]}]"#;
    bed.plane.kubectl(&["-n", "kube-system", "patch", "role/mngup", "--type=json", "-p", rules]);
    let refused = apply("mngup-asg-shop-nodes").unwrap_err();
    assert!(refused.contains("is forbidden"), "{refused}");
}
