use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::*;
use crate::domain::{AsgName, InstanceId, Process, Size, Zone, later};

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn at(seconds: u64) -> Timestamp {
    later(START, Duration::from_secs(seconds))
}

fn config(nodes_per_zone: &[u32]) -> AsgConfig {
    let zones: Vec<Zone> = ["a", "b", "c"].iter().take(nodes_per_zone.len()).map(|z| Zone::new(*z)).collect();
    let existing = zones.iter().zip(nodes_per_zone).flat_map(|(zone, count)| {
        (0..*count).map(move |_| Existing {
            zone: zone.clone(),
            instance_type: "m6i.large".to_owned(),
            template: Some(("lt-1".to_owned(), 1)),
            launched_at: START,
            protected: false,
        })
    });
    let total = nodes_per_zone.iter().sum();
    AsgConfig {
        name: AsgName::new("eks-workers"),
        size: Size { min: 1, desired: total, max: total + 2 },
        subnets: zones
            .iter()
            .map(|zone| Subnet { id: format!("subnet-{zone}"), zone: zone.clone(), free: None, contended: false })
            .collect(),
        templates: BTreeMap::from([(
            "lt-1".to_owned(),
            Template { name: "workers".to_owned(), default: 1, latest: 2 },
        )]),
        launch_from: TemplateUse { id: "lt-1".to_owned(), version: VersionUse::Latest },
        overrides: vec![Override { instance_type: "m6i.large".to_owned(), template: None }],
        mixed: false,
        existing: existing.collect(),
        delays: Delays { launch: Duration::from_secs(40), terminate: Duration::from_secs(10), ..Delays::default() },
        hooks: Vec::new(),
        failures: Vec::new(),
        stale: None,
        protects_new: false,
        suspended: BTreeSet::new(),
        operator: None,
        instance_refresh: None,
        tags: BTreeMap::new(),
        seed: 1,
    }
}

fn group(nodes_per_zone: &[u32]) -> AutoScalingGroup {
    begun(config(nodes_per_zone))
}

fn begun(config: AsgConfig) -> AutoScalingGroup {
    let mut group = AutoScalingGroup::new(config, START);
    assert_eq!(group.advance(START), []);
    group
}

fn first(group: &AutoScalingGroup) -> InstanceId {
    group.instances().keys().next().unwrap().clone()
}

fn in_zone(group: &AutoScalingGroup, zone: &str) -> Vec<InstanceId> {
    let here = group.instances().values().filter(|i| i.zone.as_str() == zone && i.state.is_active());
    here.map(|i| i.id.clone()).collect()
}

fn kinds(events: &[AsgEvent]) -> Vec<&'static str> {
    let name = |event: &AsgEvent| match event.kind {
        AsgEventKind::Launched { .. } => "launched",
        AsgEventKind::Running => "running",
        AsgEventKind::InService => "in service",
        AsgEventKind::Terminating => "terminating",
        AsgEventKind::ShuttingDown => "shutting down",
        AsgEventKind::Gone => "gone",
    };
    events.iter().map(name).collect()
}

#[test]
fn a_terminated_instance_is_replaced_in_its_zone_from_the_latest_version() {
    let mut group = group(&[2, 2, 2]);
    let old = first(&group);
    let zone = group.instance(&old).unwrap().zone.clone();
    let activity = group.terminate(&old, false, at(5)).unwrap();
    assert_eq!(activity.description, format!("Terminating EC2 instance: {old}"));
    assert!(activity.cause.ends_with("was taken out of service in response to a user request."));
    assert_eq!(kinds(&group.advance(at(5))), ["terminating", "shutting down", "launched"]);
    assert_eq!(kinds(&group.advance(at(60))), ["gone", "running", "in service"]);
    let new = group.instances().values().find(|i| i.launched_at == at(5)).unwrap();
    assert_eq!((new.zone.clone(), new.template.as_ref().unwrap().version.as_str()), (zone, "2"));
    let newest = group.activities().next().unwrap();
    assert_eq!((newest.status, newest.ended_at), (ActivityStatus::Successful, Some(at(45))));
    assert_eq!(group.next_event(), None);
}

#[test]
fn a_decrement_shrinks_the_group_but_not_below_its_minimum() {
    let mut group = group(&[1, 1]);
    let old = first(&group);
    group.terminate(&old, true, at(1)).unwrap();
    assert_eq!(kinds(&group.advance(at(100))), ["terminating", "shutting down", "gone"]);
    assert_eq!(group.size().desired, 1);
    let error = group.terminate(&first(&group), true, at(101)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Currently, desiredSize equals minSize (1). Terminating instance without replacement will violate group's min \
         size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size."
    );
    assert_eq!(error.code(), "ValidationError");
}

#[test]
fn terminating_twice_is_harmless_and_an_unknown_instance_an_error() {
    let mut group = group(&[2]);
    let old = first(&group);
    let one = group.terminate(&old, false, at(1)).unwrap();
    let two = group.terminate(&old, false, at(2)).unwrap();
    assert_eq!(one.id, two.id);
    assert_eq!(group.instance(&old).unwrap().repeated_terminations, 1);
    let error = group.terminate(&InstanceId::new("i-0nobody"), false, at(3)).unwrap_err();
    assert_eq!(error.to_string(), "Instance Id not found - No managed instance found for instance ID: i-0nobody");
}

#[test]
fn a_raised_size_is_launched_where_the_fewest_are() {
    let mut group = group(&[2, 1, 2]);
    group.update_size(None, Some(9), Some(7), at(1)).unwrap();
    let launched = group.advance(at(1));
    let zones: Vec<_> = launched.iter().map(|e| group.instance(&e.instance).unwrap().zone.to_string()).collect();
    assert_eq!(zones, ["b", "a"]);
    assert_eq!(
        group.set_desired(10, at(2)).unwrap_err().to_string(),
        "New SetDesiredCapacity value 10 is above max value 9 for the AutoScalingGroup."
    );
    assert_eq!(
        group.update_size(None, Some(6), Some(7), at(2)).unwrap_err().to_string(),
        "Desired capacity:7 must be between the specified min size:1 and max size:6"
    );
}

#[test]
fn a_lowered_size_takes_the_oldest_template_from_the_fullest_zone_and_spares_the_protected() {
    let mut group = group(&[2, 1]);
    let in_a = in_zone(&group, "a");
    group.protect(&in_a[0], true, at(1)).unwrap();
    group.set_desired(2, at(1)).unwrap();
    let events = group.advance(at(1));
    assert_eq!(events[0].instance, in_a[1]);
    let mut group = self::group(&[2, 2]);
    group.terminate(&first(&group), false, at(1)).unwrap();
    group.advance(at(100));
    group.set_desired(3, at(101)).unwrap();
    let leaves = group.advance(at(101))[0].instance.clone();
    assert_eq!(group.instance(&leaves).unwrap().template.as_ref().unwrap().version, "1");
}

#[test]
fn a_zone_without_capacity_is_told_of_and_the_next_one_is_taken() {
    let mut config = config(&[1, 1]);
    config.failures.push(LaunchFailure {
        zone: Some(Zone::new("a")),
        instance_type: None,
        from: START,
        until: None,
        attempts: None,
        reason: FailureReason::Capacity,
    });
    let mut group = begun(config);
    group.terminate(&in_zone(&group, "a")[0].clone(), false, at(1)).unwrap();
    group.suspend(&[Process::AzRebalance], at(1));
    group.advance(at(50));
    assert_eq!(in_zone(&group, "b").len(), 2);
    let failed = group.activities().find(|activity| activity.status == ActivityStatus::Failed).unwrap();
    assert_eq!(
        failed.message.as_deref(),
        Some(
            "We currently do not have sufficient m6i.large capacity in the Availability Zone you requested (a). Our \
             system will be working on provisioning additional capacity. You can currently get m6i.large capacity by \
             not specifying an Availability Zone in your request or choosing b. Launching EC2 instance failed."
        )
    );
    assert!(failed.to_domain().is_failed_launch());
}

#[test]
fn a_launch_that_fails_is_tried_again_with_growing_waits_until_it_succeeds() {
    let mut config = config(&[1]);
    config.failures.push(LaunchFailure {
        zone: None,
        instance_type: None,
        from: START,
        until: Some(at(100)),
        attempts: None,
        reason: FailureReason::VcpuLimit,
    });
    let mut group = begun(config);
    group.terminate(&first(&group), false, at(0)).unwrap();
    group.advance(at(300));
    let failed: Vec<_> =
        group.activities().filter(|a| a.status == ActivityStatus::Failed).map(|a| a.started_at).collect();
    assert_eq!(failed, [at(60), at(20), at(0)]);
    assert_eq!(group.instances().len(), 1);
    assert_eq!(group.instances().values().next().unwrap().launched_at, at(140));
}

#[test]
fn attempts_that_fail_are_counted_down() {
    let mut config = config(&[1]);
    config.failures.push(LaunchFailure {
        zone: None,
        instance_type: None,
        from: START,
        until: None,
        attempts: Some(1),
        reason: FailureReason::Other("Your quota allows for 0 more running instance(s).".to_owned()),
    });
    let mut group = begun(config);
    group.set_desired(2, at(0)).unwrap();
    group.advance(at(100));
    assert_eq!(group.instances().len(), 2);
}

#[test]
fn a_subnet_without_addresses_gives_none_and_gets_back_what_leaves() {
    let mut config = config(&[1]);
    config.subnets[0].free = Some(0);
    let mut group = begun(config.clone());
    group.terminate(&first(&group), false, at(0)).unwrap();
    group.advance(at(5));
    let failed = group.activities().find(|a| a.status == ActivityStatus::Failed).unwrap();
    assert_eq!(
        failed.message.as_deref(),
        Some(
            "There are not enough free addresses in subnet 'subnet-a' to satisfy the requested number of instances. \
             Launching EC2 instance failed."
        )
    );
    group.advance(at(200));
    assert_eq!(in_zone(&group, "a").len(), 1);

    config.subnets[0].contended = true;
    let mut group = begun(config);
    group.terminate(&first(&group), false, at(0)).unwrap();
    group.advance(at(100_000));
    assert_eq!(in_zone(&group, "a").len(), 0);
}

#[test]
fn hooks_hold_instances_on_their_way_in_and_out() {
    let mut config = config(&[1]);
    let hook = |kind| Hook {
        name: "hook".to_owned(),
        kind,
        heartbeat: Duration::from_mins(30),
        default_result: HookResult::Continue,
        completes_after: None,
    };
    config.hooks = vec![hook(HookKind::Launching), hook(HookKind::Terminating)];
    let mut group = begun(config);
    let old = first(&group);
    group.terminate(&old, false, at(0)).unwrap();
    assert_eq!(kinds(&group.advance(at(60))), ["terminating", "launched", "running"]);
    assert_eq!(group.instance(&old).unwrap().state.as_str(), "Terminating:Wait");
    let new = group.instances().keys().find(|id| **id != old).unwrap().clone();
    assert_eq!(group.instance(&new).unwrap().state.as_str(), "Pending:Wait");
    group.complete_lifecycle_action(&old, HookResult::Continue, at(60)).unwrap();
    assert_eq!(kinds(&group.advance(at(80))), ["shutting down", "gone"]);
    assert_eq!(kinds(&group.advance(at(1900))), ["in service"]);
    let error = group.complete_lifecycle_action(&new, HookResult::Continue, at(1901)).unwrap_err();
    assert!(error.to_string().starts_with("No active Lifecycle Action found with instance ID i-0"));
}

#[test]
fn an_abandoned_launch_is_terminated_and_another_one_tried() {
    let mut config = config(&[1]);
    config.hooks = vec![Hook {
        name: "Launch-LC-Hook".to_owned(),
        kind: HookKind::Launching,
        heartbeat: Duration::from_secs(30),
        default_result: HookResult::Abandon,
        completes_after: None,
    }];
    let mut group = begun(config);
    group.set_desired(2, at(0)).unwrap();
    assert_eq!(kinds(&group.advance(at(75))), ["launched", "running", "terminating", "shutting down", "launched"]);
}

#[test]
fn suspended_processes_do_nothing_until_they_are_resumed() {
    let mut group = group(&[2]);
    group.suspend(&[Process::Launch, Process::Terminate], at(0));
    group.terminate(&first(&group), false, at(0)).unwrap();
    assert_eq!(kinds(&group.advance(at(100))), ["terminating", "shutting down", "gone"]);
    group.resume(&[Process::Launch], at(100));
    assert_eq!(kinds(&group.advance(at(100))), ["launched"]);
    group.set_desired(1, at(200)).unwrap();
    assert_eq!(kinds(&group.advance(at(200))), ["running", "in service"]);
    group.resume(&[], at(200));
    assert_eq!(kinds(&group.advance(at(200))), ["terminating", "shutting down"]);
}

#[test]
fn az_rebalance_launches_first_and_then_takes_one_from_the_fullest_zone() {
    let mut group = group(&[3, 1]);
    assert_eq!(kinds(&group.advance(at(119))), [] as [&str; 0]);
    assert_eq!(kinds(&group.advance(at(120))), ["launched"]);
    assert_eq!(kinds(&group.advance(at(200))), ["running", "in service", "terminating", "shutting down", "gone"]);
    assert_eq!((in_zone(&group, "a").len(), in_zone(&group, "b").len()), (2, 2));
    assert_eq!(group.size().desired, 4);

    let mut group = self::group(&[3, 1]);
    group.suspend(&[Process::AzRebalance], at(0));
    assert_eq!(group.advance(at(10_000)), []);
}

#[test]
fn a_spot_interruption_takes_the_machine_first_and_the_group_replaces_it() {
    let mut group = group(&[2]);
    let lost = first(&group);
    group.interrupt(&lost, at(3)).unwrap();
    assert_eq!(kinds(&group.advance(at(3))), ["shutting down", "terminating", "launched"]);
    let cause = group.activities().find(|a| a.description.starts_with("Terminating")).unwrap().cause.clone();
    assert!(cause.contains("EC2 health check"), "{cause}");
    assert_eq!(kinds(&group.advance(at(50))), ["gone", "running", "in service"]);
}

#[test]
fn a_mixed_group_takes_the_first_type_that_can_be_had_from_its_own_template() {
    let mut config = config(&[1]);
    config.mixed = true;
    config.templates.insert("lt-2".to_owned(), Template { name: "arm".to_owned(), default: 7, latest: 9 });
    let own = TemplateUse { id: "lt-2".to_owned(), version: VersionUse::Default };
    config.overrides.push(Override { instance_type: "m7g.large".to_owned(), template: Some(own) });
    config.failures.push(LaunchFailure {
        zone: None,
        instance_type: Some("m6i.large".to_owned()),
        from: START,
        until: None,
        attempts: None,
        reason: FailureReason::Capacity,
    });
    let mut group = begun(config);
    group.set_desired(2, at(0)).unwrap();
    group.advance(at(60));
    let new = group.instances().values().find(|i| i.instance_type == "m7g.large").unwrap();
    assert_eq!(new.template.as_ref().unwrap().version, "7");
    let described = group.describe(at(60), true);
    assert_eq!(described.target.alias.as_deref(), Some("$Latest"));
    assert_eq!(described.target.for_type("m7g.large").unwrap().version, "7");
    assert_eq!(described.target.for_type("m6i.large").unwrap().version, "2");
    assert_eq!(described.activities.len(), 2);
}

#[test]
fn standby_steps_aside_and_is_replaced() {
    let mut group = group(&[2]);
    let aside = first(&group);
    group.enter_standby(&aside, false, at(0)).unwrap();
    assert_eq!(kinds(&group.advance(at(0))), ["launched"]);
    assert_eq!(group.describe(at(0), false).instances[&aside].lifecycle.to_string(), "Standby");
}

#[test]
fn the_same_seed_has_the_same_history() {
    let play = || {
        let mut group = group(&[2, 2, 2]);
        group.terminate(&first(&group), false, at(1)).unwrap();
        group.advance(at(500))
    };
    assert_eq!(play(), play());
}
