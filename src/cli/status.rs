//! `mngup status`.

use super::{
    answer::answer,
    args::{Form, StatusArgs},
    connect::{self, Purpose},
    error::CliError,
    exit_code::ExitCode,
};
use crate::{
    adapters::SystemClock,
    app,
    domain::{ClusterName, GroupName, IntentState},
    ports::Clock,
    report::{self, Progress, Screen},
};

/// Says what a run has done and what it waits for, read from the cluster alone.
///
/// # Errors
/// When the group is not pointed at, or cannot be read.
pub(super) async fn status(args: StatusArgs, screen: Screen) -> Result<ExitCode, CliError> {
    let target = args.target.target("status", Vec::new())?;
    let now = SystemClock.now();
    let ports = connect::connect(&target, Purpose::Look, &connect::operator(), &connect::run_id(now)).await?;
    let status = app::status(&ports).await?;
    match args.output {
        Form::Human => {
            let width = screen.width().unwrap_or(120);
            let lines = report::status(
                &state(&status, &target.cluster, &target.group),
                now,
                width,
                screen.color_stdout,
                &target.commands(),
            );
            answer(&(lines.join("\n") + "\n"))?;
        }
        Form::Json | Form::Jsonl => {
            let (new, all) = status.new;
            let document = serde_json::json!({
                "cluster": target.cluster,
                "group": target.group,
                "intent": status.intent,
                "new": new,
                "nodes": all,
                "size": status.size,
                "holder": status.holder,
                "records": status.records,
            });
            answer(&format!("{document}\n"))?;
        }
    }
    Ok(ExitCode::Done)
}

fn state(status: &app::Status, cluster: &ClusterName, group: &GroupName) -> report::State {
    let mut progress = Progress::of(&status.records).at_size(Some(status.size)).short_of(status.missing);
    // Where no run left a trace no record says whose group it is.
    progress.history.cluster.get_or_insert_with(|| cluster.clone());
    progress.history.group.get_or_insert_with(|| group.clone());
    report::State {
        progress,
        new: status.new,
        stopped: match status.intent.as_ref().map(|intent| intent.state.clone()) {
            Some(IntentState::Stopped { at, why }) => Some((at, why)),
            Some(IntentState::Rolling) | None => None,
        },
        holder: status.holder.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use insta::assert_snapshot;

    use super::*;
    use crate::{
        domain::{INTENT_SCHEMA, IntOrPercent, Intent, Limits, NodeMark, NodePatch, Operator, Policy, Size, Source},
        ports::{Cluster, KubeAct, Outcome},
        report::Commands,
        sim::{Sim, World, WorldSpec},
    };

    fn said(status: &app::Status, now: jiff::Timestamp) -> String {
        let commands = Commands::new(["-c", "prod", "-n", "workers"].map(str::to_owned).into());
        let (cluster, group) = ("prod".into(), GroupName::Nodegroup("workers".into()));
        report::status(&state(status, &cluster, &group), now, 80, false, &commands).join("\n")
    }

    #[tokio::test]
    async fn the_group_is_named_and_a_run_that_stopped_names_the_nodes_it_left_and_what_held_them() {
        let sim = Sim::new(World::new(WorldSpec::with_old_nodes(&[("a", 2)]), 1), 1.0);
        let ann = Operator { user: "ann".to_owned(), host: "laptop".to_owned() };
        let ports = app::Ports {
            cluster: Arc::new(sim.cluster()),
            cloud: Arc::new(sim.cloud()),
            clock: Arc::new(sim.clock()),
            lock: Arc::new(sim.lock(ann.clone())),
        };
        let now = ports.clock.now();
        assert_snapshot!(said(&app::status(&ports).await.unwrap(), now), @"
        cluster/prod  nodegroup/workers   no run: nothing is under way, and nothing is left of one
        0 of 2 nodes are new
        ");
        let why = "done, but pods would not leave node/a1 within 15m (PodEvictionFailure): pod/shop/cart-1";
        let intent = Intent {
            schema: INTENT_SCHEMA,
            version: "0.1.0".to_owned(),
            run: "r1".into(),
            cluster: "prod".into(),
            group: GroupName::Nodegroup("workers".into()),
            started_at: now,
            operator: ann,
            size: Size { min: 0, desired: 2, max: 4 },
            old: 2,
            policy: Policy::default(),
            limits: Limits {
                max_unavailable: 1,
                max_unavailable_said: IntOrPercent::Int(1),
                max_unavailable_from: Source::Default,
                surge: 0,
                surge_said: IntOrPercent::Int(0),
                surge_from: Source::Policy,
            },
            surge: 0,
            raised_max: None,
            suspended_az_rebalance: false,
            state: IntentState::Stopped { at: now, why: why.to_owned() },
        };
        let seen = sim.look(|world| world.group_nodes().next().unwrap().name.clone());
        let marks = vec![NodeMark::Quarantined(now)];
        let patch = NodePatch { unschedulable: Some(true), marks, ..NodePatch::default() };
        for act in [KubeAct::SaveIntent(Box::new(intent)), KubeAct::PatchNode(seen, patch)] {
            assert!(matches!(ports.cluster.act(&act).await, Outcome::Done), "{act:?}");
        }
        let ports = app::Ports { cluster: Arc::new(ports.cluster.anew()), ..ports };
        assert_snapshot!(said(&app::status(&ports).await.unwrap(), now), @"
        cluster/prod  nodegroup/workers   began 0s ago
          node/ip-10-0-1-190 is quarantined
        0 of 2 old nodes are replaced
        stopped 0s ago: done, but pods would not leave node/a1 within 15m
          (PodEvictionFailure): pod/shop/cart-1
        Next: mngup upgrade -c prod -n workers   # goes on
          or: mngup abort -c prod -n workers   # undoes what it did
        ");
    }
}
