//! L2, L3, L4: a budget that never allows. The run stops, goes on without the node, or goes past the budget, as it was told.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use mngup::domain::Size;

use crate::support::aws::World;
use crate::support::checks;
use crate::support::facts::{cordoned, journal, marked, pods_of, terminated, verdict, versions};
use crate::support::workloads::{all, daemon_set, deployment, pdb};
use crate::support::{Bed, BedOptions, Ended};

/// A shop whose carts may move one at a time, and a ledger of so many pods of which none may.
fn bed(ledgers: u32) -> Option<Bed> {
    let workloads = all([
        deployment("cart", 6).spread().yaml(),
        pdb("cart", "maxUnavailable: 1"),
        deployment("ledger", ledgers).apart().yaml(),
        pdb("ledger", &format!("minAvailable: {ledgers}")),
        daemon_set("agent"),
    ]);
    Bed::start(BedOptions { world: World::default(), workloads })
}

/// What `status` says, without its line breaks.
fn status(bed: &Bed) -> String {
    let run = bed.command("status", &[]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run}");
    run.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The node that the run could not empty, from its journal.
fn stuck_node(run: &Ended) -> String {
    let stuck = journal(run).into_iter().find(|record| record["event"] == "node-stuck").expect("it is in the journal");
    stuck["member"]["node"].as_str().expect("a Node").to_owned()
}

#[test]
fn l2_the_run_stops_gives_the_node_back_and_goes_on_once_the_budget_allows() {
    // One on each node: whichever comes first cannot be emptied.
    let Some(bed) = bed(3) else { return };
    let (before, size, ledgers) = (bed.aws.instances(), bed.aws.size(), pods_of(&bed, "ledger"));

    let run = bed.upgrade(&["--max-surge", "0", "--drain-timeout", "8s", "--post-drain-delay", "0s"]);
    assert_eq!(run.code, Some(5), "{run}");
    assert_snapshot!(verdict(&run, &["cart", "ledger"]), @r#"
    PodEvictionFailure: node/NODE still holds 1 pod after 8s

    PDB-NEVER-ALLOWS  pdb/default/ledger can never allow an eviction
      holds  pod/default/ledger-POD
      why    minAvailable 3 of 3 pods = 3 must stay; 3 are Ready; 0 may leave, now and always (arithmetic)
      fix    # kubectl must point to cluster prod:
             # aws eks update-kubeconfig --name prod
             # one more replica, so that one may leave; risk: not every program may run once more; an autoscaler of it may undo it
             kubectl -n default scale deployment/ledger --replicas=4
      back   # puts it back, once the pods have moved:
             kubectl -n default scale deployment/ledger --replicas=3
      or     # let one pod leave at a time; risk: one pod less for a while
             kubectl -n default patch pdb/ledger --type=merge -p '{"spec":{"minAvailable":2}}'
      back   # puts it back, once the pods have moved:
             kubectl -n default patch pdb/ledger --type=merge -p '{"spec":{"minAvailable":3}}'
      or     # delete what is left when the drain timeout ends; risk: past every budget of the group's pods
             mngup upgrade -c prod -n workers --max-surge 0 --drain-timeout 8s --post-drain-delay 0s --force
      more   mngup explain PDB-NEVER-ALLOWS

    0 of 3 old nodes are replaced; NODE serves again; nothing is in flight
    Next, when it is fixed (goes on where it stopped): mngup upgrade -c prod -n workers
      or, to undo what this run did (new nodes stay): mngup abort -c prod -n workers
    "#);
    assert_eq!((terminated(&bed.aws), bed.aws.instances()), (Vec::new(), before));
    assert_eq!(pods_of(&bed, "ledger"), ledgers, "the same pods on the same nodes");
    checks::is_at_rest(&bed, size, &BTreeSet::new());
    // Whoever looks later has no journal: the cluster remembers who and what held it.
    let (said, node) = (status(&bed), stuck_node(&run));
    let why = format!("ago: pods would not leave node/{node} within 8s (PodEvictionFailure): pod/default/ledger-");
    assert!(said.contains(&why), "{said}");
    let budget = "(pdb/default/ledger: minAvailable 3 of 3: 3 must stay, 3 are Ready, 0 may leave now and always)";
    assert!(said.contains(budget), "{said}");
    assert!(said.contains("0 of 3 old nodes are replaced") && !said.contains("is quarantined"), "{said}");
    assert!(said.contains("Next: mngup upgrade -c prod -n workers # goes on"), "{said}");

    let to_ledgers = bed.evictions().into_iter().filter(|entry| entry.name.starts_with("ledger-"));
    assert_eq!(to_ledgers.count(), 0);

    bed.plane.kubectl(&["patch", "pdb/ledger", "--type=merge", "-p", r#"{"spec":{"minAvailable":2}}"#]);
    let run = bed.upgrade(&["--max-surge", "0", "--post-drain-delay", "0s"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(versions(&bed.aws), ["2", "2", "2"]);
    assert_eq!((cordoned(&bed), marked(&bed)), (BTreeSet::new(), BTreeSet::new()));
    assert_eq!(bed.aws.killed_with_node(), []);
}

#[test]
fn l3_quarantine_leaves_the_node_and_does_the_others() {
    let Some(bed) = bed(1) else { return };
    let (size, ledgers) = (bed.aws.size(), pods_of(&bed, "ledger"));
    let (_, (_, place)) = ledgers.first_key_value().unwrap();

    let quarantine = ["--undrainable-node-behavior", "quarantine", "--drain-timeout", "8s", "--post-drain-delay", "0s"];
    let run = bed.upgrade(&quarantine);
    assert_eq!(run.code, Some(7), "{run}");
    // An extra node stands in for the quarantined one, whenever its turn came.
    let desired = bed.aws.size().desired;
    let larger =
        "the group's desired size stays 4 instead of 3; abort gives that back, and so does the end of the run\n";
    println!("L3: desired is {desired}\n{run}");
    assert!(desired == 4 && run.stderr.contains(larger), "{desired}\n{run}");
    assert_snapshot!(verdict(&run, &["cart", "ledger"]).replace(larger, ""), @r#"
    PodEvictionFailure: node/NODE still holds 1 pod after 8s

    PDB-NEVER-ALLOWS  pdb/default/ledger can never allow an eviction
      holds  pod/default/ledger-POD
      why    minAvailable 1 of 1 pod = 1 must stay; 1 is Ready; 0 may leave, now and always (arithmetic)
      fix    # kubectl must point to cluster prod:
             # aws eks update-kubeconfig --name prod
             # new pods elsewhere: a rollout does not ask the budget; risk: restarts all of its pods
             kubectl -n default rollout restart deployment/ledger
      or     # one more replica, so that one may leave; risk: not every program may run once more; an autoscaler of it may undo it
             kubectl -n default scale deployment/ledger --replicas=2
      back   # puts it back, once the pods have moved:
             kubectl -n default scale deployment/ledger --replicas=1
      or     # let one pod leave at a time; risk: no pod at all for a while
             kubectl -n default patch pdb/ledger --type=merge -p '{"spec":{"minAvailable":0}}'
      back   # puts it back, once the pods have moved:
             kubectl -n default patch pdb/ledger --type=merge -p '{"spec":{"minAvailable":1}}'
      or     # delete what is left when the drain timeout ends; risk: past every budget of the group's pods
             mngup upgrade -c prod -n workers --drain-timeout 8s --post-drain-delay 0s --undrainable-node-behavior quarantine --force
      more   mngup explain PDB-NEVER-ALLOWS

    node/NODE is quarantined: it stays cordoned, and is still old
    Next, when it is fixed (goes on where it stopped): mngup upgrade -c prod -n workers
      or, to undo what this run did (new nodes stay): mngup abort -c prod -n workers
    "#);
    assert_eq!(pods_of(&bed, "ledger"), ledgers);
    checks::is_at_rest(&bed, Size { desired, ..size }, &BTreeSet::from([place.clone()]));
    assert_eq!((cordoned(&bed), marked(&bed)), (BTreeSet::from([place.clone()]), BTreeSet::from([place.clone()])));
    let said = status(&bed);
    assert!(said.contains(&format!("node/{place} is quarantined")), "{said}");
    let why =
        format!("ago: done, but pods would not leave node/{place} within 8s (PodEvictionFailure): pod/default/ledger-");
    assert!(said.contains(&why), "{said}");
    let node = bed.get(&format!("node/{place}"));
    assert!(node["metadata"]["annotations"]["mngup.dev/quarantined-at"].is_string(), "{node}");
    let stays = bed.aws.instances().into_iter().filter(|(_, version)| version == "1");
    let stays: Vec<_> = stays.map(|(instance, _)| bed.aws.node_of(&instance)).collect();
    assert_eq!(stays, [Some(place.clone())]);
    assert_eq!(terminated(&bed.aws).len(), 2);
    assert_eq!(bed.aws.killed_with_node(), []);
}

#[test]
fn l4_force_deletes_what_is_left_and_names_it() {
    let Some(bed) = bed(2) else { return };
    let ledgers: BTreeSet<_> = pods_of(&bed, "ledger").into_keys().collect();

    let run = bed.upgrade(&["--force", "--drain-timeout", "5s", "--post-drain-delay", "0s"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(versions(&bed.aws), ["2", "2", "2"]);
    assert_eq!((cordoned(&bed), marked(&bed)), (BTreeSet::new(), BTreeSet::new()));
    assert_eq!(bed.aws.killed_with_node(), []);
    // What the API server was asked for is what the journal and the screen tell.
    let mut deletes = bed.audit();
    deletes.retain(|entry| entry.resource == "pods" && entry.verb == "delete" && entry.code == 200);
    let deleted: Vec<_> = deletes.into_iter().map(|entry| entry.name).collect();
    let told = journal(&run).into_iter().filter(|record| record["event"] == "pod-deleted");
    let told: Vec<_> = told.map(|record| record["pod"]["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(BTreeSet::from_iter(&deleted), BTreeSet::from_iter(&told));
    assert_eq!(deleted.len(), BTreeSet::from_iter(&deleted).len(), "each once: {deleted:?}");
    for pod in &deleted {
        assert!(pod.starts_with("ledger-"), "{pod} was deleted");
        assert!(run.stdout.contains(&format!("pod/default/{pod} deleted")), "{run}");
        assert!(run.stderr.contains(&format!("default/{pod}")), "{run}");
    }
    assert!(ledgers.is_subset(&deleted.into_iter().collect()), "{ledgers:?}");
}
