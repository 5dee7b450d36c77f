//! D: an update of EKS failed at a pod under two budgets, and left its cordon and its size behind.

use std::time::Duration;

use serde_json::Value;

use crate::support::aws::{UpdateError, World};
use crate::support::facts::versions;
use crate::support::workloads::{all, deployment, named_pdb, pdb};
use crate::support::{Bed, BedOptions, Ended, PERSON, eventually};

const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

#[test]
fn d_update_two_budgets() {
    let workloads = all([
        deployment("cart", 3).apart().yaml(),
        pdb("cart", "maxUnavailable: 1"),
        named_pdb("everything", "cart", "maxUnavailable: 2"),
    ]);
    let Some(bed) = Bed::start(BedOptions { world: World::default(), workloads }) else { return };
    let node = bed.aws.nodes().into_iter().next().expect("three of them");
    let id = fail(&bed, &node);

    let run = bed.command("diagnose", &["--latest-update", "-o", "json"]);
    assert_eq!(run.code, Some(4), "{run}");
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    let causes: Vec<_> = findings(&found).map(|finding| finding["cause"].as_str().unwrap()).collect();
    assert!(
        ["TWO-BUDGETS", "EKS-LEFT-CORDONED", "EKS-LEFT-SIZE"].iter().all(|cause| causes.contains(cause)),
        "{causes:?}"
    );
    assert!(!causes.contains(&"EKS-ISSUE"), "it is told under what holds the pod: {causes:?}");
    let two = finding(&found, "TWO-BUDGETS");
    assert_eq!(two["holds"]["nodes"], serde_json::json!([node]));
    assert_eq!(two["under"][0]["object"], serde_json::json!({ "update": id }));
    assert!(two["under"][0]["evidence"].to_string().contains("Reached max retries"), "{two}");
    assert_eq!(finding(&found, "EKS-LEFT-CORDONED")["holds"]["nodes"], serde_json::json!([node]));

    // The same by its id; another's and none at all are told apart.
    let by_id = bed.command("diagnose", &["--update-id", &id]);
    assert_eq!(by_id.code, Some(4), "{by_id}");
    assert!(by_id.stdout.contains("TWO-BUDGETS"), "{by_id}");
    says_no(&bed.command("diagnose", &["--update-id", &format!("{id}0")]), &format!("--update-id {id}"));

    run_all(&bed, fixes(&two).first().expect("one of the budgets can go"));
    run_all(&bed, fixes(&finding(&found, "EKS-LEFT-CORDONED")).last().expect("the nodes can serve again"));
    let left = bed.get(&format!("node/{node}"));
    assert_eq!((&left["spec"]["unschedulable"], &left["metadata"]["labels"][EXCLUDED]), (&Value::Null, &Value::Null));

    let run = bed.upgrade(&["--max-surge", "0", "--post-drain-delay", "0s"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(versions(&bed.aws).iter().all(|version| version == "2"), "{:?}", versions(&bed.aws));
}

/// As EKS leaves it: the node cordoned and out of load balancers, the group one larger.
fn fail(bed: &Bed, node: &str) -> String {
    let error = UpdateError {
        code: "PodEvictionFailure".into(),
        message: "Reached max retries while trying to evict pods from nodes in node group workers".into(),
        resources: vec![node.to_owned()],
    };
    let id = bed.aws.has_updated("workers", "Failed", Duration::from_mins(1), vec![error]);
    bed.aws.with_asg(|asg, now| {
        asg.set_desired(4, now).unwrap();
        // In EKS's way, which the group's activities tell.
        asg.was_enlarged(1, now);
    });
    bed.plane.kubectl(&["cordon", node]);
    bed.plane.kubectl(&["label", "node", node, &format!("{EXCLUDED}=true")]);
    eventually(Duration::from_secs(30), "the fourth node joins", || (bed.nodes().len() == 4).then_some(()));
    id
}

fn says_no(run: &Ended, near: &str) {
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.stderr.contains("has no update") && run.stderr.contains(near), "{run}");
}

fn findings(found: &Value) -> impl Iterator<Item = &Value> {
    found["findings"].as_array().unwrap().iter()
}

fn finding(found: &Value, cause: &str) -> Value {
    findings(found).find(|finding| finding["cause"] == cause).unwrap().clone()
}

/// Lines as they are printed, as somebody with a shell and kubectl would run them.
fn run_all(bed: &Bed, commands: &[Value]) {
    for command in commands {
        let line = format!("kubectl {}", command["kubectl"].as_str().expect("kubectl mends it"));
        bed.plane.shell(PERSON, &line).unwrap_or_else(|complaint| panic!("{line}: {complaint}"));
    }
}

/// The commands of each way out that clears it away.
fn fixes(finding: &Value) -> Vec<Vec<Value>> {
    let remedies = finding["remedies"].as_array().unwrap().iter().filter(|remedy| remedy["kind"] == "fix");
    remedies.map(|remedy| remedy["run"].as_array().unwrap().clone()).collect()
}
