//! L11: a self-managed group with mixed instances that launches `$Latest`; and groups at their maximum size.

use std::collections::BTreeSet;

use mngup::sim::asg::VersionUse;

use crate::support::aws::{TEMPLATE, World};
use crate::support::checks;
use crate::support::facts::{changes_of_aws, changes_of_cluster, cordoned, journal, marked, terminated, versions};
use crate::support::workloads::{all, daemon_set, deployment, pdb};
use crate::support::{Bed, BedOptions};

fn bed(world: World) -> Option<Bed> {
    let workloads = all([deployment("cart", 6).spread().yaml(), pdb("cart", "maxUnavailable: 1"), daemon_set("agent")]);
    Bed::start(BedOptions { world, workloads })
}

#[test]
fn l11_a_mixed_group_at_its_maximum_grows_and_ends_as_large_as_it_was() {
    // Four instances of two types, each type with a template of its own; the last of each is new already.
    let Some(bed) = bed(World { old: 4, new: 2, headroom: 0, ..World::self_managed() }) else { return };
    let (size, before) = (bed.aws.size(), bed.aws.instances());
    let old: BTreeSet<_> =
        before.iter().filter(|(_, version)| version == "1").map(|(instance, _)| instance.to_string()).collect();

    let run = bed.upgrade(&["--post-drain-delay", "0s"]);
    assert_eq!(run.code, Some(0), "{run}");
    // Those that were old went, each once, and nobody else.
    let gone = terminated(&bed.aws);
    assert_eq!((gone.len(), BTreeSet::from_iter(gone)), (4, old.clone()));
    assert_eq!(versions(&bed.aws), ["2"; 6]);
    let told = journal(&run).into_iter().find(|record| record["event"] == "run-started").unwrap();
    let told = told["old"].as_array().unwrap().iter().map(|old| old["instance"].as_str().unwrap().to_owned());
    assert_eq!(told.collect::<BTreeSet<_>>(), old);
    // The maximum was in the way of the extra node; it went up by one and down again.
    let maxima: Vec<_> = bed.aws.calls_of("autoscaling:UpdateAutoScalingGroup");
    let maxima: Vec<_> = maxima.iter().filter_map(|call| call.params.get("MaxSize").cloned()).collect();
    assert_eq!(maxima, ["7", "6"], "{run}");
    assert_eq!(bed.aws.size(), size);
    assert_eq!((cordoned(&bed), marked(&bed)), (BTreeSet::new(), BTreeSet::new()));
    assert_eq!(bed.aws.killed_with_node(), []);
}

#[test]
fn l11_what_default_means_is_asked_of_the_template_each_time() {
    let world = World { launches: VersionUse::Default, mixed: false, ..World::self_managed() };
    let Some(bed) = bed(world) else { return };
    let size = bed.aws.size();
    // The latest version is 2; the default is 1, which all instances come from.
    let run = bed.upgrade(&["--post-drain-delay", "0s"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains("nothing to do") || run.stderr.contains("nothing to do"), "{run}");
    assert_eq!((changes_of_aws(&bed.aws), changes_of_cluster(&bed)), (vec![], vec![]));

    let version = bed.aws.with_asg(|asg, now| asg.new_template_version(TEMPLATE, true, now)).unwrap().to_string();
    let run = bed.upgrade(&["--post-drain-delay", "0s"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(versions(&bed.aws), [version.as_str(); 3]);
    assert_eq!(bed.aws.size(), size);
    checks::nothing_is_left_behind(&bed, &[]);
    checks::no_harm_was_done(&bed);
    let again = bed.upgrade(&[]);
    assert_eq!((again.code, terminated(&bed.aws).len()), (Some(0), 3), "{again}");
}

#[test]
fn l11_the_maximum_of_a_managed_group_moves_through_eks() {
    let Some(bed) = bed(World { headroom: 0, ..World::default() }) else { return };
    let size = bed.aws.size();
    let run = bed.upgrade(&["--post-drain-delay", "0s"]);
    assert_eq!(run.code, Some(0), "{run}");
    let maxima: Vec<_> = bed.aws.calls_of("eks:UpdateNodegroupConfig");
    let maxima: Vec<_> = maxima.iter().filter_map(|call| call.params.get("scalingConfig.maxSize").cloned()).collect();
    assert_eq!(maxima, ["4", "3"], "{run}");
    assert_eq!(bed.aws.calls_of("autoscaling:UpdateAutoScalingGroup"), []);
    assert_eq!((bed.aws.size(), versions(&bed.aws)), (size, ["2"; 3].map(str::to_owned).to_vec()));
    assert_eq!((cordoned(&bed), marked(&bed)), (BTreeSet::new(), BTreeSet::new()));
    assert_eq!(bed.aws.killed_with_node(), []);
}
