use super::*;
use crate::diagnose::containers::Registry;

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
    let ready = Readiness::NotReady("KubeletNotReady".to_owned());
    cluster.see(Change::Node(Box::new(Node { ready, ready_since: Some(ago(90)), ..node("n2", None) })));
    assert_eq!(
        cluster.found(),
        ["NODE-NOT-READY node/n2 blocks <- PDB-EXHAUSTED pdb/shop/cart", "POD-STARTING pod/shop/cart-2 waits"]
    );
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

fn with_facts(second: Pod, facts: impl IntoIterator<Item = Answer>) -> Diagnosis {
    let pods = [pod("cart-1", "n1"), second, pod("cart-3", "n2")];
    let cluster = Cluster::new().budget(budget(max_unavailable(1), 3, 2, 2), pods);
    facts.into_iter().fold(cluster, Cluster::told).examine(&Subject::Group)
}

fn about_second(reason: &str, message: &str) -> Answer {
    events(Object::Pod(second().id), vec![event(reason, message)])
}

fn pending(seconds: u64, trouble: Trouble) -> Pod {
    not_ready(Pod { phase: PodPhase::Pending, created_at: ago(seconds), ..second() }, seconds, trouble)
}

fn creating() -> Trouble {
    in_container(waiting("ContainerCreating"), 0)
}

#[test]
fn what_a_spec_names_and_nobody_made_is_named() {
    let message = Some("secret \"cart-db\" not found".to_owned());
    let lacks = ContainerState::Waiting { reason: "CreateContainerConfigError".to_owned(), message };
    let found = with(pending(20, in_container(lacks, 0)));
    assert_eq!(told(&found), ["POD-CONFIG-MISSING pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(evidence(&found), "secret \"cart-db\" not found");
    let make = fixes(&found.findings[0])[0];
    assert_eq!(line(&make.run[0]), "-n shop create secret generic cart-db");
    assert_eq!(line(&make.back[0]), "-n shop delete secret/cart-db");
    let volume = "MountVolume.SetUp failed for volume \"settings\" : configmap \"cart\" not found";
    let found = with_facts(pending(60, creating()), [about_second("FailedMount", volume)]);
    assert_eq!(told(&found), ["POD-CONFIG-MISSING pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(line(&fixes(&found.findings[0])[0].run[0]), "-n shop create configmap cart");
}

#[test]
fn an_init_container_is_told_by_its_name_and_one_that_works_is_a_start() {
    let init = |state, restarts| {
        let mut trouble = in_container(waiting("PodInitializing"), 0);
        let init =
            Container { name: "migrate".to_owned(), init: true, ..in_container(state, restarts).containers.remove(0) };
        trouble.containers.insert(0, init);
        trouble
    };
    let found = with(pending(60, init(waiting("CrashLoopBackOff"), 4)));
    assert_eq!(told(&found), ["POD-INIT-FAILS pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(found.findings[0].says, "init container migrate of pod/shop/cart-2 ends again and again");
    let runs = |seconds| told(&with(pending(seconds, init(ContainerState::Running, 0))));
    assert_eq!(runs(120), ["POD-STARTING pod/shop/cart-2 waits <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(runs(700), ["POD-INIT-FAILS pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
}

#[test]
fn a_sandbox_that_cannot_be_made_is_told_apart_from_a_lack_of_addresses() {
    let says = |words: &str| {
        let words = format!("Failed to create pod sandbox: plugin type=\"aws-cni\" failed (add): add cmd: {words}");
        told(&with_facts(pending(60, creating()), [about_second("FailedCreatePodSandBox", &words)]))
    };
    assert_eq!(
        says("failed to assign an IP address to container"),
        ["POD-NO-ADDRESS pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]
    );
    assert_eq!(says("connection refused"), ["POD-SANDBOX pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    // The first try on a new node may fail, and events of another pod of that name are none of its.
    let fresh = KubeEvent { first: Some(ago(5)), ..event("FailedCreatePodSandBox", "connection refused") };
    let other = KubeEvent { about: Some("other".into()), ..event("FailedCreatePodSandBox", "connection refused") };
    let found = with_facts(pending(60, creating()), [events(Object::Pod(second().id), vec![fresh, other])]);
    assert_eq!(told(&found), ["POD-STARTING pod/shop/cart-2 waits <- PDB-EXHAUSTED pdb/shop/cart"]);
    let denied = Known::Unknown(Lack::Right("list events in namespace shop".to_owned()));
    let found = with_facts(pending(60, creating()), [(Ask::Events(Object::Pod(second().id)), denied)]);
    assert_eq!(told(&found), ["POD-STARTING pod/shop/cart-2 waits <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(found.unknown[0].lacking.to_string(), "lacking the right to list events in namespace shop");
}

#[test]
fn a_gate_that_is_shut_is_not_the_programs_fault() {
    let words = "the status of pod readiness gate \"target-health.elbv2.k8s.aws/cart\" is not \"True\", but False";
    let shut = |seconds| {
        let trouble = Trouble { not_ready: Some(words.to_owned()), ..Trouble::default() };
        with(not_ready(second(), seconds, trouble))
    };
    assert_eq!(told(&shut(60)), ["POD-PROBE-GATE pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(told(&shut(20)), ["POD-STARTING pod/shop/cart-2 waits <- PDB-EXHAUSTED pdb/shop/cart"]);
}

#[test]
fn a_probe_that_fails_is_quoted_and_a_node_that_came_back_gives_its_pods_time() {
    let probe = "Readiness probe failed: Get \"http://10.0.2.9:8080/ready\": context deadline exceeded";
    let runs = || not_ready(second(), 90, in_container(ContainerState::Running, 0));
    let found = with_facts(runs(), [about_second("Unhealthy", probe)]);
    assert_eq!(told(&found), ["POD-NOT-READY pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(found.findings[0].evidence[1].says, probe);
    let pods = [pod("cart-1", "n1"), runs(), pod("cart-3", "n1")];
    let mut cluster = Cluster::new().budget(budget(max_unavailable(1), 3, 2, 2), pods);
    cluster.see(Change::Node(Box::new(Node { ready_since: Some(ago(10)), ..node("n2", None) })));
    assert_eq!(cluster.found(), ["POD-STARTING pod/shop/cart-2 waits <- PDB-EXHAUSTED pdb/shop/cart"]);
}

#[test]
fn whoever_may_not_list_events_hears_what_they_would_tell() {
    let lacking = || no_events(Object::Pod(second().id));
    let runs = with_facts(not_ready(second(), 90, in_container(ContainerState::Running, 0)), [lacking()]);
    assert_eq!(told(&runs), ["POD-NOT-READY pod/shop/cart-2 blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    let probe = "cannot tell what its probe is answered: lacking the right to list events in namespace shop";
    assert_eq!(unread(&runs.findings[0]), [probe]);
    let pull = |message: &str| {
        let message = Some(message.to_owned());
        let state = ContainerState::Waiting { reason: "ImagePullBackOff".to_owned(), message };
        with_facts(pending(60, in_container(state, 0)), [lacking()])
    };
    let registry = "cannot tell what the registry answers: lacking the right to list events in namespace shop";
    assert_eq!(unread(&pull("Back-off pulling image \"shop/cart:2\"").findings[0]), [registry]);
    // Newer kubelets say it in the status as well.
    let told = pull("Back-off pulling image \"shop/cart:2\": ErrImagePull: shop/cart:2: not found");
    assert_eq!(unread(&told.findings[0]), [] as [&str; 0]);
    // An answer that is under way is nothing that lacks.
    let asked = with(not_ready(second(), 90, in_container(ContainerState::Running, 0)));
    assert_eq!(unread(&asked.findings[0]), [] as [&str; 0]);
}

#[test]
fn what_a_registry_answers_is_sorted() {
    let answer = |words: &str| Registry::of("ErrImagePull", words);
    assert_eq!(answer("docker.io/shop/cart:2: not found"), Registry::NotFound);
    assert_eq!(answer("manifest unknown: manifest unknown"), Registry::NotFound);
    let processor = "no match for platform in manifest: not found";
    assert_eq!(answer(processor), Registry::Processor, "containerd's words for an image of another processor");
    assert_eq!(answer("pull access denied, repository does not exist or may require authorization"), Registry::Denied);
    assert_eq!(answer("unexpected status: 403 Forbidden"), Registry::Denied);
    assert_eq!(answer("toomanyrequests: You have reached your pull rate limit"), Registry::RateLimit);
    assert_eq!(answer("dial tcp: lookup registry.example.com: no such host"), Registry::Network);
    assert_eq!(answer("what else there may be"), Registry::Other);
    assert_eq!(Registry::of("InvalidImageName", "couldn't parse image name"), Registry::NotFound);
}

#[test]
fn a_rollout_is_undone_where_there_is_one_before_and_memory_doubled_where_it_is_known() {
    let template = serde_json::json!({
        "containers": [{ "name": "app", "resources": { "limits": { "memory": "256Mi" } } }]
    });
    let crash = || not_ready(second(), 600, crashing());
    let known = deployment(|known| {
        known.revision = Some(4);
        known.managed_by = Some("Helm".to_owned());
        known.template = template;
    });
    let found = with_facts(crash(), [known]);
    let ways = fixes(&found.findings[0]);
    assert_eq!(line(&ways[0].run[0]), "-n shop set resources deployment/cart -c app --limits=memory=512Mi");
    assert_eq!(line(&ways[0].back[0]), "-n shop set resources deployment/cart -c app --limits=memory=256Mi");
    assert_eq!(line(&ways[1].run[0]), "-n shop rollout undo deployment/cart");
    assert_eq!(ways[1].risk, "all its pods go back to the old version; Helm may put it back");
    // The first revision has none before it.
    assert!(fixes(&with_facts(crash(), [deployment(|_| {})]).findings[0]).is_empty());
}
