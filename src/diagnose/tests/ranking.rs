use super::*;

fn named(name: &str, pdb: Pdb) -> Pdb {
    Pdb {
        id: PdbRef { namespace: "shop".to_owned(), name: name.to_owned() },
        selector: Selector::labels([("app", name)]),
        ..pdb
    }
}

fn of(app: &str, pod: Pod) -> Pod {
    let labels = [("app".to_owned(), app.to_owned())].into();
    Pod { labels, owner: Some(Owner { kind: "StatefulSet".to_owned(), name: app.to_owned() }), ..pod }
}

/// A crash that holds two pods through its budget, a budget that holds one, and a pod that stops in its own time.
fn busy() -> Cluster {
    let crashed = of("web", not_ready(pod("web-3", "n2"), 600, crashing()));
    let web = [of("web", pod("web-1", "n1")), of("web", pod("web-2", "n1")), crashed];
    let ledger = [of("ledger", pod("ledger-0", "n1"))];
    Cluster::new()
        .budget(named("web", budget(max_unavailable(1), 3, 2, 2)), web)
        .budget(named("ledger", budget(max_unavailable(0), 1, 1, 1)), ledger)
}

#[test]
fn what_holds_most_comes_first_and_each_cause_once() {
    let found = busy().examine(&Subject::Group);
    assert_eq!(
        told(&found),
        [
            "POD-CRASH-LOOP pod/shop/web-3 blocks <- PDB-EXHAUSTED pdb/shop/web",
            "PDB-NEVER-ALLOWS pdb/shop/ledger blocks",
        ]
    );
    let held: Vec<_> = found.findings[0].holds.pods.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(held, ["web-1", "web-2"]);
}

#[test]
fn the_root_of_a_budget_is_found_from_the_budget() {
    let found = busy().examine(&Subject::Group);
    let web = Object::Pdb(PdbRef { namespace: "shop".to_owned(), name: "web".to_owned() });
    assert_eq!(found.at(&web).map(|finding| finding.cause), Some(Cause::PdbExhausted));
    let roots: Vec<_> = found.roots_of(&web).map(|root| root.cause).collect();
    assert_eq!(roots, [Cause::PodCrashLoop]);
}

#[test]
fn the_tree_goes_from_the_node_down_to_the_cause() {
    fn lines(branches: &[Branch], depth: usize) -> Vec<String> {
        let line = |branch: &Branch| {
            let codes = branch.causes.iter().map(|cause| format!(" {cause}")).collect::<Vec<_>>().concat();
            let seen = if branch.seen_above { " (above)" } else { "" };
            format!("{}{}{codes}{seen}", "  ".repeat(depth), branch.object)
        };
        branches
            .iter()
            .flat_map(|branch| std::iter::once(line(branch)).chain(lines(&branch.below, depth + 1)))
            .collect()
    }
    insta::assert_snapshot!(lines(&busy().examine(&Subject::Group).tree, 0).join("\n"), @r"
    node/n1
      pod/shop/ledger-0
        pdb/shop/ledger PDB-NEVER-ALLOWS
      pod/shop/web-1
        pdb/shop/web PDB-EXHAUSTED
          pod/shop/web-3 POD-CRASH-LOOP
      pod/shop/web-2
        pdb/shop/web PDB-EXHAUSTED (above)
    ");
}

#[test]
fn only_what_changes_who_is_held_or_why_is_news() {
    let before = busy().examine(&Subject::Group);
    let mut later = busy();
    let more = in_container(waiting("CrashLoopBackOff"), 10);
    later.see(Change::PdbPods(
        PdbRef { namespace: "shop".to_owned(), name: "web".to_owned() },
        vec![of("web", pod("web-1", "n1")), of("web", not_ready(pod("web-3", "n2"), 600, more))],
    ));
    assert!(before.same_as(&later.examine(&Subject::Group)));
    assert!(!before.same_as(&Cluster::new().examine(&Subject::Group)));
}

#[test]
fn a_way_out_that_was_not_known_before_is_news() {
    let held = || Cluster::new().budget(budget(max_unavailable(0), 1, 1, 1), [pod("cart-1", "n1")]);
    let (before, after) = (held(), held().told(deployment(|known| known.replicas = Some(1))));
    let (before, after) = (before.examine(&Subject::Group), after.examine(&Subject::Group));
    assert_eq!(told(&before), told(&after));
    assert!(fixes(&before.findings[0]).len() < fixes(&after.findings[0]).len());
    assert!(!before.same_as(&after) && after.same_as(&after));
}

#[test]
fn another_instance_that_waits_and_what_lies_below_no_more_are_news() {
    let before = busy().examine(&Subject::Group);
    let (mut another, mut below) = (before.clone(), before.clone());
    another.findings[0].holds.instances.insert("i-1".into());
    below.findings[0].because = vec![before.findings[1].clone()];
    assert!(!before.same_as(&another) && !before.same_as(&below) && below.same_as(&below.clone()));
}

#[test]
fn what_was_told_is_read_from_a_journal_as_it_was() {
    let found = busy().examine(&Subject::Group);
    let line = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Diagnosis>(&line).unwrap(), found);
}
