use super::*;

/// What is found where one of three pods of a budget is so.
fn with(second: Pod) -> Diagnosis {
    let pods = [pod("cart-1", "n1"), second, pod("cart-3", "n2")];
    Cluster::new().budget(budget(max_unavailable(1), 3, 2, 2), pods).examine(&Subject::Group)
}

fn second() -> Pod {
    pod("cart-2", "n2")
}

fn evidence(diagnosis: &Diagnosis) -> &str {
    &diagnosis.findings[0].evidence[0].says
}

#[test]
fn a_crash_is_the_root_and_the_budget_its_symptom() {
    let found = with(not_ready(second(), 600, crashing()));
    assert_eq!(told(&found), ["POD-CRASH-LOOP pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(evidence(&found), "CrashLoopBackOff, exit 137 OOMKilled, 9 restarts");
    let holds = &found.findings[0].holds;
    assert_eq!((holds.nodes.len(), holds.pods.len()), (1, 1));
    // One restart may have been the last.
    let once = with(not_ready(second(), 5, in_container(ContainerState::Running, 1)));
    assert_eq!(told(&once), ["POD-STARTING pod/shop/cart-2 waits <- PDB-EXHAUSTED pdb/shop/cart"]);
}

#[test]
fn an_image_that_cannot_be_had_is_named_and_one_that_is_being_pulled_is_a_start() {
    let pull = |reason| {
        let pending = Pod { phase: PodPhase::Pending, created_at: ago(30), ..second() };
        with(not_ready(pending, 30, in_container(waiting(reason), 0)))
    };
    let found = pull("ErrImagePull");
    assert_eq!(told(&found), ["POD-IMAGE-PULL pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(found.findings[0].says, "the image shop/cart:2 of pod/shop/cart-2 cannot be had");
    assert_eq!(told(&pull("ContainerCreating")), ["POD-STARTING pod/shop/cart-2 waits <- PDB-EXHAUSTED pdb/shop/cart"]);
}

#[test]
fn a_pod_gets_twice_what_its_slowest_sibling_took() {
    let late = |seconds, siblings: u64| {
        let took = Duration::from_secs(siblings);
        let sibling = |name, node| Pod { created_at: ago(7200) - took, ..pod(name, node) };
        let pods = [
            sibling("cart-1", "n1"),
            not_ready(second(), seconds, in_container(ContainerState::Running, 0)),
            sibling("cart-3", "n2"),
        ];
        told(&Cluster::new().budget(budget(max_unavailable(1), 3, 2, 2), pods).examine(&Subject::Group))
    };
    assert_eq!(late(50, 10), ["POD-NOT-READY pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(late(50, 40), ["POD-STARTING pod/shop/cart-2 waits <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(late(90, 40), ["POD-NOT-READY pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    // A sibling that was not Ready in between does not excuse hours.
    assert_eq!(late(400, 4000), ["POD-NOT-READY pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
}

#[test]
fn a_pod_on_a_node_that_is_not_ready_is_not_blamed_itself() {
    let pods = [pod("cart-1", "n1"), not_ready(second(), 90, Trouble::default()), pod("cart-3", "n1")];
    let mut cluster = Cluster::new().budget(budget(max_unavailable(1), 3, 2, 2), pods);
    let silent = Node { ready: Readiness::NotReady("KubeletNotReady".to_owned()), ..node("n2", None) };
    cluster.see(Change::Node(Box::new(silent)));
    assert_eq!(cluster.found(), ["POD-STARTING pod/shop/cart-2 waits <- PDB-EXHAUSTED pdb/shop/cart"]);
}

#[test]
fn what_is_missing_without_a_reason_is_told_as_the_budget_itself() {
    let pods = [pod("cart-1", "n1"), pod("cart-3", "n2")];
    let mut pdb = budget(max_unavailable(1), 3, 2, 2);
    let found = |pdb: &Pdb| Cluster::new().budget(pdb.clone(), pods.clone()).found();
    assert_eq!(found(&pdb), ["PDB-EXHAUSTED pdb/shop/cart blocks"]);
    // An ordinary replacement takes less than that.
    pdb.status.blocked_since = Some(ago(20));
    assert_eq!(found(&pdb), ["PDB-EXHAUSTED pdb/shop/cart waits"]);
}

#[test]
fn a_pod_that_is_asked_about_is_explained_though_nothing_waits_for_it() {
    let broken = not_ready(pod("cart-1", "n1"), 600, crashing());
    let about = Subject::Pod(broken.id.clone());
    assert_eq!(told(&Cluster::new().pods([broken]).examine(&about)), ["POD-CRASH-LOOP pod/shop/cart-1 blocks"]);
}
