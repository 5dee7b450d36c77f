//! Every flag with values that are empty, negative, huge, foreign or nearly right: each is answered by its own parser.

use std::path::Path;

use insta::assert_snapshot;

use crate::mngup_words;

/// What is said first about these values of a flag.
fn said(flag: &str, values: &[&str]) -> String {
    let screens = values.iter().map(|value| {
        let words = ["upgrade", "-c", "prod", "-n", "apps", "--dry-run", flag, value];
        let screen = mngup_words(Path::new("/"), &words, &[("AWS_EC2_METADATA_DISABLED", "true")]);
        let (lines, code) = screen.rsplit_once('\n').unwrap();
        let said: Vec<_> = lines.lines().map(|line| line.trim_start_matches("2>").trim()).collect();
        let said = said.into_iter().take_while(|line| !line.starts_with("For more") && !line.starts_with("Usage"));
        let said: Vec<_> = said.filter(|line| !line.is_empty()).collect();
        format!("{value:?}: {} {code}", said.join(" / "))
    });
    screens.collect::<Vec<_>>().join("\n")
}

const COUNTS: [&str; 6] = ["", "-1", "4294967296", "二", "1.5", "--yes"];
const TIMES: [&str; 7] = ["", "-5m", "99999999999d", "fünf", "15", "15min", "--yes"];

#[test]
fn counts() {
    assert_snapshot!(said("--max-unavailable", &COUNTS), @r#"
    "": error: invalid value '' for '--max-unavailable <N|N%>': "" is neither a count (2) nor a percentage (25%) [2]
    "-1": error: invalid value '-1' for '--max-unavailable <N|N%>': "-1" is neither a count (2) nor a percentage (25%) [2]
    "4294967296": error: invalid value '4294967296' for '--max-unavailable <N|N%>': "4294967296" is neither a count (2) nor a percentage (25%) [2]
    "二": error: invalid value '二' for '--max-unavailable <N|N%>': "二" is neither a count (2) nor a percentage (25%) [2]
    "1.5": error: invalid value '1.5' for '--max-unavailable <N|N%>': "1.5" is neither a count (2) nor a percentage (25%) [2]
    "--yes": error: invalid value '--yes' for '--max-unavailable <N|N%>': "--yes" is neither a count (2) nor a percentage (25%) [2]
    "#);
    assert_snapshot!(said("--max-unavailable", &["-10%", "101%", "%", "50 %"]), @r#"
    "-10%": error: invalid value '-10%' for '--max-unavailable <N|N%>': "-10%" is neither a count (2) nor a percentage (25%) [2]
    "101%": error: invalid value '101%' for '--max-unavailable <N|N%>': "101%" is more than everything: a percentage is 0% to 100% [2]
    "%": error: invalid value '%' for '--max-unavailable <N|N%>': "%" is neither a count (2) nor a percentage (25%) [2]
    "50 %": error: invalid value '50 %' for '--max-unavailable <N|N%>': "50 %" is neither a count (2) nor a percentage (25%) [2]
    "#);
    assert_snapshot!(said("--max-surge", &COUNTS), @r#"
    "": error: invalid value '' for '--max-surge <N|N%>': "" is neither a count (2) nor a percentage (25%) [2]
    "-1": error: invalid value '-1' for '--max-surge <N|N%>': "-1" is neither a count (2) nor a percentage (25%) [2]
    "4294967296": error: invalid value '4294967296' for '--max-surge <N|N%>': "4294967296" is neither a count (2) nor a percentage (25%) [2]
    "二": error: invalid value '二' for '--max-surge <N|N%>': "二" is neither a count (2) nor a percentage (25%) [2]
    "1.5": error: invalid value '1.5' for '--max-surge <N|N%>': "1.5" is neither a count (2) nor a percentage (25%) [2]
    "--yes": error: invalid value '--yes' for '--max-surge <N|N%>': "--yes" is neither a count (2) nor a percentage (25%) [2]
    "#);
    assert_snapshot!(said("--max-quarantined", &COUNTS), @r#"
    "": error: invalid value '' for '--max-quarantined <N>': write a count: 0, 1, 2 [2]
    "-1": error: invalid value '-1' for '--max-quarantined <N>': write a count: 0, 1, 2 [2]
    "4294967296": error: invalid value '4294967296' for '--max-quarantined <N>': write a count: 0, 1, 2 [2]
    "二": error: invalid value '二' for '--max-quarantined <N>': write a count: 0, 1, 2 [2]
    "1.5": error: invalid value '1.5' for '--max-quarantined <N>': write a count: 0, 1, 2 [2]
    "--yes": error: invalid value '--yes' for '--max-quarantined <N>': write a count: 0, 1, 2 [2]
    "#);
}

#[test]
fn times() {
    assert_snapshot!(said("--drain-timeout", &TIMES), @r#"
    "": error: invalid value '' for '--drain-timeout <TIME>': write it as 90s, 15m or 1h30m [2]
    "-5m": error: invalid value '-5m' for '--drain-timeout <TIME>': write it as 90s, 15m or 1h30m [2]
    "99999999999d": error: invalid value '99999999999d' for '--drain-timeout <TIME>': it is longer than a year, and no run takes that long [2]
    "fünf": error: invalid value 'fünf' for '--drain-timeout <TIME>': write it as 90s, 15m or 1h30m [2]
    "15": error: invalid value '15' for '--drain-timeout <TIME>': 15 of what? Write 15s or 15m [2]
    "15min": error: invalid value '15min' for '--drain-timeout <TIME>': write it as 90s, 15m or 1h30m [2]
    "--yes": error: invalid value '--yes' for '--drain-timeout <TIME>': write it as 90s, 15m or 1h30m [2]
    "#);
    let as_drain_timeout = said("--drain-timeout", &TIMES);
    for flag in ["--replacement-timeout", "--post-drain-delay", "--node-interval"] {
        assert_eq!(said(flag, &TIMES).replace(flag, "--drain-timeout"), as_drain_timeout);
    }
    assert_snapshot!(said("--drain-timeout", &["0", "0s"]), @r#"
    "0": error: invalid value '0' for '--drain-timeout <TIME>': 0 would give up before it began; for a very long patience write 30d [2]
    "0s": error: invalid value '0s' for '--drain-timeout <TIME>': 0 would give up before it began; for a very long patience write 30d [2]
    "#);
    assert_snapshot!(said("--lease-duration", &["", "-5m", "15", "1s", "2h"]), @r#"
    "": error: invalid value '' for '--lease-duration <TIME>': write it as 90s, 15m or 1h30m [2]
    "-5m": error: invalid value '-5m' for '--lease-duration <TIME>': write it as 90s, 15m or 1h30m [2]
    "15": error: invalid value '15' for '--lease-duration <TIME>': 15 of what? Write 15s or 15m [2]
    "1s": error: invalid value '1s' for '--lease-duration <TIME>': a live run could not renew it in time; take 3s or more [2]
    "2h": error: invalid value '2h' for '--lease-duration <TIME>': nobody waits that long for a dead run; take 1h or less [2]
    "#);
}

#[test]
fn seconds() {
    assert_snapshot!(said("--grace-period", &["", "-1", "0", "99999999999", "fünf", "30sec"]), @r#"
    "": error: invalid value '' for '--grace-period <TIME>': write it as 90s, 15m or 1h30m [2]
    "-1": error: invalid value '-1' for '--grace-period <TIME>': that is what kubectl calls the pod's own; leave the flag out for it [2]
    "0": error: invalid value '0' for '--grace-period <TIME>': 0 removes the pod's object while its processes may still run; the shortest is 1s [2]
    "99999999999": error: invalid value '99999999999' for '--grace-period <TIME>': it is longer than a year, and no run takes that long [2]
    "fünf": error: invalid value 'fünf' for '--grace-period <TIME>': write it as 90s, 15m or 1h30m [2]
    "30sec": error: invalid value '30sec' for '--grace-period <TIME>': write it as 90s, 15m or 1h30m [2]
    "#);
    assert_snapshot!(said("--max-grace-period", &["-1"]), @r#""-1": error: invalid value '-1' for '--max-grace-period <TIME>': that is what kubectl calls the pod's own; leave the flag out for it [2]"#);
    assert_snapshot!(said("--skip-wait-for-delete-timeout", &["", "-1", "99999999999999999999"]), @r#"
    "": error: invalid value '' for '--skip-wait-for-delete-timeout <TIME>': write it as 90s, 15m or 1h30m [2]
    "-1": error: invalid value '-1' for '--skip-wait-for-delete-timeout <TIME>': write it as 90s, 15m or 1h30m [2]
    "99999999999999999999": error: invalid value '99999999999999999999' for '--skip-wait-for-delete-timeout <TIME>': it is longer than a year, and no run takes that long [2]
    "#);
}

#[test]
fn names() {
    assert_snapshot!(said("--region", &["", "euwest1", "eu-west-1a", "EU-WEST-1", "--yes"]), @r#"
    "": error: invalid value '' for '--region <REGION>': it is empty [2]
    "euwest1": error: invalid value 'euwest1' for '--region <REGION>': an AWS region is written like eu-west-1 or us-gov-east-1 [2]
    "eu-west-1a": error: invalid value 'eu-west-1a' for '--region <REGION>': that is a zone; its region is eu-west-1 [2]
    "EU-WEST-1": error: invalid value 'EU-WEST-1' for '--region <REGION>': an AWS region is written like eu-west-1 or us-gov-east-1 [2]
    "--yes": error: a value is required for '--region <REGION>' but none was supplied [2]
    "#);
    assert_snapshot!(said("--profile", &["", " "]), @r#"
    "": error: invalid value '' for '--profile <NAME>': it is empty [2]
    " ": error: invalid value ' ' for '--profile <NAME>': it is empty [2]
    "#);
    assert_snapshot!(said("--context", &[""]), @r#""": error: invalid value '' for '--context <NAME>': it is empty [2]"#);
    assert_snapshot!(said("--kubeconfig", &[""]), @r#""": error: a value is required for '--kubeconfig <PATH>' but none was supplied [2]"#);
    assert_snapshot!(said("--state-namespace", &["", "Kube-System", "kube_system"]), @r#"
    "": error: invalid value '' for '--state-namespace <NAME>': it is empty [2]
    "Kube-System": error: invalid value 'Kube-System' for '--state-namespace <NAME>': a namespace has at most 63 lowercase letters, digits and -, as in kube-system [2]
    "kube_system": error: invalid value 'kube_system' for '--state-namespace <NAME>': a namespace has at most 63 lowercase letters, digits and -, as in kube-system [2]
    "#);
    assert_snapshot!(said("--journal", &[""]), @r#""": error: a value is required for '--journal <PATH>' but none was supplied [2]"#);
    assert_snapshot!(said("--node", &["", "node/ip-10-0-1-7", "a,,b"]), @r#"
    "": error: --node "" is not the name of a node / Next: write it as kubectl get nodes does: --node ip-10-0-1-7.eu-west-1.compute.internal [2]
    "node/ip-10-0-1-7": error: --node "node/ip-10-0-1-7" is not the name of a node / Next: write it as kubectl get nodes does: --node ip-10-0-1-7.eu-west-1.compute.internal [2]
    "a,,b": error: --node "" is not the name of a node / Next: write it as kubectl get nodes does: --node ip-10-0-1-7.eu-west-1.compute.internal [2]
    "#);
    let target = |words: &[&str]| mngup_words(Path::new("/"), &[&["status"], words].concat(), &[]);
    assert_snapshot!(target(&["-c", "", "-n", "apps"]), @"
    2> error: invalid value '' for '--cluster <NAME>': it is empty
    2>
    2> For more information, try '--help'.
    [2]
    ");
    assert_snapshot!(target(&["-c", "arn:aws:eks:eu-west-1:111122223333:cluster/prod", "-n", "apps"]), @"
    2> error: invalid value 'arn:aws:eks:eu-west-1:111122223333:cluster/prod' for '--cluster <NAME>': that is an ARN; write the name alone, as the AWS console shows it
    2>
    2> For more information, try '--help'.
    [2]
    ");
    assert_snapshot!(target(&["-c", "prod", "-n", "nodegroup/apps"]), @"
    2> error: invalid value 'nodegroup/apps' for '--nodegroup <NAME>': a name in EKS has letters, digits, - and _ only, and begins with a letter or digit
    2>
    2> For more information, try '--help'.
    [2]
    ");
}

#[test]
fn choices() {
    assert_snapshot!(said("--order", &["", "zoen", "newset", "random"]), @r#"
    "": error: a value is required for '--order <ORDER>' but none was supplied / [possible values: zone, oldest, newest, name] [2]
    "zoen": error: invalid value 'zoen' for '--order <ORDER>' / [possible values: zone, oldest, newest, name] / tip: a similar value exists: 'zone' [2]
    "newset": error: invalid value 'newset' for '--order <ORDER>' / [possible values: zone, oldest, newest, name] / tip: a similar value exists: 'newest' [2]
    "random": error: invalid value 'random' for '--order <ORDER>' / [possible values: zone, oldest, newest, name] [2]
    "#);
    assert_snapshot!(said("--undrainable-node-behavior", &["quarantin", "ignore"]), @r#"
    "quarantin": error: invalid value 'quarantin' for '--undrainable-node-behavior <WHAT>' / [possible values: stop, quarantine] / tip: a similar value exists: 'quarantine' [2]
    "ignore": error: invalid value 'ignore' for '--undrainable-node-behavior <WHAT>' / [possible values: stop, quarantine] [2]
    "#);
    assert_snapshot!(said("--output", &["yaml", "jsno"]), @r#"
    "yaml": error: invalid value 'yaml' for '--output <FORM>' / [possible values: human, json, jsonl] [2]
    "jsno": error: invalid value 'jsno' for '--output <FORM>' / [possible values: human, json, jsonl] / tip: a similar value exists: 'json' [2]
    "#);
    assert_snapshot!(said("--color", &["blue"]), @r#""blue": error: invalid value 'blue' for '--color <WHEN>' / [possible values: auto, always, never] [2]"#);
}

#[test]
fn flags_and_commands_that_are_nearly_right() {
    let mistyped = |line: &str| mngup_words(Path::new("/"), &line.split(' ').collect::<Vec<_>>(), &[]);
    assert_snapshot!(mistyped("upgarde -c prod -n apps"), @"
    2> error: unrecognized subcommand 'upgarde'
    2>
    2>   tip: a similar subcommand exists: 'upgrade'
    2>
    2> Usage: mngup [OPTIONS] <COMMAND>
    2>
    2> For more information, try '--help'.
    [2]
    ");
    assert_snapshot!(mistyped("upgrade --max-unavailble 1"), @"
    2> error: unexpected argument '--max-unavailble' found
    2>
    2>   tip: a similar argument exists: '--max-unavailable'
    2>
    2> Usage: mngup upgrade --max-unavailable <N|N%>
    2>
    2> For more information, try '--help'.
    [2]
    ");
    assert_snapshot!(mistyped("upgrade --nodegruop apps"), @"
    2> error: unexpected argument '--nodegruop' found
    2>
    2>   tip: a similar argument exists: '--nodegroup'
    2>
    2> Usage: mngup upgrade --nodegroup <NAME>
    2>
    2> For more information, try '--help'.
    [2]
    ");
    assert_snapshot!(mistyped("upgrade --yes=false"), @"
    2> error: unexpected value 'false' for '--yes' found; no more were expected
    2>
    2> Usage: mngup upgrade --yes
    2>
    2> For more information, try '--help'.
    [2]
    ");
    assert_snapshot!(mistyped("upgrade apps"), @"
    2> error: unexpected argument 'apps' found
    2>
    2> Usage: mngup upgrade [OPTIONS]
    2>
    2> For more information, try '--help'.
    [2]
    ");
    assert_snapshot!(mistyped("completions bsh"), @"
    2> error: invalid value 'bsh' for '<SHELL>'
    2>   [possible values: bash, elvish, fish, powershell, zsh]
    2>
    2>   tip: a similar value exists: 'bash'
    2>
    2> For more information, try '--help'.
    [2]
    ");
}
