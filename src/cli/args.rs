//! The command line: commands and what they share.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::{
    exit_code,
    policy_args::PolicyArgs,
    upgrade::SANDBOX_SPEED,
    values::{self, Sandbox},
};

/// Upgrades EKS node groups node by node, respects every PodDisruptionBudget, and says why when it stands still
#[derive(Debug, Parser)]
#[command(name = "mngup", version = version(), propagate_version = true, max_term_width = 100)]
#[command(after_help = VARIABLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to talk.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replace every old node of a group, or go on where an earlier run stopped
    #[command(after_help = format!("{GOING_ON}\n{TIMES}\n{VARIABLES}"))]
    #[command(after_long_help = format!("{FORCE}\n\n{}\n\n{GOING_ON}\n{TIMES}\n{VARIABLES}", exit_code::TABLE))]
    Upgrade(Box<UpgradeArgs>),
    /// Show what a run has done and what it waits for, read from the cluster alone
    Status(StatusArgs),
    /// Undo what a run did to the group and its nodes, and only that
    Abort(AbortArgs),
    /// Summarise a journal: time per node and phase, evictions, refusals, who waited for what
    Report(ReportArgs),
    /// Say why nodes do not empty: each cause once, whom it holds, and the commands that clear it away
    #[command(after_help = DIAGNOSE)]
    Diagnose(Box<DiagnoseArgs>),
    /// Explain a cause that diagnose or upgrade named: what it is, how it is told, fixed and prevented
    Explain(ExplainArgs),
    /// Print a completion script for a shell
    #[command(after_help = "For bash: mngup completions bash > ~/.local/share/bash-completion/completions/mngup")]
    Completions(CompletionsArgs),
}

/// How a run keeps others out.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Others at work")]
pub struct LeaseArgs {
    /// When a run died, another may go on after so long without a sign of life
    #[arg(long, env = "MNGUP_LEASE_DURATION", hide_env = true, value_name = "TIME", default_value = "30s")]
    #[arg(value_parser = values::lease, allow_hyphen_values = true)]
    pub lease_duration: Duration,
}

/// How to give flags without typing them.
const VARIABLES: &str = "Every flag has a variable: --max-surge is MNGUP_MAX_SURGE. A flag beats its variable.";

/// What becomes of settings when a run goes on.
const GOING_ON: &str = "\
A run that goes on keeps the settings it was begun with. A flag or variable given now changes that
one; --force=false takes a switch back. To start again, mngup abort first.";

/// How a diagnosis ends, and whose nodes it looks at.
const DIAGNOSE: &str = "\
Writes nothing. With --node or --pod the group need not be named: it is found from the node.
Exit codes: 0 nothing stands in the way, 4 causes were found; others as in mngup upgrade --help.";

/// How a TIME is written.
const TIMES: &str = "A TIME is written with its unit: 90s, 15m, 1h30m.";

/// The three meanings of "force" in this field, for the long help.
const FORCE: &str = "\
Three things are called \"force\" in this field:
  kubectl drain --force              removes pods that no controller brings back;
                                     here --delete-unmanaged
  kops rolling-update --force        replaces nodes that are not old too;
                                     here --all-nodes
  EKS --force, eksctl upgrade        deletes the pods that are left when the drain
  nodegroup --force-upgrade          timeout runs out, whatever their budgets say;
                                     here --force
mngup's --force is the one of EKS. None of the three includes another.";

/// Flags of every command.
#[derive(Args, Clone, Debug)]
pub struct TalkArgs {
    /// Colour the output: auto colours terminals only, and honours NO_COLOR
    #[arg(long, global = true, env = "MNGUP_COLOR", hide_env = true)]
    #[arg(value_name = "WHEN", default_value = "auto", hide_possible_values = true, help_heading = "Output")]
    pub color: When,
    /// Tell what is asked of servers, on stderr; -vv tells more, and never a secret
    #[arg(short, long, global = true, action = ArgAction::Count, env = "MNGUP_VERBOSE", hide_env = true)]
    #[arg(value_parser = values::loudness, help_heading = "Output")]
    pub verbose: u8,
}

/// `--color`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On terminals, unless NO_COLOR says otherwise.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// Which group, and how to reach it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which group")]
pub struct TargetArgs {
    /// The EKS cluster
    #[arg(short, long, env = "MNGUP_CLUSTER", hide_env = true, value_name = "NAME", value_parser = values::cluster)]
    pub cluster: Option<String>,
    /// The managed node group
    #[arg(short, long, env = "MNGUP_NODEGROUP", hide_env = true, value_name = "NAME")]
    #[arg(value_parser = values::nodegroup)]
    pub nodegroup: Option<String>,
    /// A self-managed Auto Scaling group of this cluster, instead of --nodegroup
    #[arg(long, env = "MNGUP_ASG", hide_env = true, value_name = "NAME", value_parser = values::name)]
    pub asg: Option<String>,
    /// The AWS region [default: what the AWS configuration says]
    #[arg(short, long, env = "MNGUP_REGION", hide_env = true, value_name = "REGION", value_parser = values::region)]
    pub region: Option<String>,
    /// The profile of the AWS configuration
    #[arg(short, long, env = "MNGUP_PROFILE", hide_env = true, value_name = "NAME", value_parser = values::name)]
    pub profile: Option<String>,
    /// Reach Kubernetes as this file says [default: the cluster's own endpoint, with the AWS credentials]
    #[arg(long, env = "MNGUP_KUBECONFIG", hide_env = true, value_name = "PATH")]
    pub kubeconfig: Option<PathBuf>,
    /// Reach Kubernetes as this context of the kubeconfig says
    #[arg(long, env = "MNGUP_CONTEXT", hide_env = true, value_name = "NAME", value_parser = values::name)]
    pub context: Option<String>,
    /// Accept a kubeconfig whose server is not the cluster's endpoint: a bastion, a proxy
    #[arg(long, env = "MNGUP_ALLOW_ENDPOINT_MISMATCH", hide_env = true, value_parser = values::switch)]
    pub allow_endpoint_mismatch: bool,
    /// The namespace that holds the run's ConfigMap and Lease
    #[arg(long, env = "MNGUP_STATE_NAMESPACE", hide_env = true, value_name = "NAME", default_value = "kube-system")]
    #[arg(value_parser = values::namespace)]
    pub state_namespace: String,
}

/// `upgrade`
#[derive(Args, Clone, Debug)]
pub struct UpgradeArgs {
    /// Which group.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Others.
    #[command(flatten)]
    pub lease: LeaseArgs,
    /// Show what would be done and stop, having written nothing
    #[arg(long, env = "MNGUP_DRY_RUN", hide_env = true, value_parser = values::switch, help_heading = "Consent")]
    pub dry_run: bool,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long, visible_alias = "approve", env = "MNGUP_YES", hide_env = true)]
    #[arg(value_parser = values::switch, help_heading = "Consent")]
    pub yes: bool,
    /// The answer on stdout: human (lines), json (one document at the end), jsonl (one record a line)
    #[arg(short, long, env = "MNGUP_OUTPUT", hide_env = true, value_name = "FORM", default_value = "human")]
    #[arg(hide_possible_values = true, help_heading = "Output")]
    pub output: Form,
    /// Where to write the journal [default: ~/.local/state/mngup/CLUSTER/GROUP/RUN.jsonl]
    #[arg(long, env = "MNGUP_JOURNAL", hide_env = true, value_name = "PATH", help_heading = "Output")]
    pub journal: Option<PathBuf>,
    /// Upgrade a simulated cluster: no network, no credentials, the same engine. WORLD.yaml loads another world
    #[arg(long, env = "MNGUP_SANDBOX", hide_env = true, value_name = "WORLD.yaml", num_args = 0..=1)]
    #[arg(default_value = "false", hide_default_value = true, default_missing_value = "true")]
    #[arg(value_parser = values::sandbox, help_heading = "Sandbox")]
    pub sandbox: Sandbox,
    /// How many times faster than the clock the sandbox runs
    #[arg(long, env = "MNGUP_SANDBOX_SPEED", hide_env = true, value_name = "FACTOR", default_value_t = SANDBOX_SPEED)]
    #[arg(value_parser = values::speed, allow_hyphen_values = true, help_heading = "Sandbox")]
    pub sandbox_speed: f64,
}

/// `status`
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Which group.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The answer on stdout: human (a screen), json or jsonl (one document)
    #[arg(short, long, env = "MNGUP_OUTPUT", hide_env = true, value_name = "FORM", default_value = "human")]
    #[arg(hide_possible_values = true, help_heading = "Output")]
    pub output: Form,
}

/// `abort`
#[derive(Args, Clone, Debug)]
pub struct AbortArgs {
    /// Which group.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Others.
    #[command(flatten)]
    pub lease: LeaseArgs,
    /// Show what would be undone and stop, having written nothing
    #[arg(long, env = "MNGUP_DRY_RUN", hide_env = true, value_parser = values::switch, help_heading = "Consent")]
    pub dry_run: bool,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long, visible_alias = "approve", env = "MNGUP_YES", hide_env = true)]
    #[arg(value_parser = values::switch, help_heading = "Consent")]
    pub yes: bool,
    /// The answer on stdout: human (lines), json (one document at the end), jsonl (one record a line)
    #[arg(short, long, env = "MNGUP_OUTPUT", hide_env = true, value_name = "FORM", default_value = "human")]
    #[arg(hide_possible_values = true, help_heading = "Output")]
    pub output: Form,
}

/// `report`
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// The journal, of a run that ended or still goes on [default: the newest on this machine]
    #[arg(env = "MNGUP_JOURNAL", hide_env = true, value_name = "JOURNAL")]
    pub journal: Option<PathBuf>,
    /// Without a journal: the newest of this cluster
    #[arg(short, long, env = "MNGUP_CLUSTER", hide_env = true, value_name = "NAME", help_heading = "Which group")]
    #[arg(value_parser = values::cluster)]
    pub cluster: Option<String>,
    /// Without a journal: the newest of this managed node group
    #[arg(short, long, env = "MNGUP_NODEGROUP", hide_env = true, value_name = "NAME", help_heading = "Which group")]
    #[arg(value_parser = values::nodegroup)]
    pub nodegroup: Option<String>,
    /// Without a journal: the newest of this Auto Scaling group
    #[arg(long, env = "MNGUP_ASG", hide_env = true, value_name = "NAME", help_heading = "Which group")]
    #[arg(value_parser = values::name)]
    pub asg: Option<String>,
    /// The answer on stdout: human (a summary), json (one document), jsonl (the records, one a line)
    #[arg(short, long, env = "MNGUP_OUTPUT", hide_env = true, value_name = "FORM", default_value = "human")]
    #[arg(hide_possible_values = true, help_heading = "Output")]
    pub output: Form,
}

/// `diagnose`
#[derive(Args, Clone, Debug)]
pub struct DiagnoseArgs {
    /// Which group.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Look at this node, as if it were to be emptied; may be given several times [default: the nodes that are cordoned]
    #[arg(long, env = "MNGUP_NODE", hide_env = true, value_name = "NAME", value_delimiter = ',')]
    #[arg(value_parser = values::name, help_heading = "What to look at", group = "subject")]
    pub node: Vec<String>,
    /// Look at this pod, as if it were to leave; one that no node takes is looked at as well
    #[arg(long, env = "MNGUP_POD", hide_env = true, value_name = "NAMESPACE/NAME", help_heading = "What to look at")]
    #[arg(value_parser = values::name, group = "subject")]
    pub pod: Option<String>,
    /// Look at all nodes that an upgrade would replace: what would stand in its way?
    #[arg(long, env = "MNGUP_BEFORE_UPGRADE", hide_env = true, value_parser = values::switch)]
    #[arg(help_heading = "What to look at", group = "subject")]
    pub before_upgrade: bool,
    /// Look at what this update of EKS stands still at or failed by, and at what it left behind
    #[arg(long, env = "MNGUP_UPDATE_ID", hide_env = true, value_name = "ID", help_heading = "What to look at")]
    #[arg(value_parser = values::name, group = "subject")]
    pub update_id: Option<String>,
    /// The same of the newest update that failed or is under way
    #[arg(long, env = "MNGUP_LATEST_UPDATE", hide_env = true, value_parser = values::switch)]
    #[arg(help_heading = "What to look at", group = "subject")]
    pub latest_update: bool,
    /// Look again and again, and show what changed, until Ctrl-C
    #[arg(long, env = "MNGUP_WATCH", hide_env = true, value_parser = values::switch, help_heading = "Output")]
    pub watch: bool,
    /// How often --watch looks
    #[arg(long, env = "MNGUP_INTERVAL", hide_env = true, value_name = "TIME", default_value = "15s")]
    #[arg(value_parser = values::interval, help_heading = "Output", allow_hyphen_values = true)]
    pub interval: Duration,
    /// The answer on stdout: human (a screen), json (one document), markdown (for a ticket)
    #[arg(short, long, env = "MNGUP_OUTPUT", hide_env = true, value_name = "FORM", default_value = "human")]
    #[arg(hide_possible_values = true, help_heading = "Output")]
    pub output: DiagnosisForm,
    /// Diagnose a simulated cluster in the middle of an upgrade. WORLD.yaml loads another world
    #[arg(long, env = "MNGUP_SANDBOX", hide_env = true, value_name = "WORLD.yaml", num_args = 0..=1)]
    #[arg(default_value = "false", hide_default_value = true, default_missing_value = "true")]
    #[arg(value_parser = values::sandbox, help_heading = "Sandbox")]
    pub sandbox: Sandbox,
    /// How long the upgrade in the sandbox has gone on by then [default: 10m]
    #[arg(long, env = "MNGUP_AT", hide_env = true, value_name = "TIME")]
    #[arg(value_parser = values::span, help_heading = "Sandbox")]
    pub at: Option<Duration>,
}

/// `explain`
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The code of the cause, in capitals or not [default: names all of them]
    #[arg(value_name = "CODE", value_parser = values::Codes, hide_possible_values = true)]
    pub code: Option<String>,
}

/// `--output` of a diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiagnosisForm {
    /// A screen for people.
    Human,
    /// One JSON document.
    Json,
    /// Markdown.
    Markdown,
}

/// `completions`
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// For which shell
    pub shell: clap_complete::Shell,
}

/// `--output`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Lines for people.
    Human,
    /// One JSON document at the end.
    Json,
    /// One JSON record a line.
    Jsonl,
}

/// `0.1.0`, and the commit where the build knew it.
#[must_use]
pub(super) fn version() -> String {
    match option_env!("MNGUP_COMMIT").filter(|commit| !commit.is_empty()) {
        Some(commit) => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
        None => env!("CARGO_PKG_VERSION").to_owned(),
    }
}
