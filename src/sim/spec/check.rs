//! Whether a description makes sense beyond its form.

use std::collections::BTreeSet;

use super::{BudgetSpec, FaultKind, TroubleKind, WorkloadKind, WorkloadSpec, WorldSpec};

/// A field that makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) field: String,
    pub(super) message: String,
}

fn wrong<T>(field: impl Into<String>, message: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { field: field.into(), message: message.into() })
}

pub(super) fn check(spec: &WorldSpec) -> Result<(), Wrong> {
    if spec.zones.is_empty() {
        return wrong("zones", "a world needs at least one zone");
    }
    let mut zones = BTreeSet::new();
    for (index, zone) in spec.zones.iter().enumerate() {
        if !zones.insert(zone.name.as_str()) {
            return wrong(format!("zones[{index}].name"), format!("{} is there twice", zone.name));
        }
    }
    let known_zone = |field: String, name: &str| {
        if zones.contains(name) {
            return Ok(());
        }
        let known = zones.iter().copied().collect::<Vec<_>>().join(", ");
        wrong(field, format!("no zone is called {name}; the zones are {known}"))
    };
    check_group(spec)?;
    for (index, other) in spec.other_nodes.iter().enumerate() {
        known_zone(format!("other-nodes[{index}].zone"), &other.zone)?;
    }
    let mut names = BTreeSet::new();
    for (index, workload) in spec.workloads.iter().enumerate() {
        let field = format!("workloads[{index}]");
        if !names.insert((workload.namespace.as_str(), workload.name.as_str())) {
            return wrong(format!("{field}.name"), format!("{}/{} is there twice", workload.namespace, workload.name));
        }
        for (zone_index, zone) in workload.zones.iter().enumerate() {
            known_zone(format!("{field}.zones[{zone_index}]"), zone)?;
        }
        check_workload(spec, workload, &field)?;
    }
    for (index, budget) in spec.budgets.iter().enumerate() {
        let field = format!("budgets[{index}]");
        check_budget(budget, &field)?;
        if budget.name.is_none() || budget.namespace.is_none() || budget.selector.is_none() {
            return wrong(field, "a budget that stands by itself needs name, namespace and selector");
        }
    }
    for (index, fault) in spec.faults.iter().enumerate() {
        check_fault(spec, &fault.what, &format!("faults[{index}].what"))?;
    }
    let replies = spec.replies;
    if replies.lost + replies.lost_requests + replies.throttled + replies.failed > 90 {
        return wrong("replies", "together they are percentages of all requests, at most 90");
    }
    Ok(())
}

fn check_group(spec: &WorldSpec) -> Result<(), Wrong> {
    let (group, nodes) = (&spec.group, spec.nodes());
    if group.asg.is_none() && group.nodegroup.is_none() {
        return wrong("group", "it needs a nodegroup with a name, or the name of an asg");
    }
    if group.instance_types.is_empty() {
        return wrong("group.instance-types", "at least one is needed");
    }
    if group.min > nodes {
        return wrong("group.min", format!("{} is more than the {nodes} nodes in zones", group.min));
    }
    if group.max.is_some_and(|max| max < nodes) {
        let max = group.max.unwrap_or_default();
        return wrong("group.max", format!("{max} is less than the {nodes} nodes in zones"));
    }
    if let Some(version) = &group.template.version
        && !matches!(version.as_str(), "$Default" | "$Latest")
        && version.parse::<u32>().is_err()
    {
        return wrong("group.template.version", format!("{version} is neither a number nor $Default nor $Latest"));
    }
    Ok(())
}

fn check_workload(spec: &WorldSpec, workload: &WorkloadSpec, field: &str) -> Result<(), Wrong> {
    let fits = |cpu: u32, memory: u32| workload.cpu.0 <= cpu && workload.memory.0 <= memory;
    let group = spec.group.instance_types.iter().any(|known| fits(known.cpu.0, known.memory.0));
    let elsewhere = spec.other_nodes.iter().any(|other| fits(other.cpu.0, other.memory.0));
    if !group && !elsewhere {
        return wrong(format!("{field}.cpu"), "no node is large enough for one pod of it");
    }
    if workload.zonal_volume && workload.kind != WorkloadKind::StatefulSet {
        return wrong(format!("{field}.zonal-volume"), "only a StatefulSet keeps a volume for each of its pods");
    }
    if workload.runs.is_some() && workload.kind != WorkloadKind::Job {
        return wrong(format!("{field}.runs"), "only a Job runs to its end");
    }
    for (index, budget) in workload.budgets.iter().enumerate() {
        check_budget(budget, &format!("{field}.budgets[{index}]"))?;
    }
    let image = workload.trouble.as_ref().is_some_and(|trouble| trouble.kind == TroubleKind::ImagePull);
    if image && workload.kind == WorkloadKind::DaemonSet {
        return wrong(format!("{field}.trouble"), "a DaemonSet without its image would keep every new node waiting");
    }
    Ok(())
}

fn check_budget(budget: &BudgetSpec, field: &str) -> Result<(), Wrong> {
    match (budget.min_available, budget.max_unavailable) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        (Some(_), Some(_)) | (None, None) => wrong(field, "a budget has either min-available or max-unavailable"),
    }
}

fn check_fault(spec: &WorldSpec, fault: &FaultKind, field: &str) -> Result<(), Wrong> {
    match fault {
        FaultKind::DeletePod { workload }
        | FaultKind::Scale { workload, .. }
        | FaultKind::RemoveFinalizers { workload } => {
            let known = spec.workloads.iter().map(|known| format!("{}/{}", known.namespace, known.name));
            one_of(field, "workload", workload, &known.collect::<Vec<_>>())
        }
        FaultKind::ChangeBudget { budget, .. } | FaultKind::DeleteBudget { budget } => {
            one_of(field, "budget", budget, &budget_names(spec))
        }
        FaultKind::LaunchesFail { zone: Some(zone), .. } => {
            one_of(field, "zone", zone, &spec.zones.iter().map(|zone| zone.name.clone()).collect::<Vec<_>>())
        }
        FaultKind::LaunchesFail { zone: None, .. }
        | FaultKind::SpotLoss { .. }
        | FaultKind::NotReady { .. }
        | FaultKind::KubeletDead { .. }
        | FaultKind::NeverJoin { .. }
        | FaultKind::NeverReady { .. }
        | FaultKind::Uncordon { .. }
        | FaultKind::Cordon { .. }
        | FaultKind::DeleteNamespace { .. }
        | FaultKind::Terminate { .. }
        | FaultKind::BudgetLag { .. } => Ok(()),
    }
}

fn budget_names(spec: &WorldSpec) -> Vec<String> {
    let own = spec.workloads.iter().flat_map(|workload| {
        workload
            .budgets
            .iter()
            .map(move |budget| format!("{}/{}", workload.namespace, budget.name.as_ref().unwrap_or(&workload.name)))
    });
    let beside = spec
        .budgets
        .iter()
        .filter_map(|budget| Some(format!("{}/{}", budget.namespace.as_ref()?, budget.name.as_ref()?)));
    own.chain(beside).collect()
}

fn one_of(field: &str, kind: &str, name: &str, known: &[String]) -> Result<(), Wrong> {
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    wrong(field, format!("no {kind} is called {name}; there are {}", known.join(", ")))
}
