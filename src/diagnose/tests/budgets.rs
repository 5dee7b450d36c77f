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

/// The lines of the first way out of each finding.
fn first_ways(found: &Diagnosis) -> Vec<Vec<&str>> {
    found.findings.iter().map(|finding| fixes(finding)[0].run.iter().map(line).collect()).collect()
}

fn named(name: &str, rule: PdbRule, selector: Selector) -> Pdb {
    let id = PdbRef { namespace: "shop".to_owned(), name: name.to_owned() };
    Pdb { id, selector, ..budget(rule, 2, 1, 2) }
}

fn cart_budget(name: &str, rule: PdbRule) -> Pdb {
    named(name, rule, Selector::labels([("app", "cart")]))
}

const ALL: PdbRule = PdbRule::MinAvailable(IntOrPercent::Percent(100));

#[test]
fn of_three_budgets_one_is_kept_that_can_allow() {
    let three = [("a", ALL), ("b", max_unavailable(1)), ("c", max_unavailable(1))];
    let cluster = three.into_iter().fold(Cluster::new(), |cluster, (name, rule)| {
        let mut pdb = cart_budget(name, rule);
        pdb.status.desired = i32::try_from(rule.must_stay(2)).unwrap();
        cluster.budget(pdb, two_ready())
    });
    let found = cluster.examine(&Subject::Group);
    let deleted: Vec<_> = first_ways(&found)[0].iter().filter(|line| line.contains(" delete ")).copied().collect();
    assert_eq!(deleted, ["-n shop delete pdb/a", "-n shop delete pdb/b"]);
    // The one that never allows is kept only with what opens it.
    let last = *fixes(&found.findings[0]).last().unwrap();
    assert!(last.what.starts_with("leave the pods to a, and let one of them leave at a time"), "{}", last.what);
    let run: Vec<_> = last.run.iter().map(line).collect();
    assert_eq!(run.last(), Some(&r#"-n shop patch pdb/a --type=merge -p '{"spec":{"minAvailable":1}}'"#));
}

#[test]
fn where_no_budget_can_allow_the_one_that_is_kept_is_opened() {
    let pdb = |name| Pdb { status: budget(ALL, 2, 2, 2).status, ..cart_budget(name, ALL) };
    let found = Cluster::new().budget(pdb("a"), two_ready()).budget(pdb("b"), two_ready()).examine(&Subject::Group);
    let first = fixes(&found.findings[0])[0];
    assert!(first.run.iter().map(line).any(|line| line.contains(r#"{"minAvailable":1}"#)), "{:?}", first.run);
    assert!(first.back.iter().map(line).any(|line| line.contains(r#"{"minAvailable":"100%"}"#)), "{:?}", first.back);
}

#[test]
fn all_first_ways_together_leave_each_pod_one_budget() {
    let label = |name: &str| Selector::labels([("app", name)]);
    let web = || {
        let labels = [("app".to_owned(), "web".to_owned())].into();
        [Pod { labels, ..pod("web-1", "n1") }]
    };
    let everything = || named("a-everything", max_unavailable(1), Selector::default());
    let both = |other: Pdb| {
        let all = two_ready().into_iter().chain(web());
        Cluster::new()
            .budget(cart_budget("cart", max_unavailable(1)), two_ready())
            .budget(other, web())
            .budget(everything(), all)
    };
    let found = both(named("web", max_unavailable(1), label("web"))).examine(&Subject::Group);
    let narrow = r#"-n shop patch pdb/a-everything --type=merge -p '{"spec":{"selector":{"matchExpressions":[{"key":"app","operator":"NotIn","values":["cart","web"]}]}}}'"#;
    assert_eq!(first_ways(&found).iter().map(|way| way[0]).collect::<Vec<_>>(), [narrow, narrow]);
    assert!(found.findings[0].evidence[1].says.contains("a-everything selects all pods of the namespace"));
    // Where one of them cannot be left out by a label, the catch-all goes.
    let tier =
        Requirement { key: "app".to_owned(), operator: SelectorOperator::NotIn, values: vec!["cart".to_owned()] };
    let others = named("web", max_unavailable(1), Selector { requirements: vec![tier], absent: false });
    let found = both(others).examine(&Subject::Group);
    let deleted = first_ways(&found).into_iter().map(|way| way[..2].to_vec()).collect::<Vec<_>>();
    // Whoever runs both finds it gone at the second, and still has what was saved at the first.
    let away = |kept| {
        [
            format!("-n shop get pdb/a-everything -o yaml --ignore-not-found > a-everything-beside-{kept}.yaml"),
            "-n shop delete pdb/a-everything --ignore-not-found".to_owned(),
        ]
    };
    assert_eq!(deleted, [away("cart"), away("web")]);
}

#[test]
fn budgets_that_meet_in_a_chain_are_not_all_deleted() {
    let both = |name: &str, labels: [&str; 2]| Pod {
        labels: labels.map(|label| (label.to_owned(), "yes".to_owned())).into(),
        ..pod(name, "n1")
    };
    let pods = || [both("one", ["a", "b"]), both("two", ["b", "c"]), both("three", ["c", "d"])];
    let with = |cluster: Cluster, name: &str| {
        let selector = Selector::labels([(name, "yes")]);
        let counted: Vec<_> = pods().into_iter().filter(|pod| selector.matches(&pod.labels)).collect();
        cluster.budget(named(name, max_unavailable(1), selector), counted)
    };
    let found = ["a", "b", "c", "d"].into_iter().fold(Cluster::new(), with).examine(&Subject::Group);
    let deleted: BTreeSet<_> = first_ways(&found)
        .into_iter()
        .flatten()
        .filter_map(|line| line.strip_prefix("-n shop delete pdb/")?.split(' ').next())
        .collect();
    assert_eq!((found.findings.len(), deleted), (3, ["b", "d"].into()));
}

#[test]
fn a_restart_is_offered_only_where_its_new_pods_cannot_come_back_and_not_first_for_few_of_many() {
    let restart = "-n shop rollout restart deployment/cart";
    let ways = |cluster: Cluster| {
        let found = cluster.told(deployment(|_| {})).examine(&Subject::Nodes(["n1".into(), "n2".into()].into()));
        fixes(&found.findings[0]).iter().map(|way| line(&way.run[0]).to_owned()).collect::<Vec<_>>()
    };
    // Node n2 takes pods.
    assert!(!ways(Cluster::new().budget(budget(ALL, 2, 2, 2), two_ready())).iter().any(|way| way == restart));
    let cordoned = || [pod("cart-1", "n1"), pod("cart-2", "n1")];
    assert_eq!(ways(Cluster::new().budget(budget(ALL, 2, 2, 2), cordoned()))[0], restart);
    let many = ways(Cluster::new().budget(budget(ALL, 60, 60, 60), cordoned()));
    assert!(many[0].contains("patch pdb/cart") && many[1] == restart, "{many:?}");
}

#[test]
fn before_it_has_settled_nobody_says_that_it_is_so_for_ever() {
    let says = |seconds| {
        let mut pdb = budget(PdbRule::MinAvailable(IntOrPercent::Int(2)), 2, 2, 2);
        pdb.status.blocked_since = Some(ago(seconds));
        let found = Cluster::new().budget(pdb, two_ready()).examine(&Subject::Group);
        format!("{}: {}", found.findings[0].says, found.findings[0].evidence[0].says)
    };
    assert!(says(60).contains("can never allow an eviction: ") && says(60).ends_with("now and always"));
    assert!(!says(2).contains("never") && !says(2).contains("always"), "{}", says(2));
}

#[test]
fn a_budget_that_goes_by_controllers_counts_no_bare_pods() {
    let bare = || Pod { owner: None, ..pod("tool", "n1") };
    let none_expected = |current| {
        let mut pdb = budget(max_unavailable(1), 0, 0, current);
        (pdb.status.allowed, pdb.status.blocked_since) = (0, Some(ago(60)));
        pdb
    };
    let with = |pdb: Pdb, pods: Vec<Pod>| Cluster::new().budget(pdb, pods).examine(&Subject::Group);
    let found = with(none_expected(1), vec![bare()]);
    assert_eq!(told(&found), ["BARE-POD pod/shop/tool blocks because PDB-SYNC-FAILED pdb/shop/cart"]);
    // Once bare pods may leave they are evicted, and their budget alone holds them.
    let mut cluster = Cluster::new().budget(none_expected(1), [bare()]);
    cluster.policy.delete_unmanaged = true;
    let found = cluster.examine(&Subject::Group);
    assert_eq!(told(&found), ["PDB-SYNC-FAILED pdb/shop/cart blocks"]);
    let of = &found.findings[0];
    assert!(of.evidence[0].says.starts_with("maxUnavailable 1 goes by the number of pods that controllers"));
    assert_eq!(
        line(&fixes(of)[0].run[0]),
        r#"-n shop patch pdb/cart --type=merge -p '{"spec":{"maxUnavailable":null,"minAvailable":0}}'"#
    );
    // One that counts pods themselves allows what it allows.
    let number = budget(PdbRule::MinAvailable(IntOrPercent::Int(1)), 2, 1, 2);
    let found = with(number, vec![bare(), Pod { id: pod("tool-2", "n2").id, ..bare() }]);
    assert!(found.findings.iter().all(|found| found.cause == Cause::BarePod), "{:?}", told(&found));
    // Where controllers are to have none, their last pods are on their way out.
    let found = with(none_expected(2), two_ready().into());
    assert!(found.findings.iter().all(|found| found.cause == Cause::PdbExhausted), "{:?}", told(&found));
    assert_eq!(found.findings[0].evidence[0].says, "0 of 0 may be out and 0 are");
}

#[test]
fn a_status_that_contradicts_the_pods_is_behind_once_that_lasts() {
    let with = |seconds, ready_for| {
        let mut pdb = budget(max_unavailable(1), 3, 2, 3);
        (pdb.status.allowed, pdb.status.blocked_since) = (0, Some(ago(seconds)));
        pdb.status.disrupted = [("cart-0".to_owned(), ago(seconds))].into();
        let young = Pod { ready_since: Some(ago(ready_for)), ..pod("cart-3", "n2") };
        Cluster::new().budget(pdb, two_ready().into_iter().chain([young])).found()
    };
    assert_eq!(with(600, 500), ["PDB-STATUS-BEHIND pdb/shop/cart blocks"]);
    // The controller takes seconds: since the last place was taken, and since the last pod became Ready.
    for lags in [with(10, 500), with(600, 10)] {
        assert_eq!(lags, ["PDB-EXHAUSTED pdb/shop/cart waits"]);
    }
}

#[test]
fn of_many_broken_pods_a_few_are_named() {
    let broken = |number| not_ready(pod(&format!("cart-{number:02}"), "n1"), 600, crashing());
    let pdb = budget(max_unavailable(4), 40, 36, 0);
    let found = Cluster::new().budget(pdb, (1..=40).map(broken)).examine(&Subject::Group);
    let all = found.findings.iter().flat_map(|found| found.because.iter().chain([found]));
    let exhausted = all.clone().find(|found| found.cause == Cause::PdbExhausted).unwrap();
    let says = "4 of 40 may be out and 40 are: cart-01, cart-02, cart-03 and 37 more";
    assert_eq!(exhausted.evidence[0].says, says);
}

#[test]
fn a_broken_pod_is_looked_at_first_and_what_was_not_set_is_taken_out_again() {
    let pods = || [not_ready(pod("cart-1", "n1"), 600, crashing()), pod("cart-2", "n2")];
    let ways = |unhealthy| {
        let pdb = Pdb { unhealthy, ..budget(max_unavailable(0), 3, 2, 1) };
        let cluster = Cluster::new().budget(pdb, pods()).told(deployment(|known| known.revision = Some(2)));
        let found = cluster.examine(&Subject::Group).findings.remove(0);
        assert_eq!(found.cause, Cause::PdbUnhealthyBlocks);
        found.remedies
    };
    let unsaid = ways(UnhealthyPolicy::Unsaid);
    assert_eq!(line(&unsaid[0].run[0]), "-n shop logs pod/cart-1 -c app --previous");
    let back = |way: &Remedy| line(&way.back[0]).to_owned();
    assert!(back(&unsaid[1]).ends_with(r#"-p '{"spec":{"unhealthyPodEvictionPolicy":null}}'"#), "{:?}", unsaid[1]);
    let said = ways(UnhealthyPolicy::IfHealthyBudget);
    assert!(back(&said[1]).ends_with(r#"-p '{"spec":{"unhealthyPodEvictionPolicy":"IfHealthyBudget"}}'"#));
    assert_eq!(line(&unsaid.last().unwrap().run[0]), "-n shop rollout undo deployment/cart");
}
