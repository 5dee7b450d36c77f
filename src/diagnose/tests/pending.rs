use serde_json::{Value, json};

use super::*;

/// A replacement that no node takes, `n1` being cordoned.
struct Unplaced {
    words: &'static str,
    seconds: u64,
    nodes: Vec<ClusterNode>,
    template: Value,
    replicas: u32,
    pod: Pod,
    answers: Vec<Answer>,
}

fn unplaced(words: &'static str) -> Unplaced {
    let pod = Pod { phase: PodPhase::Pending, node: None, ..pod("cart-2", "") };
    let nodes = vec![cluster_node("n1", true), cluster_node("n2", false)];
    let template = json!({ "containers": [{ "name": "app", "resources": { "requests": { "cpu": "500m" } } }] });
    Unplaced { words, seconds: 60, nodes, template, replicas: 3, pod, answers: Vec::new() }
}

impl Unplaced {
    fn cluster(self) -> Cluster {
        let unscheduled = Unscheduled { reason: "Unschedulable".to_owned(), message: Some(self.words.to_owned()) };
        let trouble = Trouble { unscheduled: Some(unscheduled), ..Trouble::default() };
        let trouble = if self.words.is_empty() { Trouble::default() } else { trouble };
        let pending = not_ready(Pod { created_at: ago(self.seconds), ..self.pod.clone() }, self.seconds, trouble);
        let pods = [pod("cart-1", "n1"), pending, pod("cart-3", "n1")];
        let owner = self.pod.workload().unwrap();
        let workload = Workload {
            replicas: Some(self.replicas),
            current: 3,
            ready: 2,
            strategy: Strategy::Surges,
            may_be_out: Some(IntOrPercent::Percent(25)),
            revision: Some(1),
            owner: None,
            managed_by: None,
            template: self.template,
        };
        let asked = Ask::Workload { namespace: "shop".to_owned(), owner };
        let cluster = Cluster::new()
            .budget(budget(max_unavailable(1), 3, 2, 2), pods)
            .told((asked, Known::Is(Fact::Workload(Some(workload)))))
            .told((Ask::AllNodes, Known::Is(Fact::Nodes(self.nodes))));
        self.answers.into_iter().fold(cluster, Cluster::told)
    }

    fn found(self) -> Diagnosis {
        self.cluster().examine(&Subject::Group)
    }
}

fn cluster_node(name: &str, cordoned: bool) -> ClusterNode {
    let labels = [("kubernetes.io/hostname", name), ("topology.kubernetes.io/zone", "a")];
    ClusterNode {
        name: name.into(),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        taints: Vec::new(),
        unschedulable: cordoned,
        ready: true,
        allocatable: [("cpu".to_owned(), 1930)].into(),
    }
}

fn labelled(node: ClusterNode, key: &str, value: &str) -> ClusterNode {
    let mut node = node;
    node.labels.insert(key.to_owned(), value.to_owned());
    node
}

fn tainted(node: ClusterNode, key: &str) -> ClusterNode {
    let taint = Taint { key: key.to_owned(), value: "yes".to_owned(), effect: TaintEffect::NoSchedule };
    ClusterNode { taints: vec![taint], ..node }
}

/// `POD-TAINTS pod/shop/cart-2 blocks`, without the budget that is folded under it.
fn first(found: &Diagnosis) -> String {
    told(found)[0].replace(" <- PDB-EXHAUSTED pdb/shop/cart", "")
}

fn evidence(found: &Diagnosis) -> String {
    let says = found.findings[0].evidence.iter().map(|proof| proof.says.as_str());
    says.collect::<Vec<_>>().join("; ")
}

/// Commands of its remedies, those that take them back behind.
fn commands(found: &Diagnosis) -> Vec<String> {
    let line = |command: &Command| match command {
        Command::Kubectl(line) | Command::Aws(line) => line.clone(),
        Command::Upgrade(flags) => format!("upgrade {flags}"),
    };
    let fixes = found.findings[0].remedies.iter().filter(|remedy| remedy.kind == RemedyKind::Fix);
    fixes.flat_map(|remedy| remedy.run.iter().chain(&remedy.back)).map(line).collect()
}

const FULL: &str = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.";

#[test]
fn room_is_lacking_where_an_empty_node_would_do() {
    let found = unplaced(FULL).found();
    assert_eq!(told(&found), ["NO-CAPACITY pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(
        evidence(&found),
        "1 node has too little cpu left (it asks for 500m); the scheduler says: 0/2 nodes are available: 1 Insufficient \
         cpu, 1 node(s) were unschedulable"
    );
    assert_eq!(
        commands(&found),
        [
            "upgrade --max-surge 1",
            "-n shop scale deployment/cart --replicas=2",
            "-n shop scale deployment/cart --replicas=3"
        ]
    );
    assert_eq!(first(&Unplaced { seconds: 10, ..unplaced(FULL) }.found()), "NO-CAPACITY pod/shop/cart-2 waits");
}

#[test]
fn a_replica_less_does_not_help_a_budget_that_counts_how_many_must_stay() {
    let mut cluster = unplaced(FULL).cluster();
    cluster.see(Change::Pdb(Box::new(budget(PdbRule::MinAvailable(IntOrPercent::Int(2)), 3, 2, 2))));
    assert_eq!(commands(&cluster.examine(&Subject::Group)), ["upgrade --max-surge 1"]);
}

#[test]
fn a_pod_that_asks_for_more_than_an_empty_node_has_is_too_large() {
    let large = |nodes: Vec<ClusterNode>| {
        let template = json!({ "containers": [
            { "name": "app", "resources": { "requests": { "cpu": "3" } } },
            { "name": "log", "resources": { "requests": { "cpu": "100m" } } },
        ] });
        Unplaced { nodes, template, ..unplaced(FULL) }.found()
    };
    let found = large(vec![cluster_node("n1", true), cluster_node("n2", false)]);
    assert_eq!(first(&found), "POD-TOO-LARGE pod/shop/cart-2 blocks");
    assert!(evidence(&found).starts_with("it asks for 3100m cpu, and the largest node that it may go to offers 1930m"));
    assert_eq!(
        commands(&found),
        [
            "-n shop set resources deployment/cart -c app --requests='cpu=1444m'",
            "-n shop set resources deployment/cart -c app --requests='cpu=3'"
        ]
    );
    // Others are small, and its own group has only the one that is cordoned: a new one may be as large.
    let wide = || ClusterNode { allocatable: [("cpu".to_owned(), 7910)].into(), ..cluster_node("n1", true) };
    assert_eq!(first(&large(vec![wide(), cluster_node("other", false)])), "NO-CAPACITY pod/shop/cart-2 blocks");
    // One of its group that came is small.
    let found = large(vec![wide(), cluster_node("n2", false)]);
    assert_eq!(first(&found), "POD-TOO-LARGE pod/shop/cart-2 blocks");
    assert!(commands(&found).contains(&"uncordon n1".to_owned()));
}

#[test]
fn what_was_asked_for_is_put_back_as_it_was_written() {
    let back = |resources: serde_json::Value| {
        let template = json!({ "containers": [{ "name": "log" }, { "name": "app", "resources": resources }] });
        let nodes = vec![cluster_node("n1", true), cluster_node("n2", false)];
        let found = Unplaced { nodes, template, ..unplaced(FULL) }.found();
        commands(&found).remove(1)
    };
    let set = |requests: &str| format!("-n shop set resources deployment/cart -c app --requests='{requests}'");
    assert_eq!(back(json!({ "requests": { "cpu": "2.5" } })), set("cpu=2.5"));
    assert_eq!(back(json!({ "requests": { "cpu": 3 } })), set("cpu=3"));
    assert_eq!(back(json!({ "requests": { "cpu": "3k" }, "limits": { "cpu": "4k" } })), set("cpu=3k"));
    // Whoever names a limit alone asks for that without a request.
    let patch = |path: &str| {
        format!(
            "-n shop patch deployment/cart --type=json -p '[{{\"op\":\"test\",\"path\":\
             \"/spec/template/spec/containers/1/name\",\"value\":\"app\"}},{{\"op\":\"remove\",\"path\":\
             \"/spec/template/spec/containers/1/resources/{path}\"}}]'"
        )
    };
    assert_eq!(back(json!({ "limits": { "cpu": "3" } })), patch("requests"));
    let beside = json!({ "limits": { "cpu": "3" }, "requests": { "memory": "1G" } });
    assert_eq!(back(beside), patch("requests/cpu"));
}

const NO_LABEL: &str =
    "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable.";

#[test]
fn a_label_that_no_node_has_is_named() {
    let asks = |nodes: Vec<ClusterNode>| Unplaced {
        template: json!({ "nodeSelector": { "pool": "shop" } }),
        nodes,
        ..unplaced(NO_LABEL)
    };
    let hand = || labelled(cluster_node("n1", true), "pool", "shop");
    let found = asks(vec![hand(), cluster_node("n2", false)]).found();
    assert_eq!(first(&found), "POD-AFFINITY pod/shop/cart-2 blocks");
    assert!(evidence(&found).starts_with("it asks for pool=shop; "), "{}", evidence(&found));
    assert_eq!(
        commands(&found),
        [
            "label node/n2 'pool=shop'",
            "label node/n2 'pool-'",
            "-n shop patch deployment/cart --type=json -p '[{\"op\":\"remove\",\"path\":\"/spec/template/spec/nodeSelector\"}]'",
            "-n shop patch deployment/cart --type=json -p \
             '[{\"op\":\"add\",\"path\":\"/spec/template/spec/nodeSelector\",\"value\":{\"pool\":\"shop\"}}]'",
        ]
    );
    // The others are not of its group: those of its group that have it are cordoned for now.
    assert_eq!(first(&asks(vec![hand(), cluster_node("other", false)]).found()), "NO-CAPACITY pod/shop/cart-2 blocks");
}

#[test]
fn a_zone_whose_node_is_cordoned_comes_back_with_the_next() {
    let term =
        json!({ "matchExpressions": [{ "key": "topology.kubernetes.io/zone", "operator": "In", "values": ["b"] }] });
    let required = json!({ "nodeSelectorTerms": [term] });
    let affinity = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": required } });
    let asks = |nodes| Unplaced { template: json!({ "affinity": affinity }), nodes, ..unplaced(NO_LABEL) }.found();
    let in_b = labelled(cluster_node("n1", true), "topology.kubernetes.io/zone", "b");
    assert_eq!(first(&asks(vec![in_b, cluster_node("n2", false)])), "NO-CAPACITY pod/shop/cart-2 blocks");
    let found = asks(vec![cluster_node("n1", true), cluster_node("n2", false)]);
    assert_eq!(first(&found), "POD-AFFINITY pod/shop/cart-2 blocks");
    // Nobody gives a node another zone by a label.
    assert!(commands(&found).iter().all(|line| !line.starts_with("label")));
}

#[test]
fn more_replicas_than_places_are_kept_apart_for_ever() {
    let apart = |replicas| {
        let rule = json!([{ "topologyKey": "kubernetes.io/hostname" }]);
        let rule = json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": rule } });
        let words =
            "0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) were unschedulable.";
        Unplaced { template: json!({ "affinity": rule }), replicas, ..unplaced(words) }.found()
    };
    let found = apart(3);
    assert_eq!(first(&found), "POD-ANTI-AFFINITY pod/shop/cart-2 blocks");
    assert!(evidence(&found).starts_with("3 replicas are to be kept apart and there are 2 places for them"));
    let softer = "-n shop patch deployment/cart --type=json -p '[{\"op\":\"remove\",\"path\":\"/spec/template/spec/affinity/\
                  podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution\"},{\"op\":\"replace\",\
                  \"path\":\"/spec/strategy/rollingUpdate/maxUnavailable\",\"value\":2}]'";
    assert_eq!(commands(&found)[0], "upgrade --max-surge 1");
    // Its rollout would take none out as long as one is not Ready.
    assert!(commands(&found).iter().any(|line| line == softer), "{:#?}", commands(&found));
    // Enough places once the cordoned node is replaced: nothing is said of numbers.
    assert!(evidence(&apart(2)).starts_with("the scheduler says"));
}

#[test]
fn a_node_that_is_being_replaced_is_a_place_for_pods_that_are_kept_apart() {
    let rule = json!([{ "topologyKey": "kubernetes.io/hostname" }]);
    let template =
        json!({ "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": rule } } });
    let words = "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.";
    // Of two nodes one is gone, and the one that replaces it is yet to come.
    let nodes = vec![cluster_node("n2", false)];
    let found = |replicas, nodes| {
        let cluster = Unplaced { template: template.clone(), replicas, nodes, ..unplaced(words) }.cluster();
        cluster.with_group(group(&["n1", "n2"])).examine(&Subject::Group)
    };
    assert!(evidence(&found(2, nodes.clone())).starts_with("the scheduler says"));
    assert!(evidence(&found(3, nodes)).starts_with("3 replicas are to be kept apart and there are 2 places"));
}

#[test]
fn of_many_that_wait_for_each_other_some_are_named_and_whom_they_hold_is_told_once() {
    let app = |name: &str| {
        let id = PdbRef { namespace: "shop".to_owned(), name: name.to_owned() };
        let pdb = Pdb { id, selector: Selector::labels([("app", name)]), ..budget(max_unavailable(1), 2, 1, 1) };
        let of_it = |pod: Pod| Pod { labels: [("app".to_owned(), name.to_owned())].into(), ..pod };
        let unscheduled = Unscheduled { reason: "Unschedulable".to_owned(), message: Some(FULL.to_owned()) };
        let trouble = Trouble { unscheduled: Some(unscheduled), ..Trouble::default() };
        let pending =
            Pod { phase: PodPhase::Pending, node: None, created_at: ago(60), ..pod(&format!("{name}-2"), "") };
        (pdb, [of_it(pod(&format!("{name}-1"), "n1")), of_it(not_ready(pending, 60, trouble))])
    };
    let names = ["a", "b", "c", "d", "e", "f"];
    let cluster = names.iter().fold(Cluster::new().with_group(group(&["n1", "n2"])), |cluster, name| {
        let (pdb, pods) = app(name);
        cluster.budget(pdb, pods)
    });
    let found = cluster.examine(&Subject::Group);
    let [ring] = found.findings.as_slice() else { panic!("{:#?}", told(&found)) };
    assert_eq!((ring.cause, ring.under.len(), ring.holds.pods.len()), (Cause::NoCapacity, 11, 6));
    assert!(ring.under.iter().all(|folded| folded.holds.is_empty()));
    let says = &ring.evidence.last().unwrap().says;
    assert_eq!(
        says,
        "each waits for the other: pdb/shop/a, pdb/shop/b, pdb/shop/c, pdb/shop/d, pod/shop/a-2 and 7 more"
    );
}

#[test]
fn nobody_is_told_to_ask_for_a_part_of_a_gpu() {
    let words = "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) were unschedulable.";
    let asks = json!({ "nvidia.com/gpu": "2" });
    let resources = json!({ "requests": asks, "limits": asks });
    let template = json!({ "containers": [{ "name": "app", "resources": resources }] });
    let with =
        |node: ClusterNode, count| ClusterNode { allocatable: [("nvidia.com/gpu".to_owned(), count)].into(), ..node };
    let nodes = vec![with(cluster_node("n1", true), 1), with(cluster_node("n2", false), 1)];
    let found = Unplaced { nodes, template, ..unplaced(words) }.found();
    assert_eq!(first(&found), "POD-TOO-LARGE pod/shop/cart-2 blocks");
    assert!(commands(&found).iter().all(|line| !line.contains("set resources")), "{:#?}", commands(&found));
}

#[test]
fn the_taint_of_nodes_that_are_left_is_named_from_the_nodes() {
    let words = "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable.";
    let with = |nodes: Vec<ClusterNode>, tolerates: &str| {
        let tolerations = vec![Toleration {
            key: Some(tolerates.to_owned()),
            operator: TolerationOperator::Exists,
            value: String::new(),
            effect: None,
        }];
        let pod = Pod { tolerations, ..unplaced(words).pod };
        Unplaced { nodes, pod, ..unplaced(words) }.found()
    };
    let both = || vec![tainted(cluster_node("n1", true), "batch"), tainted(cluster_node("n2", false), "batch")];
    let found = with(both(), "other");
    assert_eq!(first(&found), "POD-TAINTS pod/shop/cart-2 blocks");
    assert!(evidence(&found).starts_with("batch=yes:NoSchedule on node/n2; "), "{}", evidence(&found));
    assert_eq!(
        commands(&found),
        [
            "taint nodes n2 'batch:NoSchedule-'",
            "taint nodes n2 'batch=yes:NoSchedule'",
            "-n shop patch deployment/cart --type=json -p '[{\"op\":\"add\",\"path\":\"/spec/template/spec/tolerations\",\
             \"value\":[{\"effect\":\"NoSchedule\",\"key\":\"batch\",\"operator\":\"Exists\"}]}]'",
            "-n shop patch deployment/cart --type=json -p \
             '[{\"op\":\"remove\",\"path\":\"/spec/template/spec/tolerations\"}]'",
        ]
    );
    // A node that is kept for others is none that it lost: the one that it had is cordoned.
    let kept = vec![cluster_node("n1", true), tainted(cluster_node("gpu", false), "gpu")];
    assert_eq!(first(&with(kept, "other")), "NO-CAPACITY pod/shop/cart-2 blocks");
    // What a node says of itself goes by itself.
    let starts = tainted(cluster_node("n2", false), "node.kubernetes.io/not-ready");
    let starts = vec![cluster_node("n1", true), ClusterNode { ready: false, ..starts }];
    assert_eq!(first(&with(starts, "other")), "NO-CAPACITY pod/shop/cart-2 blocks");
}

#[test]
fn who_may_not_read_nodes_hears_what_lacks_and_the_schedulers_own_words() {
    let words = "0/2 nodes are available: 2 node(s) had untolerated taint(s).";
    let lack = Lack::Right("list nodes".to_owned());
    let found = Unplaced { answers: vec![(Ask::AllNodes, Known::Unknown(lack.clone()))], ..unplaced(words) }.found();
    assert_eq!(first(&found), "POD-PENDING pod/shop/cart-2 blocks");
    let object = Object::Pod(unplaced(words).pod.id);
    assert_eq!(found.unknown, [CannotTell { cause: Cause::PodTaints, object, lacking: lack }]);
}

#[test]
fn a_volume_whose_zone_has_no_node_left_holds_its_pod() {
    let words = "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 1 node(s) were unschedulable.";
    let with = |zone: &str, nodes| {
        let claim = Claim {
            phase: "Bound".to_owned(),
            volume: Some("pvc-1".to_owned()),
            class: Some("gp3".to_owned()),
            class_exists: Some(true),
            zones: vec![zone.into()],
            hosts: Vec::new(),
        };
        let asked = Ask::Claim { namespace: "shop".to_owned(), name: "data".to_owned() };
        let pod = Pod { claims: vec!["data".to_owned()], ..unplaced(words).pod };
        let answers = vec![(asked, Known::Is(Fact::Claim(Some(claim))))];
        Unplaced { nodes, pod, answers, ..unplaced(words) }.found()
    };
    let in_b = || labelled(cluster_node("n1", true), "topology.kubernetes.io/zone", "b");
    let found = with("b", vec![in_b(), cluster_node("n2", false)]);
    assert_eq!(first(&found), "VOLUME-ZONE persistentvolumeclaim/shop/data blocks");
    assert!(evidence(&found).starts_with("no node that is Ready and not cordoned is in b; cordoned: node/n1"));
    assert_eq!(commands(&found), ["uncordon n1", "cordon n1", "upgrade --max-surge 2"]);
    // A node is there and takes pods: something else keeps it off.
    assert_eq!(first(&with("a", vec![in_b(), cluster_node("n2", false)])), "POD-PENDING pod/shop/cart-2 blocks");
}

#[test]
fn a_claim_without_a_volume_is_the_cause_and_not_the_nodes() {
    let words = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/2 nodes are \
                 available: 2 Preemption is not helpful for scheduling.";
    let object = Object::Claim { namespace: "shop".to_owned(), name: "data".to_owned() };
    let event = KubeEvent {
        reason: "ProvisioningFailed".to_owned(),
        message: "storageclass.storage.k8s.io \"fast\" not found".to_owned(),
        warning: true,
        count: 3,
        first: None,
        last: None,
        reporter: "persistentvolume-controller".to_owned(),
        about: None,
    };
    let answers = vec![(Ask::Events(object), Known::Is(Fact::Events(vec![event])))];
    let pod = Pod { claims: vec!["data".to_owned()], ..unplaced(words).pod };
    let found = Unplaced { pod, answers, ..unplaced(words) }.found();
    assert_eq!(first(&found), "CLAIM-PENDING persistentvolumeclaim/shop/data blocks");
    assert!(evidence(&found).contains("ProvisioningFailed: storageclass.storage.k8s.io \"fast\" not found"));
}

#[test]
fn gates_are_named_and_can_be_taken_away() {
    let gated = Trouble {
        unscheduled: Some(Unscheduled { reason: "SchedulingGated".to_owned(), message: None }),
        gates: vec!["kueue.x-k8s.io/admission".to_owned()],
        ..Trouble::default()
    };
    let mut cluster = unplaced("").cluster();
    let pending = |seconds, trouble| not_ready(Pod { created_at: ago(seconds), ..unplaced("").pod }, seconds, trouble);
    let pdb = PdbRef { namespace: "shop".to_owned(), name: "cart".to_owned() };
    let mut with = |pod: Pod| {
        cluster.see(Change::PdbPods(pdb.clone(), vec![pod]));
        cluster.examine(&Subject::Group)
    };
    let found = with(pending(60, gated));
    assert_eq!(first(&found), "SCHEDULING-GATED pod/shop/cart-2 blocks");
    assert_eq!(
        commands(&found),
        ["-n shop patch pod/cart-2 --type=json -p '[{\"op\":\"test\",\"path\":\"/spec/schedulingGates/0/name\",\
          \"value\":\"kueue.x-k8s.io/admission\"},{\"op\":\"remove\",\"path\":\"/spec/schedulingGates/0\"}]'"]
    );
    // Nobody has looked at it, for long; a pod that is seconds old has nothing to tell.
    assert_eq!(first(&with(pending(60, Trouble::default()))), "NO-SCHEDULER pod/shop/cart-2 blocks");
    assert!(!told(&with(pending(10, Trouble::default()))).iter().any(|line| line.contains("NO-SCHEDULER")));
}

#[test]
fn words_that_nobody_knows_are_told_as_they_are() {
    let words = "0/2 nodes are available: 1 node(s) didn't have free ports for the requested pod ports, 1 node(s) were \
                 unschedulable.";
    let found = unplaced(words).found();
    assert_eq!(first(&found), "POD-PENDING pod/shop/cart-2 blocks");
    assert!(evidence(&found).contains("free ports for the requested pod ports"));
    let fewer = ["-n shop scale deployment/cart --replicas=2", "-n shop scale deployment/cart --replicas=3"];
    assert_eq!(commands(&found), ["upgrade --max-surge 1", fewer[0], fewer[1]]);
    assert_eq!(
        first(&unplaced("a scheduler of their own has its own words").found()),
        "POD-PENDING pod/shop/cart-2 blocks"
    );
}
