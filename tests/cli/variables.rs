//! `MNGUP_…`: empty ones, wrong ones, and those that turn a sandbox on or off.

use std::path::Path;

use insta::assert_snapshot;

use crate::mngup_in;

fn mngup_with(line: &str, variables: &[(&str, &str)]) -> String {
    mngup_in(Path::new("/"), line, variables)
}

#[test]
fn a_sandbox_that_is_off_is_a_real_cluster_and_one_that_is_on_is_none() {
    let none = "2> error: which cluster, and which group?";
    for off in ["", "false", "0", "off", "no", "FALSE"] {
        let screen = mngup_with("upgrade --dry-run", &[("MNGUP_SANDBOX", off)]);
        assert!(screen.starts_with(none) && screen.ends_with("[2]"), "{off}: {screen}");
    }
    for on in ["true", "1", "on", "yes"] {
        let screen = mngup_with("upgrade --dry-run", &[("MNGUP_SANDBOX", on)]);
        assert!(screen.contains("cluster/shop  nodegroup/workers") && screen.ends_with("[0]"), "{on}: {screen}");
    }
    assert_snapshot!(mngup_with("upgrade -c prod -n apps --yes", &[("MNGUP_SANDBOX", "on")]), @"
    2> error: --cluster with --sandbox, which brings a cluster of its own
    2>   --sandbox comes from the variable MNGUP_SANDBOX
    2>   Next: leave one of them out
    [2]
    ");
    assert_snapshot!(mngup_with("upgrade --dry-run", &[("MNGUP_SANDBOX", "ture")]), @"
    2> error: ture: No such file or directory (os error 2)
    2>   Next: mngup upgrade --sandbox   # the world that mngup brings
    [2]
    ");
    assert_snapshot!(mngup_with("upgrade --sandbox=", &[]), @"
    2> error: invalid value '' for '--sandbox [<WORLD.yaml>]': it is empty; leave the value out for the world that mngup brings
    2>
    2> For more information, try '--help'.
    [2]
    ");
}

#[test]
fn every_empty_variable_counts_as_not_set() {
    let help = mngup_with("upgrade --help", &[]);
    let flags = help.lines().filter_map(|line| {
        let long = line.trim_start().split("--").nth(1)?;
        line.trim_start().starts_with('-').then(|| long.split([' ', '.', '[']).next().unwrap().to_owned())
    });
    let names: Vec<_> = flags.map(|flag| format!("MNGUP_{}", flag.replace('-', "_").to_uppercase())).collect();
    assert!(
        names.len() > 30 && ["MNGUP_VERBOSE", "MNGUP_FORCE"].iter().all(|name| names.iter().any(|known| known == name)),
        "{names:?}"
    );
    let empty: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let screen = mngup_with("upgrade --sandbox --dry-run", &empty);
    assert!(screen.ends_with("[0]"), "{screen}");
    assert_snapshot!(mngup_with("status", &empty), @"
    2> error: which cluster, and which group? --cluster and --nodegroup (or --asg) are missing
    2>   the variable MNGUP_CLUSTER is empty, which counts as not set
    2>   the variable MNGUP_NODEGROUP is empty, which counts as not set
    2>   the variable MNGUP_ASG is empty, which counts as not set
    2>   Next: mngup status -c CLUSTER -n NODEGROUP
    [2]
    ");
}

#[test]
fn a_wrong_value_out_of_a_variable_names_the_variable() {
    let upgrade = |name, value| mngup_with("upgrade -c prod -n apps --yes", &[(name, value)]);
    assert_snapshot!(upgrade("MNGUP_MAX_SURGE", "lots"), @r#"
    2> error: invalid value 'lots' for 'MNGUP_MAX_SURGE': "lots" is neither a count (2) nor a percentage (25%)
    2>
    2> For more information, try '--help'.
    [2]
    "#);
    assert_snapshot!(upgrade("MNGUP_FORCE", "perhaps"), @"
    2> error: invalid value 'perhaps' for 'MNGUP_FORCE': write true or false
    2>
    2> For more information, try '--help'.
    [2]
    ");
    assert_snapshot!(upgrade("MNGUP_ORDER", "zoen"), @"
    2> error: invalid value 'zoen' for 'MNGUP_ORDER'
    2>   [possible values: zone, oldest, newest, name]
    2>
    2>   tip: a similar value exists: 'zone'
    2>
    2> For more information, try '--help'.
    [2]
    ");
    assert_snapshot!(upgrade("MNGUP_COLOR", "blue"), @"
    2> error: invalid value 'blue' for 'MNGUP_COLOR'
    2>   [possible values: auto, always, never]
    2>
    2> For more information, try '--help'.
    [2]
    ");
    assert_snapshot!(upgrade("MNGUP_VERBOSE", "very"), @"
    2> error: invalid value 'very' for 'MNGUP_VERBOSE': write how often -v is meant: 0, 1, 2, 3
    2>
    2> For more information, try '--help'.
    [2]
    ");
    let nothing_moves = [("MNGUP_MAX_UNAVAILABLE", "0"), ("MNGUP_MAX_SURGE", "0")];
    assert_snapshot!(mngup_with("upgrade -c prod -n apps", &nothing_moves), @"
    2> error: --max-unavailable 0 without a surge: no node may be out, and none comes instead of it
    2>   --max-unavailable comes from the variable MNGUP_MAX_UNAVAILABLE
    2>   Next: add --max-surge 1, or let one node be out
    [2]
    ");
    assert_snapshot!(upgrade("MNGUP_ASG", "workers"), @"
    2> error: --nodegroup apps and --asg workers name two groups
    2>   --asg comes from the variable MNGUP_ASG
    2>   Next: give one of them
    [2]
    ");
    // The flag beats its variable, and its mistake is its own.
    assert_snapshot!(mngup_with("upgrade -c prod -n apps --max-surge many", &[("MNGUP_MAX_SURGE", "lots")]), @r#"
    2> error: invalid value 'many' for '--max-surge <N|N%>': "many" is neither a count (2) nor a percentage (25%)
    2>
    2> For more information, try '--help'.
    [2]
    "#);
}
