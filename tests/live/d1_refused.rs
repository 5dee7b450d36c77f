//! D1: evictions that a webhook refuses, each told by its code and cleared away by what is printed.

use crate::support::aws::World;
use crate::support::diagnose::{Copies, Stalled};
use crate::support::webhook::{DENIAL, Webhook, guard};
use crate::support::workloads::{all, deployment, in_namespace};
use crate::support::{Bed, BedOptions};

/// Each cause as often as it has fixes.
const CAUSES: [Copies; 2] = [
    Copies { code: "WEBHOOK-DENIES", namespaces: &["denied"], objects: &["validatingwebhookconfiguration/denied"] },
    Copies {
        code: "WEBHOOK-DOWN",
        namespaces: &["unanswered"],
        objects: &["validatingwebhookconfiguration/unanswered"],
    },
];

#[test]
fn webhooks_are_named_and_what_is_printed_lets_the_run_go_on() {
    let world = World { old: 1, ..World::default() };
    let workloads = all(["denied", "unanswered"].map(|name| in_namespace(name, [deployment("app", 1).yaml()])));
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    let server = Webhook::start(&bed.plane);
    // Nobody listens there.
    let nobody = format!("https://127.0.0.1:{}/", crate::support::free_port());
    bed.plane.apply(&all([guard(&bed.plane, "denied", &server.url), guard(&bed.plane, "unanswered", &nobody)]));

    let codes = CAUSES.map(|copies| copies.code);
    let run =
        Stalled::upgrade(&bed, &["--max-surge", "1", "--drain-timeout", "10m", "--post-drain-delay", "0s"], &codes);
    // The server's own words are told.
    assert!(run.finding("WEBHOOK-DENIES", "denied").to_string().contains(DENIAL), "{:#}", run.diagnosis);
    run.clear(&CAUSES);
}
