//! What the user points at, checked before anything is asked of anybody.

use std::path::PathBuf;

use super::{args::TargetArgs, error::CliError};
use crate::{
    domain::{AsgName, ClusterName, GroupName, NodegroupName},
    report::{Commands, Outside, Step},
};

/// A group of a real cluster, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The command that was typed: `upgrade`.
    pub command: &'static str,
    /// The EKS cluster.
    pub cluster: ClusterName,
    /// Its group.
    pub group: GroupName,
    /// The AWS region; none asks the AWS configuration.
    pub region: Option<String>,
    /// The AWS profile; none asks the AWS configuration.
    pub profile: Option<String>,
    /// How to reach Kubernetes.
    pub access: Access,
    /// Where ConfigMap and Lease live.
    pub state_namespace: String,
    /// What was typed beside that and belongs to the command when it is typed again: `--max-surge 2 --dry-run`.
    pub beside: Vec<String>,
}

/// How to reach Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// The cluster's own endpoint, with a token made of the AWS credentials.
    Endpoint,
    /// As a kubeconfig says.
    Kubeconfig {
        /// The file; none is where kubectl looks.
        path: Option<PathBuf>,
        /// The context; none is the current one.
        context: Option<String>,
        /// Whether its server may be another than the cluster's endpoint.
        allow_mismatch: bool,
    },
}

impl TargetArgs {
    /// Checks the flags and makes of them what they point at; `command` is the one that was typed, with what was said
    /// `beside` them.
    ///
    /// # Errors
    /// When the cluster or the group is missing, or two groups are named.
    pub fn target(&self, command: &'static str, beside: Vec<String>) -> Result<Target, CliError> {
        match (&self.cluster, self.group()?) {
            (Some(cluster), Some(group)) => Ok(Target {
                command,
                cluster: ClusterName::new(cluster),
                group,
                region: self.region.clone(),
                profile: self.profile.clone(),
                access: self.access()?,
                state_namespace: self.state_namespace.clone(),
                beside,
            }),
            (cluster, group) => Err(self.missing(command, cluster.as_ref(), group.as_ref(), &beside)),
        }
    }

    /// A cluster of which the group is still to be found; none of it where a group is named, or no cluster that AWS knows.
    /// Its group is the word that stands for one in what is said of it.
    ///
    /// # Errors
    /// When two groups are named.
    pub fn whole_cluster(&self, command: &'static str, beside: Vec<String>) -> Result<Option<Target>, CliError> {
        if self.group()?.is_some() || self.cluster.is_none() && self.kubeconfig.is_none() && self.context.is_none() {
            return Ok(None);
        }
        Ok(Some(Target {
            command,
            cluster: ClusterName::new(self.cluster.as_deref().unwrap_or("CLUSTER")),
            group: GroupName::Nodegroup(NodegroupName::new("NODEGROUP")),
            region: self.region.clone(),
            profile: self.profile.clone(),
            access: self.access()?,
            state_namespace: self.state_namespace.clone(),
            beside,
        }))
    }

    fn group(&self) -> Result<Option<GroupName>, CliError> {
        match (&self.nodegroup, &self.asg) {
            (Some(nodegroup), Some(asg)) => Err(CliError::two_groups(nodegroup, asg)),
            (Some(name), None) => Ok(Some(GroupName::Nodegroup(NodegroupName::new(name)))),
            (None, Some(name)) => Ok(Some(GroupName::Asg(AsgName::new(name)))),
            (None, None) => Ok(None),
        }
    }

    /// The first flag that points at a real cluster, if one does.
    #[must_use]
    pub fn points_at_something(&self) -> Option<&'static str> {
        [
            ("--cluster", self.cluster.is_some()),
            ("--nodegroup", self.nodegroup.is_some()),
            ("--asg", self.asg.is_some()),
            ("--kubeconfig", self.kubeconfig.is_some()),
            ("--context", self.context.is_some()),
        ]
        .into_iter()
        .find_map(|(flag, given)| given.then_some(flag))
    }

    /// What is missing, and the command with it and with all that was given.
    fn missing(
        &self,
        command: &str,
        cluster: Option<&String>,
        group: Option<&GroupName>,
        beside: &[String],
    ) -> CliError {
        let what = match (cluster, group) {
            (None, None) => "which cluster, and which group? --cluster and --nodegroup (or --asg) are missing",
            (None, Some(_)) => "which cluster? --cluster is missing",
            (Some(_), _) => "which group? --nodegroup (or --asg) is missing",
        };
        let path = self.kubeconfig.as_ref().map(|path| path.to_string_lossy().into_owned());
        let group = group.map_or(("-n", "NODEGROUP"), |group| (short_flag(group), group.name()));
        let given = [
            ("-c", Some(cluster.map_or("CLUSTER", String::as_str))),
            (group.0, Some(group.1)),
            ("-r", self.region.as_deref()),
            ("-p", self.profile.as_deref()),
            ("--kubeconfig", path.as_deref()),
            ("--context", self.context.as_deref()),
        ];
        let given = given.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value?.to_owned()])).flatten();
        let error = CliError::usage(what).next(Commands::new(given.collect()).line_with(command, beside));
        match command {
            "upgrade" => error.next("mngup upgrade --sandbox   # a simulated cluster, to see how it goes"),
            _ => error,
        }
    }

    fn access(&self) -> Result<Access, CliError> {
        match (&self.kubeconfig, &self.context, self.allow_endpoint_mismatch) {
            (None, None, false) => Ok(Access::Endpoint),
            (None, None, true) => {
                Err(CliError::usage("--allow-endpoint-mismatch without a kubeconfig: there is nothing to mismatch")
                    .next("add --kubeconfig PATH or --context NAME"))
            }
            (path, context, allow_mismatch) => {
                Ok(Access::Kubeconfig { path: path.clone(), context: context.clone(), allow_mismatch })
            }
        }
    }
}

impl Target {
    /// The command that was typed, as it points at this group.
    #[must_use]
    pub fn again(&self) -> String {
        self.commands().line_with(self.command, &self.beside)
    }

    /// The commands that reach this group again.
    #[must_use]
    pub fn commands(&self) -> Commands {
        let group = [short_flag(&self.group).to_owned(), self.group.name().into()];
        let cluster = ["-c".to_owned(), self.cluster.to_string()];
        self.commands_with(cluster.into_iter().chain(group).collect())
    }

    /// Those that reach the cluster and no group of it, by its name where that was given.
    #[must_use]
    pub(super) fn commands_of_cluster(&self, named: bool) -> Commands {
        let cluster = named.then(|| ["-c".to_owned(), self.cluster.to_string()]);
        self.commands_with(cluster.into_iter().flatten().collect())
    }

    fn commands_with(&self, mut flags: Vec<String>) -> Commands {
        let mut add = |flag: &str, value: &str| flags.extend([flag.to_owned(), value.to_owned()]);
        if let Some(region) = &self.region {
            add("-r", region);
        }
        if let Some(profile) = &self.profile {
            add("-p", profile);
        }
        if let Access::Kubeconfig { path, context, .. } = &self.access {
            if let Some(path) = path {
                add("--kubeconfig", &path.to_string_lossy());
            }
            if let Some(context) = context {
                add("--context", context);
            }
        }
        if self.state_namespace != "kube-system" {
            add("--state-namespace", &self.state_namespace);
        }
        if let Access::Kubeconfig { allow_mismatch: true, .. } = self.access {
            flags.push("--allow-endpoint-mismatch".to_owned());
        }
        Commands::new(flags).reaching(self.outside())
    }

    fn outside(&self) -> Outside {
        let flag = |flag: &str, value: &str| [flag.to_owned(), value.to_owned()];
        let region = self.region.iter().flat_map(|region| flag("--region", region));
        let profile = self.profile.iter().flat_map(|profile| flag("--profile", profile));
        let aws: Vec<_> = region.chain(profile).collect();
        let nothing = Outside { aws, ..Outside::default() };
        match &self.access {
            Access::Kubeconfig { path, context, .. } => {
                let path = path.iter().flat_map(|path| flag("--kubeconfig", &path.to_string_lossy()));
                let context = context.iter().flat_map(|context| flag("--context", context));
                Outside { kubectl: path.chain(context).collect(), ..nothing }
            }
            Access::Endpoint => {
                let point = format!("eks update-kubeconfig --name {}", self.cluster);
                let point = Commands::new(Vec::new()).reaching(nothing.clone()).aws(&point);
                let words = Step::Say(format!("kubectl must point to cluster {}:", self.cluster));
                Outside { before: vec![words, Step::Perhaps(point)], ..nothing }
            }
        }
    }
}

fn short_flag(group: &GroupName) -> &'static str {
    match group {
        GroupName::Nodegroup(_) => "-n",
        GroupName::Asg(_) => "--asg",
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn args() -> TargetArgs {
        TargetArgs {
            cluster: Some("prod".to_owned()),
            nodegroup: Some("apps".to_owned()),
            state_namespace: "kube-system".to_owned(),
            ..TargetArgs::default()
        }
    }

    #[test]
    fn the_commands_reach_the_same_group_in_the_same_way() {
        assert_snapshot!(args().target("upgrade", Vec::new()).unwrap().commands().status(), @"mngup status -c prod -n apps");
        let far = TargetArgs {
            nodegroup: None,
            asg: Some("my workers".to_owned()),
            region: Some("eu-west-1".to_owned()),
            context: Some("bastion".to_owned()),
            allow_endpoint_mismatch: true,
            state_namespace: "ops".to_owned(),
            ..args()
        };
        assert_snapshot!(far.target("upgrade", Vec::new()).unwrap().commands().upgrade(""), @"mngup upgrade -c prod --asg 'my workers' -r eu-west-1 --context bastion --state-namespace ops --allow-endpoint-mismatch");
    }

    #[test]
    fn two_groups_and_no_group_are_refused() {
        let both = TargetArgs { asg: Some("workers".to_owned()), ..args() };
        assert_snapshot!(both.target("upgrade", Vec::new()).unwrap_err(), @"
        error: --nodegroup apps and --asg workers name two groups
          Next: give one of them
        ");
        let none = TargetArgs { nodegroup: None, ..args() };
        assert_snapshot!(none.target("upgrade", Vec::new()).unwrap_err(), @"
        error: which group? --nodegroup (or --asg) is missing
          Next: mngup upgrade -c prod -n NODEGROUP
            or: mngup upgrade --sandbox   # a simulated cluster, to see how it goes
        ");
    }

    #[test]
    fn other_programs_are_sent_to_the_same_cluster() {
        let kubectl = |args: TargetArgs| {
            let commands = args.target("upgrade", Vec::new()).unwrap().commands();
            let before = commands.before_kubectl().into_iter().map(|step| match step {
                Step::Say(text) | Step::Perhaps(text) => format!("# {text}"),
            });
            before.chain([commands.kubectl("get nodes")]).collect::<Vec<_>>().join("\n")
        };
        let region = || Some("eu-west-1".to_owned());
        assert_snapshot!(kubectl(TargetArgs { region: region(), ..args() }), @"
        # kubectl must point to cluster prod:
        # aws --region eu-west-1 eks update-kubeconfig --name prod
        kubectl get nodes
        ");
        let context = Some("bastion".to_owned());
        assert_snapshot!(kubectl(TargetArgs { region: region(), context, ..args() }), @"kubectl --context bastion get nodes");
    }
}
