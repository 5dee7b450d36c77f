//! Nodes that do not serve, and Nodes that do not go.

use super::*;

const CNI: &str = "KubeletNotReady: container runtime network not ready: NetworkReady=false \
                   reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";

/// `n1`, so for so many seconds.
fn so(ready: Readiness, seconds: u64) -> Node {
    Node { ready, ready_since: Some(ago(seconds)), ..node("n1", Some(ago(3600))) }
}

fn says(words: &str, seconds: u64) -> Node {
    so(Readiness::NotReady(words.to_owned()), seconds)
}

fn with(node: Node) -> Cluster {
    let mut cluster = Cluster::new();
    cluster.see(Change::Node(Box::new(node)));
    cluster
}

/// The same, its instance one of a group.
fn in_group(node: Node) -> Cluster {
    with(node).group(&[("i-n1", "InService"), ("i-n2", "InService")])
}

fn daemon_set(namespace: &str, name: &str) -> DaemonSet {
    let id = DaemonSetRef { namespace: namespace.to_owned(), name: name.to_owned() };
    let everything = Toleration { key: None, operator: TolerationOperator::Exists, value: String::new(), effect: None };
    DaemonSet { id, node_selectors: Vec::new(), tolerations: vec![everything] }
}

fn daemon_pod(namespace: &str, set: &str, node: &str) -> Pod {
    let owner = Some(Owner { kind: "DaemonSet".to_owned(), name: set.to_owned() });
    let name = format!("{set}-x1");
    let id = PodRef { namespace: namespace.to_owned(), uid: name.as_str().into(), name };
    Pod { id, owner, labels: BTreeMap::new(), ..pod("any", node) }
}

fn subnet(free: u32) -> Answer {
    let subnet = Subnet { id: "subnet-1".to_owned(), zone: "a".into(), free, cidr: "10.0.1.0/24".to_owned() };
    (Ask::Subnets, Known::Is(Fact::Subnets(vec![subnet])))
}

#[test]
fn a_silent_kubelet_holds_the_pods_on_its_node_and_one_that_answers_does_not() {
    let silent = with(so(Readiness::Unknown, 60)).pods([pod("cart-1", "n1")]);
    assert_eq!(silent.found(), ["KUBELET-SILENT node/n1 blocks"]);
    let found = silent.examine(&Subject::Group);
    assert_eq!(found.findings[0].holds.pods.len(), 1);
    assert_eq!(with(so(Readiness::Ready, 60)).pods([pod("cart-1", "n1")]).found(), [] as [&str; 0]);
}

#[test]
fn what_a_kubelet_says_of_itself_is_told_apart() {
    let causes = [
        ("KubeletNotReady: PLEG is not healthy: pleg was last seen active 3m ago; threshold is 3m0s", "NODE-RUNTIME"),
        ("KubeletNotReady: [container runtime is down, NetworkPluginNotReady]", "NODE-RUNTIME"),
        (CNI, "NODE-CNI"),
        ("KubeletNotReady: CSINode is not yet initialized", "NODE-NOT-READY"),
    ];
    for (words, cause) in causes {
        assert_eq!(with(says(words, 60)).found(), [format!("{cause} node/n1 blocks")], "{words}");
    }
}

#[test]
fn a_node_that_flaps_or_is_new_takes_its_time() {
    assert_eq!(with(says("KubeletNotReady", 40)).found(), ["NODE-NOT-READY node/n1 waits"]);
    let new = Node { created_at: ago(50), ..says(CNI, 50) };
    assert_eq!(with(new).found(), ["NODE-CNI node/n1 waits"]);
    let unheard_of = Node { created_at: ago(5), ready_since: None, ..so(Readiness::Unknown, 5) };
    assert_eq!(with(unheard_of).found(), ["KUBELET-SILENT node/n1 waits"]);
}

#[test]
fn no_network_is_for_want_of_addresses_where_the_subnet_has_none() {
    assert_eq!(with(says(CNI, 60)).told(subnet(0)).found(), ["NODE-NO-ADDRESSES node/n1 blocks"]);
    assert_eq!(with(says(CNI, 60)).told(subnet(200)).found(), ["NODE-CNI node/n1 blocks"]);
    let lack = Known::Unknown(Lack::Right("ec2:DescribeSubnets".to_owned()));
    let unknown = with(says(CNI, 60)).told((Ask::Subnets, lack)).examine(&Subject::Group).unknown;
    assert!(unknown.iter().any(|unknown| unknown.cause == Cause::NodeNoAddresses), "{unknown:?}");
}

#[test]
fn a_node_without_addresses_is_helped_by_what_others_spare_and_put_back_as_it_was() {
    let found = with(says(CNI, 60)).told(subnet(0)).told(network_agent()).examine(&Subject::Group);
    let fixes = fixes(&found.findings[0]);
    let (run, back) = fewer_spares();
    assert_eq!(fixes.len(), 1, "a run without extra nodes helps no node that is there: {fixes:#?}");
    assert_eq!((&fixes[0].run, &fixes[0].back), (&vec![run], &vec![back]));
}

#[test]
fn the_log_of_the_network_agent_is_read_where_it_is() {
    let plugin = not_ready(daemon_pod("kube-system", "aws-node", "n1"), 60, Trouble::default());
    let mut cluster = in_group(says(CNI, 60)).told(subnet(200)).pods([plugin]);
    cluster.see(Change::DaemonSet(Box::new(daemon_set("kube-system", "aws-node"))));
    let found = cluster.examine(&Subject::Group);
    let looks = found.findings.iter().flat_map(|finding| &finding.remedies).flat_map(|remedy| &remedy.run);
    let log = "ssm start-session --target i-n1 --document-name AWS-StartInteractiveCommand --parameters command='sudo tail -n \
               50 /var/log/aws-routed-eni/ipamd.log'";
    assert!(looks.map(line).any(|line| line == log), "{:#?}", found.findings);
}

#[test]
fn below_a_network_that_does_not_come_up_lies_its_plugins_pod() {
    let plugin = not_ready(daemon_pod("kube-system", "aws-node", "n1"), 60, crashing());
    let mut cluster = in_group(says(CNI, 60)).told(subnet(200)).pods([plugin]);
    cluster.see(Change::DaemonSet(Box::new(daemon_set("kube-system", "aws-node"))));
    assert_eq!(cluster.found(), ["NODE-CNI node/n1 blocks because POD-CRASH-LOOP pod/kube-system/aws-node-x1"]);
}

#[test]
fn a_taint_of_the_start_stays_and_others_are_meant() {
    let tainted = |key: &str, effect| {
        let taints = vec![Taint { key: key.to_owned(), value: String::new(), effect }];
        Node { taints, unschedulable: false, ..so(Readiness::Ready, 90) }
    };
    let key = "ebs.csi.aws.com/agent-not-ready";
    let stays = in_group(tainted(key, TaintEffect::NoSchedule));
    assert_eq!(stays.found(), ["NODE-TAINT-STAYS node/n1 blocks"]);
    let remedy = &stays.examine(&Subject::Group).findings[0].remedies[1];
    assert_eq!(remedy.run, [Command::Kubectl(format!("taint nodes n1 {key}:NoSchedule-"))]);
    assert_eq!(remedy.back, [], "its agent takes it off only once");
    // The agent that runs is started anew before that.
    let agent = Pod { ready: true, ..daemon_pod("kube-system", "ebs-csi-node", "n1") };
    let mut runs = in_group(tainted(key, TaintEffect::NoSchedule)).pods([agent]);
    runs.see(Change::DaemonSet(Box::new(daemon_set("kube-system", "ebs-csi-node"))));
    let found = runs.examine(&Subject::Group);
    let lines: Vec<_> = fixes(&found.findings[0]).iter().map(|fix| line(&fix.run[0])).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("-n kube-system delete pod/ebs-csi-node"), "{lines:?}");
    assert_eq!(in_group(tainted(key, TaintEffect::PreferNoSchedule)).found(), [] as [&str; 0]);
    assert_eq!(in_group(tainted("dedicated", TaintEffect::NoSchedule)).found(), [] as [&str; 0]);
    let young = Node { ready_since: Some(ago(30)), ..tainted(key, TaintEffect::NoSchedule) };
    assert_eq!(in_group(young).found(), ["NODE-TAINT-STAYS node/n1 waits"]);
}

#[test]
fn a_taint_whose_agent_is_broken_is_about_the_agent() {
    let taint = Taint {
        key: "ebs.csi.aws.com/agent-not-ready".to_owned(),
        value: String::new(),
        effect: TaintEffect::NoExecute,
    };
    let node = Node { taints: vec![taint], unschedulable: false, ..so(Readiness::Ready, 90) };
    let agent = not_ready(daemon_pod("kube-system", "ebs-csi-node", "n1"), 60, crashing());
    let mut cluster = in_group(node).pods([agent]);
    cluster.see(Change::DaemonSet(Box::new(daemon_set("kube-system", "ebs-csi-node"))));
    assert_eq!(
        cluster.found(),
        [
            "NODE-DAEMONSET node/n1 blocks because POD-CRASH-LOOP pod/kube-system/ebs-csi-node-x1",
            "NODE-TAINT-STAYS node/n1 waits"
        ]
    );
}

#[test]
fn a_node_whose_instance_is_gone_is_a_record_that_stays() {
    let left = |seconds| with(so(Readiness::Unknown, seconds)).group(&[("i-n2", "InService")]);
    assert_eq!(left(90).found(), ["NODE-OUTLIVES-INSTANCE node/n1 blocks"]);
    assert_eq!(left(30).found(), ["NODE-OUTLIVES-INSTANCE node/n1 waits"]);
    let leaves = with(so(Readiness::Unknown, 90)).group(&[("i-n1", "Terminating:Proceed"), ("i-n2", "InService")]);
    assert_eq!(leaves.found(), [] as [&str; 0]);
    // One that was only detached runs on.
    let detached = with(so(Readiness::Ready, 90)).group(&[("i-n2", "InService")]);
    assert_eq!(detached.found(), [] as [&str; 0]);
}

#[test]
fn a_node_that_a_finalizer_keeps_is_told_with_it() {
    let kept = |seconds, finalizers: &[&str]| {
        let finalizers = finalizers.iter().map(|name| (*name).to_owned()).collect();
        // Until its kubelet counts as silent it is Ready.
        let node = Node { deleting_since: Some(ago(seconds)), finalizers, ..so(Readiness::Ready, 3600) };
        with(node).group(&[("i-n2", "InService")])
    };
    let cluster = kept(90, &["example.com/hold"]);
    assert_eq!(cluster.found(), ["NODE-OUTLIVES-INSTANCE node/n1 blocks"]);
    let found = &cluster.examine(&Subject::Group).findings[0];
    assert!(found.evidence[0].says.contains("its finalizers: example.com/hold"), "{found:?}");
    let [take] = &fixes(found)[..] else { panic!("{found:?}") };
    assert_eq!(
        line(&take.run[0]),
        "patch node/n1 --type=json -p '[{\"op\":\"test\",\"path\":\"/metadata/finalizers\",\"value\":[\"example.com/hold\"]},\
         {\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}]'"
    );
    assert_eq!(kept(30, &["example.com/hold"]).found(), ["NODE-OUTLIVES-INSTANCE node/n1 waits"]);
    // One whose instance is there is not left behind.
    let lives = Node { deleting_since: Some(ago(90)), ..so(Readiness::Ready, 3600) };
    assert_eq!(in_group(lives).found(), [] as [&str; 0]);
}

#[test]
fn whoever_deletes_a_node_with_finalizers_does_not_wait_for_them() {
    let finalizers = vec!["example.com/hold".to_owned()];
    let left = with(Node { finalizers, ..so(Readiness::Unknown, 90) }).group(&[("i-n2", "InService")]);
    let found = &left.examine(&Subject::Group).findings[0];
    assert_eq!(line(&fixes(found)[0].run[0]), "delete node/n1 --wait=false");
}

#[test]
fn a_daemon_pod_that_may_not_be_made_is_told_in_the_servers_words() {
    let owner = Owner { kind: "DaemonSet".to_owned(), name: "agent".to_owned() };
    let set = Object::Workload { namespace: "shop".to_owned(), owner };
    let words = "Error creating: pods \"agent-x\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=4, \
                 limited: pods=4";
    let lacks = |told: Vec<KubeEvent>| {
        let node = Node { created_at: ago(120), unschedulable: false, ..so(Readiness::Ready, 90) };
        let mut cluster = in_group(node).told(events(set.clone(), told));
        cluster.memory = Memory::of_run(ago(600));
        cluster.see(Change::DaemonSet(Box::new(daemon_set("shop", "agent"))));
        cluster
    };
    let cluster = lacks(vec![event("FailedCreate", words)]);
    assert_eq!(cluster.found(), ["NODE-DAEMONSET node/n1 blocks"]);
    let found = &cluster.examine(&Subject::Group).findings[0];
    assert_eq!(found.evidence[0].says, words);
    let raise = line(&fixes(found)[0].run[0]);
    assert!(raise.starts_with("-n shop patch resourcequota/team"), "{raise}");
    // More time would not help.
    assert_eq!(fixes(found).len(), 1, "{found:?}");
    let old = KubeEvent { last: Some(ago(300)), ..event("FailedCreate", words) };
    let found = &lacks(vec![old]).examine(&Subject::Group).findings[0];
    assert_eq!(found.evidence[0].says, "daemonset/shop/agent wants a pod there, and there is none");
}

#[test]
fn new_nodes_that_lack_something_are_told_while_a_run_waits_for_them() {
    let new = |node: Node| Node { created_at: ago(300), ..node };
    let cordoned = new(Node { unschedulable: true, cordoned_at: Some(ago(90)), ..so(Readiness::Ready, 240) });
    let plain = new(Node { unschedulable: false, ..so(Readiness::Ready, 240) });
    let seen = |node: &Node, began: Option<u64>| {
        let gpu = || [("nvidia.com/gpu".to_owned(), 4)].into();
        // An old one offers it, and nobody looks at it.
        let mut cluster = in_group(node.clone());
        cluster.see(Change::Node(Box::new(Node {
            extended: gpu(),
            ready: Readiness::Ready,
            ..self::node("n2", None)
        })));
        let mut group = cluster.snapshot.group().unwrap().clone();
        let old = group.instances.get_mut(&"i-n2".into()).unwrap();
        old.template = Some(LaunchTemplate { id: "lt-1".to_owned(), version: "1".to_owned() });
        cluster.memory = began.map(|seconds| Memory::of_run(ago(seconds))).unwrap_or_default();
        cluster.with_group(group).found()
    };
    assert_eq!(seen(&plain, Some(600)), ["NODE-RESOURCE-MISSING node/n1 blocks"]);
    let both = ["NODE-RESOURCE-MISSING node/n1 blocks", "NODE-CORDONED-NEW node/n1 blocks"];
    assert_eq!(seen(&cordoned, Some(600)), both);
    // Without a run nobody waits for it, and one that was there before it began was not waited for.
    assert_eq!(seen(&cordoned, None), [] as [&str; 0]);
    assert_eq!(seen(&cordoned, Some(200)), [] as [&str; 0]);
}
