//! Whether a description makes sense beyond its form.

use std::collections::BTreeSet;

use super::{BudgetSpec, FaultKind, TroubleKind, WorkloadKind, WorkloadSpec, WorldSpec, size};
use crate::domain::Selector;

/// A field that makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) field: String,
    pub(super) message: String,
}

pub(super) fn wrong<T>(field: impl Into<String>, message: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { field: field.into(), message: message.into() })
}

pub(super) fn check(spec: &WorldSpec) -> Result<(), Wrong> {
    if spec.zones.is_empty() {
        return wrong("zones", "a world needs at least one zone");
    }
    size::check(spec)?;
    check_names(spec)?;
    let mut zones = BTreeSet::new();
    for (index, zone) in spec.zones.iter().enumerate() {
        if !zones.insert(zone.name.as_str()) {
            return wrong(format!("zones[{index}].name"), format!("{} is there twice", zone.name));
        }
    }
    if spec.nodes() == 0 {
        return wrong("zones", "the group has no node; give a zone some old or new ones");
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
    check_budgets(spec)?;
    for (index, fault) in spec.faults.iter().enumerate() {
        check_fault(spec, &fault.what, &format!("faults[{index}].what"))?;
    }
    let replies = spec.replies;
    let astray = [replies.lost, replies.lost_requests, replies.throttled, replies.failed];
    if astray.into_iter().map(u64::from).sum::<u64>() > 90 {
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
    let mut types = BTreeSet::new();
    for (index, known) in group.instance_types.iter().enumerate() {
        if !types.insert(known.name.as_str()) {
            return wrong(format!("group.instance-types[{index}].name"), format!("{} is there twice", known.name));
        }
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

/// A name that is empty would be a line without its subject later.
fn check_names(spec: &WorldSpec) -> Result<(), Wrong> {
    let mut names = vec![("name".to_owned(), &spec.name), ("cluster".to_owned(), &spec.cluster)];
    names.extend(spec.group.nodegroup.iter().map(|group| ("group.nodegroup.name".to_owned(), &group.name)));
    names.extend(spec.group.asg.iter().map(|asg| ("group.asg".to_owned(), asg)));
    let types = spec.group.instance_types.iter().enumerate();
    names.extend(types.map(|(index, known)| (format!("group.instance-types[{index}].name"), &known.name)));
    names.extend(spec.zones.iter().enumerate().map(|(index, zone)| (format!("zones[{index}].name"), &zone.name)));
    for (index, workload) in spec.workloads.iter().enumerate() {
        names.push((format!("workloads[{index}].name"), &workload.name));
        names.push((format!("workloads[{index}].namespace"), &workload.namespace));
    }
    match names.into_iter().find(|(_, name)| name.trim().is_empty()) {
        Some((field, _)) => wrong(field, "a name is needed"),
        None => Ok(()),
    }
}

/// Each budget is there once and counts some pod: one that counts none holds nothing, which is hardly what was meant.
fn check_budgets(spec: &WorldSpec) -> Result<(), Wrong> {
    let mut names = BTreeSet::new();
    for (index, workload) in spec.workloads.iter().enumerate() {
        for (budget_index, budget) in workload.budgets.iter().enumerate() {
            let field = format!("workloads[{index}].budgets[{budget_index}]");
            counts_pods(spec, budget, &workload.namespace, &field)?;
            first(&mut names, budget_name(budget, &workload.namespace, &workload.name), field)?;
        }
    }
    for (index, budget) in spec.budgets.iter().enumerate() {
        let field = format!("budgets[{index}]");
        let namespace = budget.namespace.as_deref().unwrap_or_default();
        counts_pods(spec, budget, namespace, &field)?;
        first(&mut names, budget_name(budget, namespace, ""), field)?;
    }
    Ok(())
}

fn counts_pods(spec: &WorldSpec, budget: &BudgetSpec, namespace: &str, field: &str) -> Result<(), Wrong> {
    let Some(labels) = &budget.selector else { return Ok(()) };
    let selector = Selector::labels(labels.clone());
    let mut there = spec.workloads.iter().filter(|workload| workload.namespace == namespace);
    if there.any(|workload| selector.matches(&workload.pod_labels())) {
        return Ok(());
    }
    wrong(format!("{field}.selector"), format!("no workload in namespace {namespace} has these labels"))
}

fn first(names: &mut BTreeSet<String>, name: String, field: String) -> Result<(), Wrong> {
    if names.contains(&name) {
        return wrong(field, format!("a second budget is called {name}; give it another name"));
    }
    names.insert(name);
    Ok(())
}

/// Namespace and name; one of a workload is called as that where it has no name of its own.
fn budget_name(budget: &BudgetSpec, namespace: &str, workload: &str) -> String {
    format!("{namespace}/{}", budget.name.as_deref().unwrap_or(workload))
}

fn check_fault(spec: &WorldSpec, fault: &FaultKind, field: &str) -> Result<(), Wrong> {
    match fault {
        FaultKind::DeletePod { workload }
        | FaultKind::Scale { workload, .. }
        | FaultKind::AttachmentsStick { workload }
        | FaultKind::RemoveFinalizers { workload } => {
            let known = spec.workloads.iter().map(|known| format!("{}/{}", known.namespace, known.name));
            one_of(field, "workload", workload, &known.collect::<Vec<_>>())
        }
        FaultKind::ChangeBudget { budget, .. }
        | FaultKind::DeleteBudget { budget }
        | FaultKind::DisruptedSticks { budget } => one_of(field, "budget", budget, &budget_names(spec)),
        FaultKind::LaunchesFail { zone: Some(zone), .. } => {
            one_of(field, "zone", zone, &spec.zones.iter().map(|zone| zone.name.clone()).collect::<Vec<_>>())
        }
        FaultKind::TypeRunsOut { instance_type } => {
            let known = spec.group.instance_types.iter().map(|known| known.name.clone()).collect::<Vec<_>>();
            one_of(field, "instance type", instance_type, &known)
        }
        FaultKind::LaunchesFail { zone: None, .. }
        | FaultKind::LaunchesStall { .. }
        | FaultKind::Suspend { .. }
        | FaultKind::SpotLoss { .. }
        | FaultKind::NotReady { .. }
        | FaultKind::Taint { .. }
        | FaultKind::KubeletDead { .. }
        | FaultKind::NeverJoin { .. }
        | FaultKind::NeverReady { .. }
        | FaultKind::StaleLaunches { .. }
        | FaultKind::LaunchesLost { .. }
        | FaultKind::Shrink { .. }
        | FaultKind::Uncordon { .. }
        | FaultKind::Cordon { .. }
        | FaultKind::DeleteNamespace { .. }
        | FaultKind::NamespaceHangs { .. }
        | FaultKind::Terminate { .. }
        | FaultKind::Grow { .. }
        | FaultKind::NewTemplate
        | FaultKind::ResumeAzRebalance
        | FaultKind::BudgetLag { .. } => Ok(()),
    }
}

fn budget_names(spec: &WorldSpec) -> Vec<String> {
    let own = spec.workloads.iter().flat_map(|workload| {
        workload.budgets.iter().map(move |budget| budget_name(budget, &workload.namespace, &workload.name))
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
