//! D1: a node that was shut down without a word still has a volume, and a pod that nobody lets go: what is printed frees both,
//! by the real controllers.

use std::time::Duration;

use crate::support::aws::World;
use crate::support::kubelet::{falls_silent, on, plays, tries_again};
use crate::support::printed::{self, Told};
use crate::support::volumes::{attachment_of, attachments, is_attached, is_of, volume, with_data};
use crate::support::workloads::{deployment, in_namespace};
use crate::support::{Bed, BedOptions, checks, eventually};

/// The nodes, in the order in which they register.
const SHUT: &str = "ip-10-0-1-11.eu-west-1.compute.internal";
const WELL: &str = "ip-10-0-1-12.eu-west-1.compute.internal";

/// How long the node controller waits for a word: more than kwok's pause between two, even on a busy machine.
const SILENCE: Duration = Duration::from_secs(20);

const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn a_node_that_is_said_to_be_out_of_service_gives_its_pod_and_its_volume_free() {
    let world = World { old: 2, zones: vec!["eu-west-1a".to_owned()], ..World::default() };
    let Some(mut bed) = Bed::start(BedOptions { world, workloads: String::new() }) else { return };
    for node in [SHUT, WELL] {
        bed.plane.kubectl(&["annotate", "node", node, "volumes.kubernetes.io/controller-managed-attach-detach=true"]);
    }
    bed.plane.kubectl(&["cordon", WELL]);
    // Each waits for its volume first, as a kubelet does.
    let app = with_data(deployment("app", 1)).annotated("mngup.test/creating", "true");
    bed.plane.apply(&in_namespace("shut", [volume("shut", None), app.yaml()]));
    let first = on(&bed, "shut", "app", SHUT);
    is_attached(&bed, &attachment_of(&bed, "shut", SHUT));
    tries_again(&bed, &first, "creating");
    bed.wait_until_settled();
    bed.plane.kubectl(&["uncordon", WELL]);

    bed.plane.judge_kubelets(SILENCE);
    falls_silent(&bed, SHUT);
    // Whatever kwok still does there.
    plays(&bed, &first, "stuck-terminating", "true");
    bed.plane.kubectl(&["wait", "node", SHUT, "--for=condition=Ready=Unknown", "--timeout=2m"]);
    // As after five minutes; nobody there confirms that it has ended.
    let first = checks::name(&first);
    bed.plane.kubectl(&["-n", "shut", "delete", "pod", &first, "--wait=false"]);
    let second = on(&bed, "shut", "app", WELL);

    let pod = format!("shut/{}", checks::name(&second));
    let told = Told::wait(&bed, &["--pod", &pod], "VOLUME-ATTACHED");
    let said = told.finding["evidence"].to_string();
    assert!(said.contains("Multi-Attach error") && said.contains(SHUT), "{said}");
    let is_at = |node| attachments(&bed).iter().any(|it| is_of(it, "shut", node));
    assert!(is_at(SHUT) && !is_at(WELL), "{:#?}", attachments(&bed));
    assert!(
        printed::lines(&told.finding, "fix")[0].contains("node.kubernetes.io/out-of-service"),
        "{:#}",
        told.finding
    );
    told.fix(0);

    eventually(PATIENCE, "the first pod is gone, and its volume is at the other node", || {
        let gone = bed.plane.kubectl_try(&["-n", "shut", "get", "pod", &first]).is_err();
        (gone && !is_at(SHUT) && is_at(WELL)).then_some(())
    });
    is_attached(&bed, &attachment_of(&bed, "shut", WELL));
    tries_again(&bed, &second, "creating");
    bed.wait_until_settled();
    let back =
        &told.finding["remedies"].as_array().unwrap().iter().find(|remedy| remedy["kind"] == "fix").unwrap()["back"];
    printed::run(&bed, &format!("kubectl {}", back[0]["kubectl"].as_str().unwrap()));
    let taints = bed.get(&format!("node/{SHUT}"))["spec"]["taints"].to_string();
    assert!(!taints.contains("out-of-service"), "{taints}");
}
