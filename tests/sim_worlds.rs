//! The worlds that people load with `--sandbox`: each can be read, built and left alone for a while.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use mngup::{
    domain::{Pod, later},
    sim::{World, WorldSpec},
};

#[test]
fn every_sandbox_world_begins_in_order_and_stays_so() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/sandbox");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let spec = WorldSpec::from_file(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(spec.name, name, "a world is called like its file");
        assert!(!spec.description.is_empty(), "{name} says what it shows");
        let sick: BTreeSet<_> =
            spec.workloads.iter().filter(|one| one.trouble.is_some()).map(|one| one.name.clone()).collect();
        let mut world = World::new(spec, 1);
        let nodes = world.group_nodes().count();
        world.advance_to(later(world.now(), Duration::from_hours(1)));
        assert_eq!(world.unscheduled(), 0, "{name}");
        assert_eq!(world.group_nodes().count(), nodes, "{name}: nothing moves by itself");
        let is_meant_so = |pod: &Pod| pod.labels.get("app").is_some_and(|app| sick.contains(app));
        assert!(world.pods().all(|pod| pod.ready || pod.is_finished() || is_meant_so(pod)), "{name}");
        names.push(name);
    }
    for wanted in ["shop", "never-allows", "two-budgets", "lands-back", "no-addresses", "broken-rollout"] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is missing");
    }
}
