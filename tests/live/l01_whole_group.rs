//! L1: twelve nodes in three zones are replaced, and nobody notices.

use crate::support::aws::World;
use crate::support::workloads::{all, daemon_set, deployment, pdb};
use crate::support::{Bed, BedOptions};

#[test]
fn twelve_nodes_are_replaced_and_every_budget_holds() {
    let apps = (1..=20).map(|number| format!("app-{number}"));
    let shop = apps.flat_map(|app| [deployment(&app, 6).spread().yaml(), pdb(&app, "maxUnavailable: 1")]);
    let workloads = all(shop.chain([daemon_set("agent")]));
    let world = World { old: 12, ..World::default() };
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    let sampler = bed.sample();
    let run = bed.upgrade(&["--max-surge", "1", "--post-drain-delay", "1s"]);
    println!("{run}");
    println!("{:?}", sampler.finish());
}
