//! What the user reads: help, mistakes, reports. Each test shows the screen as it is, stdout first, then stderr.

#![expect(clippy::unwrap_used, reason = "a helper of tests that fails should fail the test")]

mod bad_input;
mod stand_in;

#[path = "../live/support/aws/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub, clippy::expect_used, reason = "the live tests use the rest of it")]
mod aws;

use std::{fs, path::Path};

use assert_cmd::Command;
use insta::assert_snapshot;

/// Runs mngup in an empty environment and home, and shows what it said and how it ended.
fn mngup(line: &str) -> String {
    mngup_in(Path::new("/"), line, &[])
}

fn mngup_in(home: &Path, line: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("mngup"))
        .args(line.split_whitespace())
        .env_clear()
        .env("HOME", home)
        .env("TZ", "UTC")
        .envs(variables.iter().copied())
        .current_dir(home)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut screen = text(&output.stdout);
    screen.extend(text(&output.stderr).lines().map(|line| format!("2> {line}\n")));
    let home = home.display().to_string();
    let screen = if home == "/" { screen } else { screen.replace(&home, "HOME") };
    let shown: Vec<_> = screen.lines().map(str::trim_end).collect();
    format!("{}\n[{}]", shown.join("\n"), output.status.code().unwrap())
}

#[test]
fn the_help_names_the_commands() {
    assert_snapshot!(mngup("--help"), @"
    Upgrades EKS node groups node by node, respects every PodDisruptionBudget, and says why when it
    stands still

    Usage: mngup [OPTIONS] <COMMAND>

    Commands:
      upgrade      Replace every old node of a group, or go on where an earlier run stopped
      status       Show what a run has done and what it waits for, read from the cluster alone
      abort        Undo what a run did to the group and its nodes, and only that
      report       Summarise a journal: time per node and phase, evictions, refusals, who waited for
                   what
      completions  Print a completion script for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Output:
          --color <WHEN>  Colour the output: auto colours terminals only, and honours NO_COLOR [default:
                          auto]
      -v, --verbose...    Tell what is asked of servers, on stderr; -vv tells more, and never a secret

    Every flag has a variable: --max-surge is MNGUP_MAX_SURGE. A flag beats its variable.
    [0]
    ");
}

#[test]
fn the_short_help_of_upgrade_is_one_screen_of_flags() {
    assert_snapshot!(mngup("upgrade -h"), @"
    Replace every old node of a group, or go on where an earlier run stopped

    Usage: mngup upgrade [OPTIONS]

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Which group:
      -c, --cluster <NAME>           The EKS cluster
      -n, --nodegroup <NAME>         The managed node group
          --asg <NAME>               A self-managed Auto Scaling group of this cluster, instead of
                                     --nodegroup
      -r, --region <REGION>          The AWS region [default: what the AWS configuration says]
      -p, --profile <NAME>           The profile of the AWS configuration
          --kubeconfig <PATH>        Reach Kubernetes as this file says [default: the cluster's own
                                     endpoint, with the AWS credentials]
          --context <NAME>           Reach Kubernetes as this context of the kubeconfig says
          --allow-endpoint-mismatch  Accept a kubeconfig whose server is not the cluster's endpoint: a
                                     bastion, a proxy
          --state-namespace <NAME>   The namespace that holds the run's ConfigMap and Lease [default:
                                     kube-system]

    How many at a time:
          --max-unavailable <N|N%>  Nodes that may be out at a time; a percentage rounds down, to at
                                    least 1 [default: the group's updateConfig, else 1]
          --max-surge <N|N%>        Extra nodes that carry the load meanwhile; a percentage rounds up
                                    [default: 1, or 0 where the group's strategy is MINIMAL]
          --node-interval <TIME>    The least time between two nodes' turns [default: 0s]

    Which nodes:
          --all-nodes      Replace nodes that are not old too (kops calls this --force)
          --node <NAME>    Only this node; may be given more than once
          --order <ORDER>  Which node first: zone keeps the zones even (oldest first within one),
                           oldest, newest, name [default: zone]

    Draining:
          --drain-timeout <TIME>
              How long the pods of a node may take to leave [default: 15m]
          --force
              When the drain timeout runs out, delete the pods that are left, whatever their budgets say
              (as EKS does)
          --delete-unmanaged
              Remove pods that no controller brings back (kubectl calls this --force)
          --disable-eviction
              Delete at once instead of evict, which ignores every budget
          --grace-period <TIME>
              Seconds (or a time) that replace every pod's own grace period [default: the pod's own]
          --max-grace-period <TIME>
              Seconds (or a time) that cap every pod's own grace period [default: no cap]
          --skip-wait-for-delete-timeout <TIME>
              No longer wait for pods that were to be gone so long ago; 0 waits for them [default: 0s]

    Replacing:
          --post-drain-delay <TIME>     Between the last pod and the termination, so that load balancers
                                        let go of the node [default: 60s]
          --replacement-timeout <TIME>  How long a replacement may take until it serves [default: 15m]

    When it does not work out:
          --undrainable-node-behavior <WHAT>
              When a node cannot be drained: stop (uncordon it, end the run) or quarantine (leave it
              cordoned, go on) [default: stop]
          --max-quarantined <N>
              Nodes that may be quarantined before the run stops [default: 1]

    Others at work:
          --lease-duration <TIME>  When a run died, another may go on after so long without a sign of
                                   life [default: 30s]

    Consent:
          --dry-run  Show what would be done and stop, having written nothing
      -y, --yes      Do not ask; needed where there is no terminal to ask on [alias: --approve]

    Output:
          --color <WHEN>    Colour the output: auto colours terminals only, and honours NO_COLOR
                            [default: auto]
      -v, --verbose...      Tell what is asked of servers, on stderr; -vv tells more, and never a secret
      -o, --output <FORM>   The answer on stdout: human (lines), json (one document at the end), jsonl
                            (one record a line) [default: human]
          --journal <PATH>  Where to write the journal [default:
                            ~/.local/state/mngup/CLUSTER/GROUP/RUN.jsonl]

    Sandbox:
          --sandbox [<WORLD.yaml>]  Upgrade a simulated cluster: no network, no credentials, the same
                                    engine. WORLD.yaml loads another world
          --sandbox-speed <FACTOR>  How many times faster than the clock the sandbox runs [default: 40]

    A TIME is written with its unit: 90s, 15m, 1h30m.
    Every flag has a variable: --max-surge is MNGUP_MAX_SURGE. A flag beats its variable.
    [0]
    ");
}

#[test]
fn the_long_help_of_upgrade_explains_force_and_exit_codes() {
    let help = mngup("upgrade --help");
    let (_, end) = help.split_once("Three things").unwrap();
    assert_snapshot!(end, @r#"
     are called "force" in this field:
      kubectl drain --force              removes pods that no controller brings back;
                                         here --delete-unmanaged
      kops rolling-update --force        replaces nodes that are not old too;
                                         here --all-nodes
      EKS --force, eksctl upgrade        deletes the pods that are left when the drain
      nodegroup --force-upgrade          timeout runs out, whatever their budgets say;
                                         here --force
    mngup's --force is the one of EKS. None of the three includes another.

    Exit codes:
        0  done, or nothing to do
        1  unexpected
        2  usage
        4  refused before anything was touched
        5  pods would not leave a node (PodEvictionFailure)
        6  a replacement did not serve (NodeCreationFailure)
        7  done, but nodes are quarantined
        8  another run holds the lock of this group
      130  stopped by the user; the same command goes on

    A TIME is written with its unit: 90s, 15m, 1h30m.
    Every flag has a variable: --max-surge is MNGUP_MAX_SURGE. A flag beats its variable.
    [0]
    "#);
}

#[test]
fn the_page_on_the_command_line_has_the_same_exit_codes() {
    let page = include_str!("../../docs/command-line.md");
    let help = mngup("upgrade --help");
    let (_, table) = help.split_once("Exit codes:\n").unwrap();
    for line in table.lines().take_while(|line| !line.is_empty()) {
        let (code, meaning) = line.trim().split_once("  ").unwrap();
        assert!(page.contains(&format!("| {code} | {} |", meaning.trim())), "docs/command-line.md lacks: {line}");
    }
}

#[test]
fn the_help_of_the_other_commands() {
    assert_snapshot!(mngup("abort -h"), @"
    Undo what a run did to the group and its nodes, and only that

    Usage: mngup abort [OPTIONS]

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Which group:
      -c, --cluster <NAME>           The EKS cluster
      -n, --nodegroup <NAME>         The managed node group
          --asg <NAME>               A self-managed Auto Scaling group of this cluster, instead of
                                     --nodegroup
      -r, --region <REGION>          The AWS region [default: what the AWS configuration says]
      -p, --profile <NAME>           The profile of the AWS configuration
          --kubeconfig <PATH>        Reach Kubernetes as this file says [default: the cluster's own
                                     endpoint, with the AWS credentials]
          --context <NAME>           Reach Kubernetes as this context of the kubeconfig says
          --allow-endpoint-mismatch  Accept a kubeconfig whose server is not the cluster's endpoint: a
                                     bastion, a proxy
          --state-namespace <NAME>   The namespace that holds the run's ConfigMap and Lease [default:
                                     kube-system]

    Others at work:
          --lease-duration <TIME>  When a run died, another may go on after so long without a sign of
                                   life [default: 30s]

    Consent:
          --dry-run  Show what would be undone and stop, having written nothing
      -y, --yes      Do not ask; needed where there is no terminal to ask on [alias: --approve]

    Output:
          --color <WHEN>   Colour the output: auto colours terminals only, and honours NO_COLOR
                           [default: auto]
      -v, --verbose...     Tell what is asked of servers, on stderr; -vv tells more, and never a secret
      -o, --output <FORM>  The answer on stdout: human (lines), json (one document at the end), jsonl
                           (one record a line) [default: human]
    [0]
    ");
    assert_snapshot!(mngup("report -h"), @"
    Summarise a journal: time per node and phase, evictions, refusals, who waited for what

    Usage: mngup report [OPTIONS] [JOURNAL]

    Arguments:
      [JOURNAL]  The journal, of a run that ended or still goes on [default: the newest on this machine]

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Which group:
      -c, --cluster <NAME>    Without a journal: the newest of this cluster
      -n, --nodegroup <NAME>  Without a journal: the newest of this managed node group
          --asg <NAME>        Without a journal: the newest of this Auto Scaling group

    Output:
      -o, --output <FORM>  The answer on stdout: human (a summary), json (one document), jsonl (the
                           records, one a line) [default: human]
          --color <WHEN>   Colour the output: auto colours terminals only, and honours NO_COLOR
                           [default: auto]
      -v, --verbose...     Tell what is asked of servers, on stderr; -vv tells more, and never a secret
    [0]
    ");
}

#[test]
fn the_version_is_told() {
    assert!(mngup("--version").starts_with(concat!("mngup ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn completions_complete_our_flags() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = mngup(&format!("completions {shell}"));
        assert!(script.contains("undrainable-node-behavior") && script.ends_with("[0]"), "{shell}");
    }
}

#[test]
fn a_percentage_above_everything() {
    assert_snapshot!(mngup("upgrade -c prod -n apps --max-unavailable 101%"), @r#"
    2> error: invalid value '101%' for '--max-unavailable <N|N%>': "101%" is more than everything: a percentage is 0% to 100%
    2>
    2> For more information, try '--help'.
    [2]
    "#);
}

#[test]
fn a_percentage_out_of_a_variable_is_checked_too() {
    assert_snapshot!(mngup_in(Path::new("/"), "upgrade -c prod -n apps", &[("MNGUP_MAX_SURGE", "lots")]), @r#"
    2> error: invalid value 'lots' for '--max-surge <N|N%>': "lots" is neither a count (2) nor a percentage (25%)
    2>
    2> For more information, try '--help'.
    [2]
    "#);
}

#[test]
fn two_groups() {
    assert_snapshot!(mngup("upgrade -c prod -n apps --asg workers --yes"), @"
    2> error: --nodegroup apps and --asg workers name two groups
    2>   Next: give one of them; the variables MNGUP_NODEGROUP and MNGUP_ASG count too
    [2]
    ");
}

#[test]
fn no_cluster_and_no_group() {
    assert_snapshot!(mngup("upgrade"), @"
    2> error: which cluster, and which group? --cluster and --nodegroup (or --asg) are missing
    2>   Next: mngup upgrade -c CLUSTER -n NODEGROUP
    2>     or: mngup upgrade --sandbox   (a simulated cluster, to see how it goes)
    [2]
    ");
    assert_snapshot!(mngup("status -c prod"), @"
    2> error: which group? --nodegroup (or --asg) is missing
    2>   Next: mngup status -c CLUSTER -n NODEGROUP
    [2]
    ");
}

#[test]
fn nothing_may_move() {
    assert_snapshot!(mngup("upgrade -c prod -n apps --max-unavailable 0 --yes"), @"
    2> error: --max-unavailable 0 without a surge: no node may be out, and none comes in its stead
    2>   Next: add --max-surge 1, or let one node be out
    [2]
    ");
    assert_snapshot!(mngup("upgrade -c prod -n apps --max-unavailable 0 --max-surge 0 --yes"), @"
    2> error: --max-unavailable 0 without a surge: no node may be out, and none comes in its stead
    2>   Next: add --max-surge 1, or let one node be out
    [2]
    ");
}

#[test]
fn a_time_without_a_unit() {
    assert_snapshot!(mngup("upgrade -c prod -n apps --drain-timeout 15"), @"
    2> error: invalid value '15' for '--drain-timeout <TIME>': 15 of what? Write 15s or 15m
    2>
    2> For more information, try '--help'.
    [2]
    ");
}

#[test]
fn nobody_to_say_yes() {
    assert_snapshot!(mngup("upgrade -c prod -n apps"), @"
    2> error: nobody is here to say yes: this is not a terminal
    2>   Next: mngup upgrade -c prod -n apps --yes
    2>     or: mngup upgrade -c prod -n apps --dry-run   (to see what it would do)
    [2]
    ");
    assert_snapshot!(mngup("abort -c prod -n apps"), @"
    2> error: nobody is here to say yes: this is not a terminal
    2>   Next: mngup abort -c prod -n apps --yes
    2>     or: mngup abort -c prod -n apps --dry-run   (to see what it would do)
    [2]
    ");
}

#[test]
fn an_empty_variable_is_named() {
    assert_snapshot!(mngup_in(Path::new("/"), "upgrade -c prod", &[("MNGUP_NODEGROUP", "")]), @"
    2> error: --nodegroup is empty
    2>   Next: name it, or unset MNGUP_NODEGROUP
    [2]
    ");
}

#[test]
fn a_sandbox_and_a_cluster() {
    assert_snapshot!(mngup("upgrade --sandbox -c prod"), @"
    2> error: --cluster with --sandbox, which brings a cluster of its own
    2>   Next: leave one of them away; their variables count too
    [2]
    ");
}

#[test]
fn a_report_of_no_journal() {
    let home = tempfile::tempdir().unwrap();
    assert_snapshot!(mngup_in(home.path(), "report -n apps", &[]), @"
    2> error: there is no journal of nodegroup/apps below HOME/.local/state/mngup
    2>   Next: mngup report JOURNAL
    2>     or: mngup status   (reads the cluster instead of a journal)
    [2]
    ");
    assert_snapshot!(mngup_in(home.path(), "report run.jsonl", &[]), @"
    2> error: cannot use the journal run.jsonl
    2>   because No such file or directory (os error 2)
    [2]
    ");
}

#[test]
fn a_damaged_journal() {
    let home = tempfile::tempdir().unwrap();
    let damaged = JOURNAL.replacen("node-drained", "node-drain", 1);
    fs::write(home.path().join("run.jsonl"), damaged).unwrap();
    assert_snapshot!(mngup_in(home.path(), "report run.jsonl", &[]), @"
    2> error: run.jsonl line 9 is damaged: unknown variant `node-drain` (column 137)
    2>   Next: look at it: sed -n 9p run.jsonl   (the lines before it can be read)
    [2]
    ");
    fs::write(home.path().join("run.jsonl"), JOURNAL.replace(r#"journal":1"#, r#"journal":7"#)).unwrap();
    assert_snapshot!(mngup_in(home.path(), "report run.jsonl", &[]), @"
    2> error: run.jsonl was written by a newer mngup (journal version 7; this one knows 1)
    2>   Next: update mngup
    [2]
    ");
    fs::write(home.path().join("run.jsonl"), "dear diary\n").unwrap();
    assert_snapshot!(mngup_in(home.path(), "report run.jsonl", &[]), @"
    2> error: run.jsonl is not a journal of mngup: its first line is no header: expected value (column 1)
    2>   Next: name another file, or leave it away
    [2]
    ");
}

#[test]
fn the_newest_journal_is_summarised_torn_or_not() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".local/state/mngup/prod/apps");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("r1.jsonl"), &JOURNAL[..JOURNAL.len() - 20]).unwrap();
    assert_snapshot!(mngup_in(home.path(), "report", &[]), @"
    cluster/prod  nodegroup/apps  began 2026-11-21 09:00:00 UTC
    not ended, 5m50s so far: 1 node replaced
    1 pod moved, 1 eviction accepted, 1 refused

    node         zone  drain  settle  leave  replace  total  pods  refused
    ip-10-0-1-7  1a    2m31s      1m    17s       2m  5m48s     1        1

    waited for what stood in the way
        2m30s  node/ip-10-0-1-7  for pdb/shop/cart
    [0]
    ");
    fs::write(folder.join("r1.jsonl"), JOURNAL).unwrap();
    assert_snapshot!(mngup_in(home.path(), "report -c prod -n apps", &[]), @"
    cluster/prod  nodegroup/apps  began 2026-11-21 09:00:00 UTC
    done after 5m51s: 1 node replaced, 0 left
    1 pod moved, 1 eviction accepted, 1 refused

    node         zone  drain  settle  leave  replace  total  pods  refused
    ip-10-0-1-7  1a    2m31s      1m    17s       2m  5m48s     1        1

    waited for what stood in the way
        2m30s  node/ip-10-0-1-7  for pdb/shop/cart
    [0]
    ");
    assert_snapshot!(mngup_in(home.path(), "report -o json", &[]), @r#"
    {
      "cluster": "prod",
      "group": {
        "nodegroup": "apps"
      },
      "run": "r1",
      "started-at": "2026-11-21T09:00:00Z",
      "ended-at": "2026-11-21T09:05:51Z",
      "seconds": 351,
      "outcome": "done",
      "resumed": 0,
      "replaced": 1,
      "left": 0,
      "pods-moved": 1,
      "evictions": 1,
      "refusals": 1,
      "deleted": [],
      "nodes": [
        {
          "node": "ip-10-0-1-7.eu-west-1.compute.internal",
          "instance": "i-0f3a",
          "zone": "eu-west-1a",
          "fate": "replaced",
          "replaced-by": "ip-10-0-4-22.eu-west-1.compute.internal",
          "chosen-at": "2026-11-21T09:00:02Z",
          "drain-seconds": 151,
          "settle-seconds": 60,
          "terminate-seconds": 17,
          "replace-seconds": 120,
          "total-seconds": 348,
          "pods": 1,
          "refusals": 1,
          "deleted": 0
        }
      ],
      "waits": [
        {
          "who": "node/ip-10-0-1-7.eu-west-1.compute.internal",
          "what": "pdb/shop/cart",
          "seconds": 150,
          "blocks": true
        }
      ],
      "stuck": []
    }
    [0]
    "#);
    let lines = mngup_in(home.path(), "report -o jsonl", &[]);
    assert_eq!(lines.lines().count(), JOURNAL.lines().count(), "{lines}");
}

/// A run over one node, held up by a budget for two minutes.
const JOURNAL: &str = include_str!("run.jsonl");
