//! The help, and what agrees with it.

use insta::assert_snapshot;

use crate::mngup;

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
      diagnose     Say why nodes do not empty: each cause once, whom it holds, and the commands that
                   clear it away
      explain      Explain a cause that diagnose or upgrade named: what it is, how it is told, fixed and
                   prevented
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
          --all-nodes[=<BOOL>]  Replace nodes that are not old too (kops calls this --force)
          --node <NAME>         Only this node; may be given more than once. Its name may end before the
                                first dot
          --order <ORDER>       Which node first: zone keeps the zones even (oldest first within one),
                                oldest, newest, name [default: zone]

    Draining:
          --drain-timeout <TIME>
              How long the pods of a node may take to leave [default: 15m]
          --force[=<BOOL>]
              When the drain timeout runs out, delete the pods that are left, whatever their budgets say
              (as EKS does)
          --delete-unmanaged[=<BOOL>]
              Remove pods that no controller brings back (kubectl calls this --force)
          --disable-eviction[=<BOOL>]
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

    A run that goes on keeps the settings it was begun with. A flag or variable given now changes that
    one; --force=false takes a switch back. To start again, mngup abort first.
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
        1  unexpected; or a run that was refused midway, or could not take back all it did
        2  usage
        4  refused before anything was touched
        5  pods would not leave a node (PodEvictionFailure)
        6  a replacement did not serve (NodeCreationFailure)
        7  done, but nodes are quarantined
        8  another run holds the lock of this group
      130  stopped by the user, a no at the prompt too; mngup upgrade goes on
      141  stdout was closed before the answer was whole

    A run that goes on keeps the settings it was begun with. A flag or variable given now changes that
    one; --force=false takes a switch back. To start again, mngup abort first.
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
