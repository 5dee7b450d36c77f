use super::*;

/// A replacement on `n2` whose volume is attached to this node, for so long.
fn waiting(on: &str, seconds: u64, events: Known<Fact>) -> Diagnosis {
    waiting_beside(&[], on, seconds, events)
}

/// The same, while a pod on `n1` has these claims.
fn waiting_beside(claims: &[&str], on: &str, seconds: u64, events: Known<Fact>) -> Diagnosis {
    let claims = claims.iter().map(|claim| (*claim).to_owned()).collect();
    waiting_for(Pod { claims, ..super::pod("cart-1", "n1") }, on, seconds, events)
}

/// The same with this pod on `n1`.
fn waiting_for(user: Pod, on: &str, seconds: u64, events: Known<Fact>) -> Diagnosis {
    let starting = Trouble { containers: Vec::new(), ..in_container(super::waiting("ContainerCreating"), 0) };
    let pod = |name| Pod { claims: vec!["data".to_owned()], phase: PodPhase::Pending, ..pod(name, "n2") };
    let waits = not_ready(Pod { created_at: ago(seconds), ..pod("cart-2") }, seconds, starting);
    let events_of = Ask::Events(Object::Pod(waits.id.clone()));
    let claim = Claim {
        phase: "Bound".to_owned(),
        volume: Some("pvc-1".to_owned()),
        class: None,
        class_exists: None,
        zones: Vec::new(),
        hosts: Vec::new(),
    };
    let attachment = Attachment {
        name: "csi-1".to_owned(),
        volume: "pvc-1".to_owned(),
        node: on.into(),
        attached: true,
        deleting_since: None,
        created_at: ago(7200),
        error: None,
    };
    let asked = Ask::Claim { namespace: "shop".to_owned(), name: "data".to_owned() };
    let others = [user, super::pod("cart-3", "n1")];
    Cluster::new()
        .budget(budget(max_unavailable(1), 3, 2, 2), others.into_iter().chain([waits]))
        .told((asked, Known::Is(Fact::Claim(Some(claim)))))
        .told((Ask::Attachments, Known::Is(Fact::Attachments(vec![attachment]))))
        .told((events_of, events))
        .examine(&Subject::Group)
}

fn multi_attach() -> Known<Fact> {
    let message = "Multi-Attach error for volume \"pvc-1\" Volume is already exclusively attached to one node and can't be \
                   attached to another";
    let event = KubeEvent {
        reason: "FailedAttachVolume".to_owned(),
        message: message.to_owned(),
        warning: true,
        count: 1,
        first: Some(ago(60)),
        last: Some(ago(60)),
        reporter: "attachdetach-controller".to_owned(),
        about: None,
    };
    Known::Is(Fact::Events(vec![event]))
}

#[test]
fn a_volume_that_stays_attached_elsewhere_names_the_node() {
    let found = waiting("n1", 60, multi_attach());
    assert_eq!(
        told(&found)[0],
        "VOLUME-ATTACHED persistentvolumeclaim/shop/data blocks <- PDB-EXHAUSTED pdb/shop/cart"
    );
    let finding = &found.findings[0];
    assert_eq!(
        finding.says,
        "the volume of persistentvolumeclaim/shop/data is still attached to node/n1, and pod/shop/cart-2 waits"
    );
    assert_eq!(finding.evidence[0].says, "volumeattachment/csi-1 names node/n1");
    assert_eq!(finding.since, Some(ago(60)));
    // Without a right to events the attachment alone tells it.
    let lack = || Known::Unknown(Lack::Right("list events in namespace shop".to_owned()));
    assert!(told(&waiting("n1", 60, lack()))[0].starts_with("VOLUME-ATTACHED"));
}

#[test]
fn whoever_still_stops_in_time_may_have_its_volume_until_then() {
    let due = |seconds: i64| {
        let due = now() + jiff::SignedDuration::from_secs(seconds);
        let deletion = Some(Deletion { due, grace_seconds: 120 });
        Pod { claims: vec!["data".to_owned()], deletion, ..super::pod("cart-1", "n1") }
    };
    let told = |seconds| told(&waiting_for(due(seconds), "n1", 90, multi_attach()));
    assert!(
        told(60).iter().any(|line| line.starts_with("VOLUME-ATTACHED") && line.contains(" waits")),
        "{:?}",
        told(60)
    );
    let late = waiting_for(due(-60), "n1", 90, multi_attach());
    let blocks = late.findings.iter().find(|finding| finding.cause == Cause::VolumeAttached).unwrap();
    assert_eq!(blocks.grade, Grade::Blocks);
    // It was told to go already.
    let deletes = |remedy: &Remedy| {
        remedy.run.iter().any(|line| matches!(line, Command::Kubectl(line) if line.contains("delete pod/")))
    };
    assert!(!blocks.remedies.iter().any(deletes));
}

#[test]
fn an_attachment_is_forgotten_only_where_no_pod_needs_it() {
    let lines = |claims: &[&str]| -> Vec<String> {
        let found = waiting_beside(claims, "n1", 60, multi_attach());
        fixes(&found.findings[0]).iter().flat_map(|remedy| &remedy.run).map(|it| line(it).to_owned()).collect()
    };
    assert_eq!(lines(&[]), ["delete volumeattachment/csi-1"]);
    assert_eq!(lines(&["data"]), ["-n shop delete pod/cart-1"]);
}

#[test]
fn whoever_looks_at_an_empty_node_hears_that_it_still_has_volumes() {
    let with = |volumes: &[&str], pods: Vec<Pod>| {
        let mut cluster = Cluster::new();
        let volumes = volumes.iter().map(|volume| (*volume).to_owned()).collect();
        cluster.see(Change::Node(Box::new(Node { volumes, ..node("n1", Some(ago(3600))) })));
        told(&cluster.pods(pods).examine(&Subject::Group))
    };
    assert_eq!(with(&["vol-1"], Vec::new()), ["VOLUME-DETACHING node/n1 waits"]);
    assert!(with(&["vol-1"], vec![super::pod("cart-1", "n1")]).is_empty());
    assert!(with(&[], Vec::new()).is_empty());
}

#[test]
fn what_detaches_within_seconds_or_is_where_it_should_be_blocks_nobody() {
    let none = || Known::Is(Fact::Events(Vec::new()));
    assert!(told(&waiting("n1", 10, none()))[0].starts_with("VOLUME-ATTACHED persistentvolumeclaim/shop/data waits"));
    // The event of a moment ago is history once the volume is here.
    assert!(!told(&waiting("n2", 60, multi_attach())).iter().any(|line| line.contains("VOLUME")));
}
