//! D2: groups that are not fit, and what EKS says or left behind: each told by its code, and cleared away by what is
//! printed, which the AWS CLI runs.

use std::time::Duration;

use mngup::domain::Process;

use crate::support::aws::{UpdateError, World};
use crate::support::printed::Told;
use crate::support::workloads::{all, deployment, pdb};
use crate::support::{Bed, BedOptions, aws_cli, checks, eventually};

#[test]
fn what_stands_against_a_group_is_named_and_what_is_printed_puts_it_right() {
    if !aws_cli::is_there() {
        return;
    }
    let world = World { mixed: true, instance_refresh: Some("InProgress".into()), ..World::default() };
    let workloads = all([deployment("cart", 3).spread().yaml(), pdb("cart", "maxUnavailable: 1")]);
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };

    let refused = bed.upgrade(&[]);
    assert_eq!(refused.code, Some(4), "{refused}");
    Told::wait(&bed, &["--before-upgrade"], "GROUP-INSTANCE-REFRESH").look().fix(0);

    bed.aws.with_asg(|asg, now| asg.suspend(&[Process::Launch, Process::Terminate], now));
    Told::wait(&bed, &["--before-upgrade"], "GROUP-SUSPENDED").look().fix(0).back(0).fix(0);

    bed.aws.change(|world| world.public = true);
    Told::wait(&bed, &[], "EKS-SUBNET").look().fix(0).back(0).fix(0);

    // Somebody pointed the group at version 2; EKS made version 1.
    bed.aws.change(|world| world.made = Some(1));
    let told = Told::wait(&bed, &[], "EKS-TEMPLATE-MISMATCH");
    let launches = || bed.aws.with_asg(|asg, _| asg.config().launch_from.clone());
    let before = launches();
    told.look().fix(0);
    assert_ne!(launches(), before);
    told.back(0);
    assert_eq!(launches(), before);
    bed.aws.change(|world| world.made = None);

    protected(&bed);
    left_larger(&bed);

    let run = bed.upgrade(&["--max-surge", "0", "--post-drain-delay", "0s"]);
    assert_eq!(run.code, Some(0), "{run}");
    checks::all_are_new(&bed, 2);
}

/// A group that is to shrink by one, and may not.
fn protected(bed: &Bed) {
    bed.aws.with_asg(|asg, now| {
        for id in asg.instances().keys().cloned().collect::<Vec<_>>() {
            asg.protect(&id, true, now).unwrap();
        }
        asg.set_desired(2, now).unwrap();
    });
    Told::wait(bed, &[], "INSTANCE-PROTECTED").look().fix(0);
    eventually(Duration::from_secs(30), "one has gone", || (bed.aws.instances().len() == 2).then_some(()));
}

/// A group that a failed update left with one more, which is taken back in each of the ways that are printed.
fn left_larger(bed: &Bed) {
    for number in 0..2 {
        let error = UpdateError {
            code: "NodeCreationFailure".into(),
            message: "Couldn't proceed with upgrade process as new nodes are not joining node group workers".into(),
            resources: Vec::new(),
        };
        bed.aws.has_updated("workers", "Failed", Duration::ZERO, vec![error]);
        bed.aws.with_asg(|asg, now| {
            asg.set_desired(3, now).unwrap();
            // In EKS's way, which the group's activities tell.
            asg.was_enlarged(1, now);
        });
        eventually(Duration::from_secs(30), "the third node joins", || (bed.aws.instances().len() == 3).then_some(()));
        let told = Told::wait(bed, &["--latest-update"], "EKS-LEFT-SIZE");
        assert_eq!(told.fixes(), 2, "{:#}", told.finding);
        told.look().fix(number);
        // EKS takes a moment for its own sizes, and is UPDATING so long.
        eventually(Duration::from_secs(30), "the former size", || (bed.aws.size().desired == 2).then_some(()));
    }
}
