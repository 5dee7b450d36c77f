use super::*;

fn two_ready() -> [Pod; 2] {
    [pod("cart-1", "n1"), pod("cart-2", "n2")]
}

#[test]
fn a_budget_that_asks_for_all_its_pods_never_allows() {
    let all = PdbRule::MinAvailable(IntOrPercent::Percent(100));
    let cluster = Cluster::new().budget(budget(all, 2, 2, 2), two_ready()).told(deployment(|_| {}));
    let found = cluster.examine(&Subject::Group);
    assert_eq!(told(&found), ["PDB-NEVER-ALLOWS pdb/shop/cart blocks"]);
    let finding = &found.findings[0];
    assert_eq!(
        finding.evidence[0].says,
        "minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and always"
    );
    let commands: Vec<_> = finding.remedies.iter().flat_map(|remedy| remedy.run.iter().chain(&remedy.back)).collect();
    insta::assert_debug_snapshot!(commands, @r#"
    [
        Kubectl(
            "-n shop rollout restart deployment/cart",
        ),
        Kubectl(
            "-n shop patch pdb/cart --type=merge -p '{\"spec\":{\"minAvailable\":1}}'",
        ),
        Kubectl(
            "-n shop patch pdb/cart --type=merge -p '{\"spec\":{\"minAvailable\":\"100%\"}}'",
        ),
        Upgrade(
            "--force",
        ),
    ]
    "#);
}

#[test]
fn a_budget_with_room_for_one_holds_nobody_and_neither_does_one_that_is_not_asked() {
    let one = || budget(max_unavailable(1), 2, 1, 2);
    assert!(Cluster::new().budget(one(), two_ready()).found().is_empty());
    // A pod that has not started leaves whatever its budget says.
    let never = || budget(max_unavailable(0), 2, 2, 2);
    let starting = Pod { phase: PodPhase::Pending, ready: false, ..pod("cart-1", "n1") };
    assert!(Cluster::new().budget(never(), [starting, pod("cart-2", "n2")]).found().is_empty());
    let mut past = Cluster::new().budget(never(), two_ready());
    past.policy.disable_eviction = true;
    assert!(past.found().is_empty());
}

#[test]
fn what_force_will_delete_anyway_is_waited_for() {
    let mut cluster = Cluster::new().budget(budget(max_unavailable(0), 2, 2, 2), two_ready());
    cluster.policy.force = true;
    assert_eq!(cluster.found(), ["PDB-NEVER-ALLOWS pdb/shop/cart waits"]);
}

#[test]
fn a_fixed_number_looks_for_a_moment_as_if_it_never_allowed_while_a_pod_is_replaced() {
    let mut pdb = budget(PdbRule::MinAvailable(IntOrPercent::Int(2)), 2, 2, 2);
    pdb.status.blocked_since = Some(ago(2));
    assert_eq!(Cluster::new().budget(pdb, two_ready()).found(), ["PDB-NEVER-ALLOWS pdb/shop/cart waits"]);
}

#[test]
fn a_broken_pod_that_its_own_budget_keeps_is_told_with_what_broke_it() {
    let broken = || not_ready(pod("cart-1", "n1"), 600, crashing());
    let pdb = || budget(max_unavailable(1), 3, 2, 1);
    let others = || [not_ready(pod("cart-2", "n2"), 600, crashing()), pod("cart-3", "n2")];
    let cluster = Cluster::new().budget(pdb(), [broken()].into_iter().chain(others()));
    assert_eq!(
        cluster.found(),
        ["PDB-UNHEALTHY-BLOCKS pod/shop/cart-1 blocks because PDB-EXHAUSTED pdb/shop/cart because POD-CRASH-LOOP \
          pod/shop/cart-1 because POD-CRASH-LOOP pod/shop/cart-2"]
    );
    let always = Pdb { unhealthy: UnhealthyPolicy::AlwaysAllow, ..pdb() };
    assert!(Cluster::new().budget(always, [broken()].into_iter().chain(others())).found().is_empty());
    // One that is only starting will be Ready in a moment.
    let young = not_ready(pod("cart-1", "n1"), 5, in_container(ContainerState::Running, 0));
    let found = Cluster::new().budget(pdb(), [young].into_iter().chain(others())).found();
    assert!(found.iter().all(|line| !line.starts_with("PDB-UNHEALTHY-BLOCKS pod/shop/cart-1 blocks")), "{found:?}");
}

#[test]
fn two_budgets_over_one_pod_are_named_both() {
    let second = || Pdb {
        id: PdbRef { namespace: "shop".to_owned(), name: "tier".to_owned() },
        ..budget(max_unavailable(1), 2, 1, 2)
    };
    let both =
        |second| Cluster::new().budget(budget(max_unavailable(1), 2, 1, 2), two_ready()).budget(second, two_ready());
    assert_eq!(both(second()).found(), ["TWO-BUDGETS pdb/shop/cart and pdb/shop/tier blocks"]);
    let apart = Pdb { selector: Selector::labels([("app", "other")]), ..second() };
    assert!(both(apart).found().is_empty());
}

#[test]
fn a_budget_that_cannot_be_counted_gives_the_controllers_words() {
    let mut pdb = budget(PdbRule::MaxUnavailable(IntOrPercent::Percent(50)), 0, 0, 0);
    pdb.status.sync_failed = Some("found no controllers for pod \"cart-1\"".to_owned());
    let found = Cluster::new().budget(pdb, two_ready()).examine(&Subject::Group);
    assert_eq!(told(&found), ["PDB-SYNC-FAILED pdb/shop/cart blocks"]);
    let fix = &found.findings[0].remedies[1];
    assert_eq!(
        fix.run,
        [Command::Kubectl(
            r#"-n shop patch pdb/cart --type=merge -p '{"spec":{"maxUnavailable":null,"minAvailable":1}}'"#.to_owned()
        )]
    );
}

#[test]
fn an_eviction_that_came_to_nothing_is_stale_once_its_controller_should_have_forgotten_it() {
    let stuck = |seconds, deletion| {
        let mut pdb = budget(max_unavailable(1), 2, 1, 1);
        pdb.status.disrupted = [("cart-2".to_owned(), ago(seconds))].into();
        let pods = [pod("cart-1", "n1"), Pod { deletion, ..pod("cart-2", "n2") }];
        Cluster::new().budget(pdb, pods).found()
    };
    assert_eq!(stuck(200, None), ["PDB-STALE-DISRUPTED pdb/shop/cart blocks"]);
    assert!(!stuck(100, None).iter().any(|line| line.starts_with("PDB-STALE")));
    let leaving = Some(Deletion { due: ago(0), grace_seconds: 30 });
    assert!(!stuck(200, leaving).iter().any(|line| line.starts_with("PDB-STALE")));
}

#[test]
fn a_status_that_is_behind_blocks_once_that_was_seen_for_a_while() {
    let pdb = || Pdb { generation: 2, ..budget(max_unavailable(1), 2, 1, 2) };
    let seen = |seconds| {
        let mut cluster = Cluster::new().budget(pdb(), two_ready());
        let Cluster { memory, snapshot, .. } = &mut cluster;
        memory.note(snapshot, ago(seconds));
        memory.note(snapshot, now());
        cluster.found()
    };
    assert_eq!(seen(10), ["PDB-STATUS-BEHIND pdb/shop/cart waits"]);
    assert_eq!(seen(40), ["PDB-STATUS-BEHIND pdb/shop/cart blocks"]);
}

#[test]
fn whoever_looks_once_goes_by_when_the_spec_was_changed() {
    let changed = |at: Option<Timestamp>| {
        let pdb = Pdb { generation: 2, spec_changed_at: at, ..budget(max_unavailable(1), 2, 1, 2) };
        Cluster::new().budget(pdb, two_ready()).found()
    };
    assert_eq!(changed(Some(ago(10))), ["PDB-STATUS-BEHIND pdb/shop/cart waits"]);
    assert_eq!(changed(Some(ago(40))), ["PDB-STATUS-BEHIND pdb/shop/cart blocks"]);
    // Where the server does not tell, nobody can.
    assert_eq!(changed(None), ["PDB-STATUS-BEHIND pdb/shop/cart waits"]);
}

#[test]
fn who_uses_a_budget_up_cannot_be_told_without_its_pods() {
    let mut cluster = Cluster::new().pods(two_ready());
    cluster.see(Change::Pdb(Box::new(budget(max_unavailable(1), 3, 2, 2))));
    let pdb = PdbRef { namespace: "shop".to_owned(), name: "cart".to_owned() };
    let view = cluster.examine(&Subject::Group);
    assert_eq!(told(&view), ["PDB-EXHAUSTED pdb/shop/cart waits"]);
    let cluster =
        cluster.told((Ask::PodsOf(pdb), Known::Unknown(Lack::Right("list pods in namespace shop".to_owned()))));
    let unknown = &cluster.examine(&Subject::Group).unknown[0];
    assert_eq!(unknown.lacking.to_string(), "lacking the right to list pods in namespace shop");
}

#[test]
fn a_replica_more_is_offered_where_it_helps_and_a_restart_where_new_pods_come_first() {
    let ways = |rule, strategy| {
        let cluster = Cluster::new().budget(budget(rule, 2, 2, 2), two_ready());
        let known = deployment(|known| {
            known.replicas = Some(2);
            known.strategy = strategy;
        });
        let found = cluster.told(known).examine(&Subject::Group);
        fixes(&found.findings[0]).iter().map(|way| line(&way.run[0]).to_owned()).collect::<Vec<_>>()
    };
    let number = PdbRule::MinAvailable(IntOrPercent::Int(2));
    let all = PdbRule::MinAvailable(IntOrPercent::Percent(100));
    let scale = "-n shop scale deployment/cart --replicas=3";
    let restart = "-n shop rollout restart deployment/cart";
    assert_eq!(ways(number, Strategy::Surges)[..2], [restart, scale]);
    assert_eq!(ways(number, Strategy::Recreates)[0], scale);
    assert_eq!(ways(all, Strategy::Surges)[0], restart);
    assert!(ways(all, Strategy::Surges).iter().all(|way| way != scale));
    assert!(!ways(max_unavailable(0), Strategy::Rolls).iter().any(|way| way == scale || way == restart));
}

#[test]
fn of_two_budgets_the_one_that_the_other_implies_goes_first_and_can_be_put_back() {
    let named = |name: &str, desired| Pdb {
        id: PdbRef { namespace: "shop".to_owned(), name: name.to_owned() },
        ..budget(max_unavailable(1), 2, desired, 2)
    };
    let found = Cluster::new().budget(named("strict", 2), two_ready()).budget(named("weak", 1), two_ready());
    let found = found.examine(&Subject::Group);
    let first = fixes(&found.findings[0])[0];
    let lines: Vec<_> = first.run.iter().chain(&first.back).map(line).collect();
    assert_eq!(
        lines,
        [
            "-n shop get pdb/weak -o yaml > weak.yaml",
            "-n shop delete pdb/weak",
            "-n shop annotate pdb/strict mngup.dev/counted=anew",
            "-n shop annotate pdb/strict mngup.dev/counted-",
            "-n shop apply -f weak.yaml",
        ]
    );
    assert_eq!(first.what, "leave the pods to strict, which asks for as much of the same pods");
}

#[test]
fn a_budget_that_counts_on_pods_that_nobody_makes_names_who_is_to_make_them() {
    let with = |expected: i32| {
        let mut pdb = budget(max_unavailable(1), expected, 2, expected - 1);
        pdb.status.allowed = 0;
        pdb.status.blocked_since = Some(ago(60));
        Cluster::new().budget(pdb, two_ready()).examine(&Subject::Group)
    };
    let found = with(3);
    assert_eq!(told(&found), ["PDB-EXHAUSTED pdb/shop/cart blocks"]);
    let finding = &found.findings[0];
    assert_eq!(finding.evidence[1].says, "it counts on 3 pods and there are 2: deployment/shop/cart is to make more");
    let looks: Vec<_> = finding.remedies.iter().flat_map(|remedy| &remedy.run).map(line).collect();
    assert_eq!(looks.last(), Some(&"-n shop describe deployment/cart"));
    // All of them are there: it is used up by something else.
    assert_eq!(with(2).findings[0].evidence.len(), 1);
}
