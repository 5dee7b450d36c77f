//! The plan in brief for people: shown before a yes is asked for, and longer with `--dry-run`.

use super::{
    alike::alike,
    brief::{Brief, NodeBrief},
    diagnosis::{self, Findings},
    fit,
    names::Names,
    told, wording,
};
use crate::{
    domain::{Grade, IntOrPercent, Limits, Source, short},
    engine::event::{Evidence, OldNode},
};

/// As many causes with all that belongs to them as a person reads before a run.
const FIXES: usize = 5;

impl Brief {
    /// A few lines, for somebody who is asked to go ahead; `usize::MAX` breaks none.
    #[must_use]
    pub fn lines(&self, width: usize) -> Vec<String> {
        let mut lines = self.head(width);
        lines.extend(self.obstacles(&self.names()).iter().flat_map(|line| fit::hang(line, width)));
        lines
    }

    /// All of it, for `--dry-run`.
    #[must_use]
    pub fn long(&self, width: usize) -> Vec<String> {
        let names = self.names();
        let mut lines = self.head(width);
        let obstacles = self.obstacles(&names);
        if !obstacles.is_empty() {
            lines.push(String::new());
            lines.extend(obstacles.iter().flat_map(|line| fit::hang(line, width)));
        }
        lines.extend(self.fix_lines(width, &names));
        if self.limits.surge > 0 && self.order.len() > 1 {
            lines.push(String::new());
            let order = "in this order, which may differ from where an extra node serves first:";
            lines.extend(fit::hang(order, width));
        }
        for (index, node) in self.order.iter().enumerate() {
            lines.push(String::new());
            lines.extend(self.node(index + 1, node, &names).iter().flat_map(|line| fit::hang(line, width)));
        }
        lines.push(String::new());
        lines.push("(dry run) nothing was written".to_owned());
        lines
    }

    /// What to do first: each cause with its remedies, which can be pasted.
    fn fix_lines(&self, width: usize, names: &Names) -> Vec<String> {
        let findings = Findings { names, commands: &self.commands, width: (width < usize::MAX).then_some(width) };
        let mut before = self.commands.before_kubectl();
        let mut lines = Vec::new();
        let kinds = alike(self.to_fix());
        for kind in kinds.iter().take(FIXES) {
            lines.push(String::new());
            lines.extend(findings.whole(kind, &mut before));
        }
        if let more @ 1.. = kinds.len().saturating_sub(FIXES) {
            let more = wording::count(u32::try_from(more).unwrap_or(u32::MAX), "more cause");
            let all = self.commands.line_with("diagnose", &["--before-upgrade".to_owned()]);
            lines.extend([String::new(), format!("and {more}: {all}")]);
        }
        if lines.is_empty() {
            return lines;
        }
        [String::new(), "fix that first:".to_owned()].into_iter().chain(lines).collect()
    }

    fn head(&self, width: usize) -> Vec<String> {
        let nodes = wording::count(self.nodes, "node");
        let zones = wording::count(self.zones, "zone");
        let mut lines = vec![
            format!("cluster/{}  {}   {}, {nodes} in {zones}", self.cluster, self.group, self.flavour),
            self.old_line(),
            self.limits_line(),
        ];
        let timeout = short(self.policy.drain_timeout);
        if self.policy.force {
            lines.push(format!("--force: pods that are left after {timeout} are deleted, whatever their budgets say"));
        }
        if self.policy.disable_eviction {
            lines.push("--disable-eviction: every pod is deleted, and no budget is asked".to_owned());
        }
        if self.policy.delete_unmanaged {
            lines.push("--delete-unmanaged: pods without a controller are removed for good".to_owned());
        }
        lines.iter().flat_map(|line| fit::hang(line, width)).collect()
    }

    fn old_line(&self) -> String {
        let mut reasons: Vec<(String, u32)> = Vec::new();
        for reason in self.old.iter().map(|old| told::because(&old.evidence)) {
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, nodes)) => *nodes += 1,
                None => reasons.push((reason, 1)),
            }
        }
        let reasons = match reasons.as_slice() {
            [] => String::new(),
            [(reason, _)] => format!(" ({reason})"),
            several => {
                let several: Vec<_> = several.iter().map(|(reason, nodes)| format!("{nodes}: {reason}")).collect();
                format!(" ({})", several.join("; "))
            }
        };
        let (count, asked) = (self.old.len(), |old: &OldNode| matches!(old.evidence, Evidence::Asked));
        if self.old.iter().any(asked) {
            format!("to be replaced: {count} of {}{reasons}", self.nodes)
        } else if self.policy.only.is_empty() {
            format!("old: {count} of {}{reasons}", self.nodes)
        } else {
            let all = wording::count(self.old_in_all, "old node");
            format!("{count} of {all} chosen (--node){reasons}")
        }
    }

    fn limits_line(&self) -> String {
        let Limits { max_unavailable, max_unavailable_said, max_unavailable_from, surge, surge_said, surge_from } =
            self.limits;
        let out = if max_unavailable >= self.desired && self.desired > 0 {
            // Nothing is left of the budget, and a number above everything is often a slip: 50 for 50%.
            format!(
                "all {} may be out at once (--max-unavailable {max_unavailable_said})",
                wording::count(self.desired, "node")
            )
        } else {
            let origin = origin(max_unavailable_said, max_unavailable_from, self.desired);
            format!("{} out at a time{origin}", wording::count(max_unavailable, "node"))
        };
        // No more extra nodes are asked for than there are old ones.
        let extra = match surge.min(u32::try_from(self.old.len()).unwrap_or(u32::MAX)) {
            0 => "no extra node".to_owned(),
            extra => format!("{extra} extra"),
        };
        let (timeout, delay) = (short(self.policy.drain_timeout), short(self.policy.post_drain_delay));
        let extra = format!("{extra}{}", origin(surge_said, surge_from, self.desired));
        let most = max_unavailable.saturating_add(surge).min(u32::try_from(self.old.len()).unwrap_or(u32::MAX));
        let most = if surge > 0 && most > 1 { format!(" = up to {most} at a time") } else { String::new() };
        let max = self.raises_max.map(|(before, now)| format!("; the group's maximum {before} -> {now} meanwhile"));
        let max = max.unwrap_or_default();
        format!("{out} + {extra}{most}{max}; eviction timeout {timeout}; {delay} before terminate")
    }

    /// What will be in the way, worst first, what is worth knowing, and what nobody can tell, in a sentence each.
    fn obstacles(&self, names: &Names) -> Vec<String> {
        let found = self.findings.iter().map(|finding| {
            let why = finding.evidence.first().map_or_else(String::new, |proof| format!(": {}", proof.says));
            let ends = match finding.grade {
                Grade::Blocks => "",
                Grade::Waits => " (takes its time)",
                Grade::Notes => " (good to know)",
            };
            format!("{} {}{why}{ends}", finding.cause, finding.says)
        });
        let unknown = diagnosis::unknown(&self.unknown).into_iter().map(|lack| format!("cannot tell {lack}"));
        found.chain(self.notes.iter().cloned()).chain(unknown).map(|line| names.shorten(&line)).collect()
    }

    fn node(&self, turn: usize, node: &NodeBrief, names: &Names) -> Vec<String> {
        let evidence = self.old.iter().find(|old| old.member.instance == node.member.instance);
        let evidence = evidence.map_or_else(String::new, |old| told::because(&old.evidence));
        let name = told::called(&node.member, names);
        let mut lines = vec![format!("{turn}. {name} in {}", node.member.zone), format!("   why:   {evidence}")];
        let leaving = u32::try_from(node.leaves.len()).unwrap_or(u32::MAX);
        if leaving > 0 {
            lines.push(format!("   leave: {}: {}", wording::count(leaving, "pod"), wording::pod_names(&node.leaves)));
        }
        let stays: Vec<_> = node.stays.iter().map(|(reason, pods)| format!("{pods} ({reason})")).collect();
        if !stays.is_empty() {
            lines.push(format!("   stay:  {}", stays.join(", ")));
        }
        lines.extend(node.blocks.iter().map(|(pod, why)| format!("   stuck: {pod}: {}", names.shorten(why))));
        if node.member.node.is_none() {
            lines.push("   never became a node: nothing to drain".to_owned());
        }
        lines
    }

    fn names(&self) -> Names {
        let mut names = Names::default();
        let members = self.old.iter().map(|old| &old.member).chain(self.order.iter().map(|node| &node.member));
        for node in members.filter_map(|member| member.node.as_ref()) {
            names.learn(node);
        }
        names
    }
}

/// What a percentage was taken of, and who said so where that was not the user.
fn origin(said: IntOrPercent, from: Source, desired: u32) -> String {
    let of = match said {
        IntOrPercent::Percent(_) => Some(format!("{said} of {desired}")),
        IntOrPercent::Int(_) => None,
    };
    let by = match from {
        Source::UpdateConfig => Some("the group's updateConfig".to_owned()),
        Source::Policy | Source::Default => None,
    };
    let parts: Vec<_> = of.into_iter().chain(by).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::{
        domain::{By, Cause, Command, Finding, LaunchTemplate, Object, Remedy},
        report::fixtures::{intent, member, never, pod, prod},
    };

    /// A budget that can never allow an eviction, as it is found before a run.
    fn guard() -> Finding {
        let pdb = never().pdb;
        let patch = format!("-n odd patch pdb/{} --type=merge -p '{{\"spec\":{{\"minAvailable\":1}}}}'", pdb.name);
        let says = format!("{pdb} can never allow an eviction");
        let mut found = Finding::new(Cause::PdbNeverAllows, Object::Pdb(pdb), says)
            .by(By::Arithmetic, "minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and always")
            .remedies(vec![Remedy::fix("let one pod leave at a time", vec![Command::Kubectl(patch)], "one pod less")]);
        found.holds.pods.extend(never().pods);
        found
    }

    fn brief() -> Brief {
        let template = |version: &str| LaunchTemplate { id: "lt-0a1c".to_owned(), version: version.to_owned() };
        let evidence = Evidence::Template { has: template("3"), target: template("4") };
        let old: Vec<_> = (1..=3).map(|n| OldNode { member: member(n), evidence: evidence.clone() }).collect();
        let intent = intent(3);
        let leaves: Vec<_> = (1..=7).map(|n| pod(&format!("cart-{n}"))).collect();
        let order = old.iter().map(|old| NodeBrief {
            member: old.member.clone(),
            leaves: leaves.clone(),
            stays: vec![("DaemonSet".to_owned(), 3), ("static pod".to_owned(), 1)],
            blocks: Vec::new(),
        });
        let mut order: Vec<_> = order.collect();
        order[1].blocks.push((pod("shell"), "no controller would bring it back; see --delete-unmanaged".to_owned()));
        Brief {
            cluster: intent.cluster,
            group: intent.group,
            flavour: "managed, AL2023, on-demand".to_owned(),
            nodes: 3,
            zones: 3,
            old,
            limits: Limits {
                max_unavailable_said: IntOrPercent::Percent(33),
                max_unavailable_from: Source::UpdateConfig,
                ..intent.limits
            },
            desired: 3,
            raises_max: None,
            old_in_all: 3,
            policy: intent.policy,
            order,
            findings: vec![guard()],
            unknown: Vec::new(),
            notes: vec!["the kubelet of ip-10-0-1-2 is older than its launch template says".to_owned()],
            commands: prod(),
        }
    }

    #[test]
    fn who_is_asked_sees_what_is_old_how_fast_and_what_will_be_in_the_way() {
        assert_snapshot!(brief().lines(80).join("\n"), @"
        cluster/prod  nodegroup/apps   managed, AL2023, on-demand, 3 nodes in 3 zones
        old: 3 of 3 (launch template lt-0a1c version 3, the group launches 4)
        1 node out at a time (33% of 3, the group's updateConfig) + 1 extra = up to 2
          at a time; eviction timeout 15m; 1m before terminate
        PDB-NEVER-ALLOWS pdb/odd/ledger-guard can never allow an eviction:
          minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and
          always
        the kubelet of ip-10-0-1-2 is older than its launch template says
        ");
        let calm = Brief { findings: Vec::new(), notes: Vec::new(), limits: intent(3).limits, ..brief() };
        assert_snapshot!(calm.lines(80).join("\n"), @"
        cluster/prod  nodegroup/apps   managed, AL2023, on-demand, 3 nodes in 3 zones
        old: 3 of 3 (launch template lt-0a1c version 3, the group launches 4)
        1 node out at a time (the group's updateConfig) + 1 extra = up to 2 at a time;
          eviction timeout 15m; 1m before terminate
        ");
    }

    #[test]
    fn a_number_above_everything_is_said_as_what_it_means() {
        let limits = Limits { max_unavailable: 50, max_unavailable_said: IntOrPercent::Int(50), ..intent(3).limits };
        let lines = Brief { limits, ..brief() }.lines(80).join("\n");
        assert!(lines.contains("all 3 nodes may be out at once (--max-unavailable 50) + 1 extra"), "{lines}");
    }

    #[test]
    fn some_nodes_a_raised_maximum_and_nodes_that_are_not_old_are_said_as_what_they_are() {
        let line = |brief: &Brief, index: usize| brief.lines(usize::MAX)[index].clone();
        let mut one = Brief { old_in_all: 12, raises_max: Some((15, 22)), ..brief() };
        one.old.truncate(1);
        one.policy.only = [crate::report::fixtures::node(1, 1)].into();
        assert_snapshot!(line(&one, 1), @"1 of 12 old nodes chosen (--node) (launch template lt-0a1c version 3, the group launches 4)");
        let many = Limits { surge: 10, ..intent(3).limits };
        let many = Brief { limits: many, raises_max: Some((15, 22)), ..brief() };
        assert_snapshot!(line(&many, 2), @"1 node out at a time (the group's updateConfig) + 3 extra = up to 3 at a time; the group's maximum 15 -> 22 meanwhile; eviction timeout 15m; 1m before terminate");
        let old = brief().old.into_iter().map(|old| OldNode { evidence: Evidence::Asked, ..old }).collect();
        assert_snapshot!(line(&Brief { old, ..brief() }, 1), @"to be replaced: 3 of 3 (not old, but --all-nodes asks for it)");
    }

    #[test]
    fn what_holds_pods_for_ever_is_to_be_fixed_first_and_not_where_they_are_deleted() {
        let many = Brief { findings: vec![guard(); 7], ..brief() };
        let long = many.long(80).join("\n");
        let fix = long.split("fix that first:").nth(1).unwrap();
        assert_eq!(fix.matches("\nPDB-NEVER-ALLOWS").count(), 5, "{long}");
        assert!(fix.contains("\nand 2 more causes: mngup diagnose -c prod -n apps --before-upgrade"), "{long}");
        // Once is enough.
        assert_eq!(fix.matches("# aws eks update-kubeconfig").count(), 1, "{long}");
        let mut forced = brief();
        forced.findings[0].grade = Grade::Waits;
        let long = forced.long(80).join("\n");
        assert!(!long.contains("fix that first") && long.contains("PDB-NEVER-ALLOWS"), "{long}");
    }

    #[test]
    fn a_dry_run_shows_each_node() {
        assert_snapshot!(brief().long(80).join("\n"), @r#"
        cluster/prod  nodegroup/apps   managed, AL2023, on-demand, 3 nodes in 3 zones
        old: 3 of 3 (launch template lt-0a1c version 3, the group launches 4)
        1 node out at a time (33% of 3, the group's updateConfig) + 1 extra = up to 2
          at a time; eviction timeout 15m; 1m before terminate

        PDB-NEVER-ALLOWS pdb/odd/ledger-guard can never allow an eviction:
          minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and
          always
        the kubelet of ip-10-0-1-2 is older than its launch template says

        fix that first:

        PDB-NEVER-ALLOWS  pdb/odd/ledger-guard can never allow an eviction
          holds  1 pod: pod/odd/ledger-5cf9-2lmzc
          why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave,
                 now and always (arithmetic)
          fix    # kubectl must point to cluster prod:
                 # aws eks update-kubeconfig --name prod
                 # let one pod leave at a time; risk: one pod less
                 kubectl -n odd patch pdb/ledger-guard --type=merge -p '{"spec":{"minAvailable":1}}'
          more   mngup explain PDB-NEVER-ALLOWS

        in this order, which may differ from where an extra node serves first:

        1. ip-10-0-1-1 in eu-west-1b
           why:   launch template lt-0a1c version 3, the group launches 4
           leave: 7 pods: shop/cart-1, shop/cart-2, shop/cart-3, shop/cart-4,
             shop/cart-5, +2
           stay:  3 (DaemonSet), 1 (static pod)

        2. ip-10-0-1-2 in eu-west-1c
           why:   launch template lt-0a1c version 3, the group launches 4
           leave: 7 pods: shop/cart-1, shop/cart-2, shop/cart-3, shop/cart-4,
             shop/cart-5, +2
           stay:  3 (DaemonSet), 1 (static pod)
           stuck: pod/shop/shell: no controller would bring it back; see
             --delete-unmanaged

        3. ip-10-0-1-3 in eu-west-1a
           why:   launch template lt-0a1c version 3, the group launches 4
           leave: 7 pods: shop/cart-1, shop/cart-2, shop/cart-3, shop/cart-4,
             shop/cart-5, +2
           stay:  3 (DaemonSet), 1 (static pod)

        (dry run) nothing was written
        "#);
    }
}
