use super::*;

fn stopping(pod: Pod, due: Timestamp, grace_seconds: u32) -> Pod {
    Pod { deletion: Some(Deletion { due, grace_seconds }), ..pod }
}

fn found(pod: Pod) -> Vec<String> {
    Cluster::new().pods([pod]).found()
}

#[test]
fn a_pod_without_a_controller_needs_a_consent() {
    let bare = || Pod { owner: None, ..pod("shell", "n1") };
    assert_eq!(found(bare()), ["BARE-POD pod/shop/shell blocks"]);
    assert!(found(Pod { mirror: true, ..bare() }).is_empty());
    let mut agreed = Cluster::new().pods([bare()]);
    agreed.policy.delete_unmanaged = true;
    assert!(agreed.found().is_empty());
}

#[test]
fn a_pod_past_its_grace_is_stuck_or_kept_by_a_finalizer_and_one_in_time_is_neither() {
    assert!(found(stopping(pod("cart-1", "n1"), ago(5), 30)).is_empty());
    assert_eq!(found(stopping(pod("cart-1", "n1"), ago(15), 30)), ["STUCK-TERMINATING pod/shop/cart-1 blocks"]);
    let kept = || has_ended(kept_by_finalizer(), 20);
    assert_eq!(found(stopping(kept(), ago(15), 30)), ["FINALIZER pod/shop/cart-1 blocks"]);
    assert!(found(kept_by_finalizer()).is_empty());
    // It need not be due: its containers ended early in its grace, or only just now.
    let hours = |pod| stopping(pod, now() + Duration::from_hours(1), 7200);
    assert_eq!(found(hours(kept())), ["FINALIZER pod/shop/cart-1 blocks"]);
    assert!(found(hours(has_ended(kept_by_finalizer(), 5))).is_empty());
    // Where the kubelet is silent nobody would say that it has stopped.
    let mut silent = Cluster::new();
    silent.see(Change::Node(Box::new(Node { ready: Readiness::Unknown, ..node("n1", Some(ago(3600))) })));
    let silent = silent.pods([stopping(pod("cart-1", "n1"), ago(15), 30)]);
    assert_eq!(silent.found(), ["KUBELET-SILENT node/n1 blocks"]);
}

fn kept_by_finalizer() -> Pod {
    Pod { finalizers: vec!["example.com/hold".to_owned()], ..pod("cart-1", "n1") }
}

/// The same pod, whose container ended so long ago.
fn has_ended(pod: Pod, seconds: u64) -> Pod {
    let exit = Exit { code: 0, reason: Some("Completed".to_owned()), message: None, at: Some(ago(seconds)) };
    not_ready(pod, seconds, in_container(ContainerState::Ended(exit), 0))
}

#[test]
fn while_containers_run_it_is_the_kubelet_that_keeps_a_pod_and_no_finalizer() {
    // A pod that is Ready runs, and one of whose containers some still do, too.
    let mut half = has_ended(kept_by_finalizer(), 20);
    let running = in_container(ContainerState::Running, 0).containers;
    half.trouble.as_mut().unwrap().containers.extend(running);
    for runs in [kept_by_finalizer(), half] {
        assert!(found(stopping(runs.clone(), ago(5), 30)).is_empty());
        let stuck = Cluster::new().pods([stopping(runs.clone(), ago(15), 30)]).examine(&Subject::Group);
        assert_eq!(told(&stuck), ["STUCK-TERMINATING pod/shop/cart-1 blocks"]);
        assert_eq!(stuck.findings[0].evidence[1].says, "when they have, example.com/hold still keeps its record");
        // Its record stays until both are gone, and nobody waits in between.
        let lines: Vec<_> = fixes(&stuck.findings[0])[0].run.iter().map(line).collect();
        assert_eq!(lines[0], "-n shop delete pod/cart-1 --grace-period=0 --force --wait=false");
        assert!(lines[1].starts_with("-n shop patch pod/cart-1 --type=json"), "{lines:?}");
        let mut silent = Cluster::new();
        silent.see(Change::Node(Box::new(Node { ready: Readiness::Unknown, ..node("n1", Some(ago(3600))) })));
        assert_eq!(silent.pods([stopping(runs, ago(15), 30)]).found(), ["KUBELET-SILENT node/n1 blocks"]);
    }
    let slow = Pod { grace_seconds: 7200, ..kept_by_finalizer() };
    assert_eq!(found(stopping(slow, now() + Duration::from_hours(1), 7200)), ["LONG-GRACE pod/shop/cart-1 waits"]);
}

#[test]
fn a_finished_pod_holds_nobody_unless_its_stateful_set_waits_for_its_name() {
    let with = |kind: &str| {
        let owner = Some(Owner { kind: kind.to_owned(), name: "db".to_owned() });
        let done = Pod { owner, phase: PodPhase::Failed, ready: false, ..kept_by_finalizer() };
        let done = Pod { node: Some("n2".into()), ..stopping(done, ago(60), 0) };
        let pods = [pod("cart-2", "n1"), done, pod("cart-3", "n2")];
        Cluster::new().budget(budget(max_unavailable(1), 3, 2, 2), pods).found()
    };
    assert_eq!(with("StatefulSet"), ["FINALIZER pod/shop/cart-1 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(with("ReplicaSet"), ["PDB-EXHAUSTED pdb/shop/cart blocks"]);
}

#[test]
fn a_finalizer_is_taken_away_only_as_it_was_seen() {
    let kept = has_ended(kept_by_finalizer(), 20);
    let found = Cluster::new().pods([stopping(kept, ago(15), 30)]).examine(&Subject::Group);
    let take = |index: usize, name: &str| {
        format!(
            "-n shop patch pod/cart-1 --type=json -p '[{{\"op\":\"test\",\"path\":\"/metadata/finalizers/{index}\",\
             \"value\":\"{name}\"}},{{\"op\":\"remove\",\"path\":\"/metadata/finalizers/{index}\"}}]'"
        )
    };
    let lines = |found: &Diagnosis| {
        let fixes = fixes(&found.findings[0]);
        fixes.iter().flat_map(|fix| &fix.run).map(|command| line(command).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lines(&found), [take(0, "example.com/hold")]);
    // Of several each by itself, the last first: what is before it keeps its place.
    let finalizers = vec!["example.com/hold".to_owned(), "example.com/count".to_owned()];
    let two = has_ended(Pod { finalizers, ..kept_by_finalizer() }, 20);
    let found = Cluster::new().pods([stopping(two, ago(15), 30)]).examine(&Subject::Group);
    assert_eq!(lines(&found), [take(1, "example.com/count"), take(0, "example.com/hold")]);
}

#[test]
fn a_grace_longer_than_a_node_waits_is_told_before_and_while_it_runs() {
    let slow = || Pod { grace_seconds: 7200, ..pod("batch", "n1") };
    let cluster = Cluster::new().pods([slow()]);
    assert_eq!(told(&cluster.examine(&Subject::BeforeUpgrade)), ["LONG-GRACE pod/shop/batch waits"]);
    assert!(cluster.found().is_empty());
    assert_eq!(found(stopping(slow(), now() + Duration::from_hours(1), 7200)), ["LONG-GRACE pod/shop/batch waits"]);
    // What has begun can only be made shorter than the fifteen minutes that a node waits.
    let stops = Cluster::new().pods([stopping(slow(), now() + Duration::from_hours(1), 7200)]);
    let stops = stops.examine(&Subject::Group);
    let lines: Vec<_> = fixes(&stops.findings[0]).iter().flat_map(|remedy| &remedy.run).map(line).collect();
    assert_eq!(lines, ["--drain-timeout 2h05m", "-n shop delete pod/batch --grace-period=890 --wait=false"]);
    // Whoever drains by hand waits for as long as it takes; a run that marked the node, and EKS, do not.
    let begun = || Pod { node: Some("n3".into()), ..stopping(slow(), now() + Duration::from_hours(1), 7200) };
    let mut node = node("n3", Some(ago(3600)));
    let on = |node: &Node| {
        let mut cluster = Cluster::new();
        cluster.see(Change::Node(Box::new(node.clone())));
        cluster.see(Change::PodsListed("n3".into()));
        cluster.pods([begun()]).found()
    };
    assert_eq!(on(&node), ["LONG-GRACE pod/shop/batch waits"]);
    node.marks = Marks([(crate::domain::key::RUN.to_owned(), "run-1".to_owned())].into());
    assert_eq!(on(&node), ["LONG-GRACE pod/shop/batch blocks"]);
    let mut capped = Cluster::new().pods([slow()]);
    capped.policy.max_grace_period = Some(600);
    assert!(told(&capped.examine(&Subject::BeforeUpgrade)).is_empty());
}

#[test]
fn pods_that_were_made_after_the_cordon_and_tolerate_it_come_back() {
    let everything = |key: Option<&str>| Toleration {
        key: key.map(str::to_owned),
        operator: TolerationOperator::Exists,
        value: String::new(),
        effect: None,
    };
    let made =
        |seconds, key| Pod { created_at: ago(seconds), tolerations: vec![everything(key)], ..pod("agent-9", "n1") };
    let found_of = |pod: Pod| Cluster::new().pods([pod]).examine(&Subject::Group);
    let found = found_of(made(60, None));
    assert_eq!(told(&found), ["LANDS-BACK deployment/shop/cart blocks"]);
    // Bound before the cordon, or in the moment of it, or tolerating another taint.
    assert!(found_of(made(7200, None)).findings.is_empty());
    let mut young = Cluster::new();
    young.see(Change::Node(Box::new(node("n1", Some(ago(10))))));
    assert!(young.pods([made(8, None)]).found().is_empty());
    // One that was bound in the moment of it and stayed was not sent away.
    assert_eq!(told(&found_of(made(3598, None))), ["LANDS-BACK deployment/shop/cart blocks"]);
    assert!(found_of(made(60, Some("node.kubernetes.io/not-ready"))).findings.is_empty());
    // Before anything is tried nobody knows where it will go.
    let before = Cluster::new().pods([Pod { node: Some("n2".into()), ..made(7200, None) }]);
    assert_eq!(told(&before.examine(&Subject::BeforeUpgrade)), ["LANDS-BACK deployment/shop/cart notes"]);
}

#[test]
fn pods_that_stay_by_design_are_told_to_whoever_asks_about_the_node() {
    let daemon = Owner { kind: "DaemonSet".to_owned(), name: "aws-node".to_owned() };
    let cluster = Cluster::new().pods([
        Pod { owner: Some(daemon), ..pod("aws-node-1", "n1") },
        Pod { mirror: true, ..pod("kube-proxy", "n1") },
    ]);
    assert!(cluster.found().is_empty());
    let found = cluster.examine(&Subject::Nodes(["n1".into()].into()));
    assert_eq!(told(&found), ["STAYS-BY-DESIGN node/n1 notes"]);
    assert_eq!(found.blocking().count(), 0);
}

#[test]
fn the_toleration_is_taken_out_of_the_template_and_no_other() {
    let all = serde_json::json!([
        { "key": "gpu", "operator": "Exists" },
        { "operator": "Exists" },
        { "key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule" },
    ]);
    let everything = Toleration { key: None, operator: TolerationOperator::Exists, value: String::new(), effect: None };
    let found = |tolerations: serde_json::Value| {
        let back = Pod { created_at: ago(60), tolerations: vec![everything.clone()], ..pod("agent-9", "n1") };
        let template = deployment(|known| known.template = serde_json::json!({ "tolerations": tolerations }));
        Cluster::new().pods([back]).told(template).examine(&Subject::Group)
    };
    let few = found(all.clone());
    let keep_off = fixes(&few.findings[0])[0];
    assert_eq!(
        line(&keep_off.run[0]),
        "-n shop patch deployment/cart --type=json -p '[{\"op\":\"test\",\"path\":\"/spec/template/spec/tolerations/2\",\
         \"value\":{\"effect\":\"NoSchedule\",\"key\":\"node.kubernetes.io/unschedulable\",\"operator\":\"Exists\"}},{\"op\":\
         \"remove\",\"path\":\"/spec/template/spec/tolerations/2\"},{\"op\":\"test\",\"path\":\
         \"/spec/template/spec/tolerations/1\",\"value\":{\"operator\":\"Exists\"}},{\"op\":\"remove\",\"path\":\
         \"/spec/template/spec/tolerations/1\"}]'"
    );
    assert!(line(&keep_off.back[0]).contains("{\"op\":\"add\",\"path\":\"/spec/template/spec/tolerations/1\""));
    // Without any other the list itself goes.
    let only = found(serde_json::json!([{ "operator": "Exists" }]));
    assert!(
        line(&fixes(&only.findings[0])[0].run[0])
            .contains("{\"op\":\"remove\",\"path\":\"/spec/template/spec/tolerations\"}")
    );
    // Where it is not in the template, somebody puts it in later: nothing to take out.
    assert_eq!(fixes(&found(serde_json::json!([])).findings[0]).len(), 1);
}

#[test]
fn an_autoscaler_that_must_not_move_a_pod_is_told_and_holds_nobody() {
    let kept = Pod { no_scale_down: Some("karpenter.sh/do-not-disrupt: \"true\"".to_owned()), ..pod("cart-1", "n1") };
    let found = Cluster::new().pods([kept, pod("cart-2", "n1")]).examine(&Subject::Group);
    assert_eq!(told(&found), ["AUTOSCALER-KEEPS deployment/shop/cart notes"]);
    assert_eq!(found.blocking().count(), 0);
}
