//! Ways out of what EKS says, and of what it left behind.

use serde_json::json;

use super::aws::{aws, of_group, of_nodegroup, who};
use crate::{
    diagnose::eks_codes::Said,
    domain::{
        Cause, Command, EXCLUDE_FROM_LOAD_BALANCERS, EksUpdate, Group, Node, NodeManagerRole, Nodegroup, Remedy, quoted,
    },
};

pub(in crate::diagnose) fn of(cause: Cause, group: &Group, nodegroup: &Nodegroup, said: &Said<'_>) -> Vec<Remedy> {
    let way = WAYS.iter().find(|(of, _)| *of == cause);
    let own = way.map_or_else(Vec::new, |(_, way)| way(group, nodegroup, said));
    let (look, go_on) = match said.update {
        Some(update) => (of_update(update, nodegroup), said.shows_elsewhere().then(what_it_names)),
        None => (health(nodegroup), None),
    };
    own.into_iter().chain([look]).chain(go_on).collect()
}

/// Causes that have ways out of their own.
const WAYS: &[(Cause, Way)] = &[
    (Cause::EksTemplateMismatch, |group, _, said| template_mismatch(group, said.message())),
    (Cause::EksTemplateGone, |_, _, _| vec![who("DeleteLaunchTemplate")]),
    (Cause::EksGroupChanged, |group, _, _| vec![who_changed(group)]),
    (Cause::EksRoleGone, |_, _, _| vec![who("DeleteRole")]),
    (Cause::EksSecurityGroupGone, |_, _, _| vec![who("DeleteSecurityGroup")]),
    (Cause::EksSubnet, |_, _, said| subnets(said.code(), &ids(said, "subnet-"))),
    (Cause::EksLimit, |_, _, _| vec![quotas()]),
    (Cause::EksClusterUnreachable, |_, nodegroup, _| vec![answers_now(), cluster(nodegroup)]),
    (Cause::EksAccessDenied, |_, _, _| vec![own_role()]),
    (Cause::EksDeletionStuck, |_, _, said| deletion(&ids(said, "sg-"))),
    (Cause::EksAwsInternal, |_, _, _| vec![Remedy::wait("usually it passes")]),
];

type Way = fn(&Group, &Nodegroup, &Said<'_>) -> Vec<Remedy>;

/// Ids of this kind that EKS names.
fn ids<'a>(said: &Said<'a>, prefix: &str) -> Vec<&'a str> {
    said.resources.iter().map(String::as_str).filter(|id| id.starts_with(prefix)).collect()
}

fn quotas() -> Remedy {
    let line =
        "service-quotas list-service-quotas --service-code eks --query 'Quotas[].[QuotaName,Value]' --output text";
    Remedy::look("the quotas of EKS; `ec2`, `vpc` and `iam` have their own", vec![aws(line)])
}

fn answers_now() -> Remedy {
    Remedy::look("whether it answers now", vec![Command::Kubectl("get --raw '/readyz?verbose'".to_owned())])
}

fn own_role() -> Remedy {
    let line = "iam get-role --role-name AWSServiceRoleForAmazonEKSNodegroup";
    Remedy::look("the role that EKS's own work on node groups needs", vec![aws(line)])
}

/// EKS's own words name the version that it made. Its groups have a mixed-instances policy, which `--launch-template`
/// would take away: the version inside it is put back.
fn template_mismatch(group: &Group, message: &str) -> Vec<Remedy> {
    let expected = message.rsplit("Expected Launch Template version:").next().unwrap_or_default().trim();
    let expected: String = expected.chars().take_while(char::is_ascii_digit).collect();
    let name = quoted(group.asg.as_str());
    let describe = |query: &str| {
        format!(
            "autoscaling describe-auto-scaling-groups --auto-scaling-group-names {name} --output json --query {query}"
        )
    };
    if expected.is_empty() {
        let policy = describe("'AutoScalingGroups[0].MixedInstancesPolicy'");
        return vec![Remedy::look("the version that the group has", vec![aws(&policy)])];
    }
    let read = |version: &str, file: &str| aws(&format!("{} > {file}", describe(&policy_at(version))));
    let set =
        |file: &str| of_group("update-auto-scaling-group", group, &format!("--mixed-instances-policy file://{file}"));
    let run =
        vec![read("Version", "before.json"), read(&format!("`\"{expected}\"`"), "policy.json"), set("policy.json")];
    let risk = "new instances come from that version; instances of the other one stay until they are replaced";
    let fix = Remedy::fix(format!("set the group back to version {expected}, inside its policy"), run, risk);
    vec![fix.back(vec![set("before.json")]), who("UpdateAutoScalingGroup")]
}

/// A group's policy as an update takes it, at this version: id and name of a template exclude each other there.
fn policy_at(version: &str) -> String {
    format!(
        "'AutoScalingGroups[0].MixedInstancesPolicy.{{InstancesDistribution:InstancesDistribution,LaunchTemplate:\
         {{Overrides:LaunchTemplate.Overrides||`[]`,LaunchTemplateSpecification:LaunchTemplate.\
         LaunchTemplateSpecification.{{LaunchTemplateId:LaunchTemplateId,Version:{version}}}}}}}'"
    )
}

fn subnets(code: &str, subnets: &[&str]) -> Vec<Remedy> {
    if subnets.is_empty() {
        return Vec::new();
    }
    let look = format!(
        "ec2 describe-subnets --subnet-ids {} --query \
         'Subnets[].[SubnetId,State,MapPublicIpOnLaunch,AssignIpv6AddressOnCreation,AvailabilityZone]'",
        subnets.join(" ")
    );
    let look = Remedy::look("what is the matter with it", vec![aws(&look)]);
    let (what, attribute) = match code {
        "Ec2SubnetInvalidConfiguration" => ("instances get a public address", "map-public-ip-on-launch"),
        "Ec2SubnetMissingIpv6Assignment" => ("instances get an IPv6 address", "assign-ipv6-address-on-creation"),
        _ => return vec![look],
    };
    let set = |flag: &str| -> Vec<Command> {
        let line = |subnet: &&str| aws(&format!("ec2 modify-subnet-attribute --subnet-id {subnet} --{flag}"));
        subnets.iter().map(line).collect()
    };
    let fix = Remedy::fix(what, set(attribute), "all new instances there get one");
    vec![look, fix.back(set(&format!("no-{attribute}")))]
}

fn deletion(groups: &[&str]) -> Vec<Remedy> {
    let uses = |id: &&str| {
        let line = format!(
            "ec2 describe-network-interfaces --filters Name=group-id,Values={id} --query \
             'NetworkInterfaces[].[NetworkInterfaceId,Description,Status]' --output text"
        );
        Remedy::look(format!("what still uses {id}"), vec![aws(&line)])
    };
    groups.iter().map(uses).collect()
}

/// Put back as the documentation of EKS has them.
pub(in crate::diagnose) fn node_manager_rights(has: NodeManagerRole) -> Vec<Remedy> {
    let name = "eks:node-manager";
    let rule = |resource: &str, verbs: &[&str]| json!({ "op": "add", "path": "/rules/-", "value": { "apiGroups": [""], "resources": [resource], "verbs": verbs } });
    let more = json!([rule("nodes", &["get", "list", "watch", "patch"]), rule("pods/eviction", &["create"])]);
    let role = [
        format!("delete clusterrole {name} --ignore-not-found"),
        format!("create clusterrole {name} --verb=get,list,watch,delete --resource=pods"),
        format!("patch clusterrole {name} --type=json -p '{more}'"),
    ];
    let binding = [
        format!("delete clusterrolebinding {name} --ignore-not-found"),
        format!("create clusterrolebinding {name} --clusterrole={name} --user={name}"),
    ];
    let lines = role.into_iter().filter(|_| !has.role).chain(binding.into_iter().filter(|_| !has.binding));
    let look = vec![
        Command::Kubectl(format!("describe clusterrole {name}")),
        Command::Kubectl(format!("describe clusterrolebinding {name}")),
    ];
    vec![
        Remedy::look("what is there", look),
        Remedy::fix("put them back as EKS documents them", lines.map(Command::Kubectl).collect(), ""),
    ]
}

pub(in crate::diagnose) fn left_cordoned(nodes: &[&Node]) -> Vec<Remedy> {
    let names = |wanted: &dyn Fn(&Node) -> bool| -> Option<String> {
        let named: Vec<_> = nodes.iter().filter(|node| wanted(node)).map(|node| node.name.as_str()).collect();
        (!named.is_empty()).then(|| named.join(" "))
    };
    let cordoned = names(&|node| node.unschedulable);
    let excluded = names(&|node| node.labels.contains_key(EXCLUDE_FROM_LOAD_BALANCERS));
    let line = |verb: &str, names: &str, rest: &str| Command::Kubectl(format!("{verb} {names}{rest}"));
    let label = |names: &str, value: &str| line("label node", names, &format!(" {EXCLUDE_FROM_LOAD_BALANCERS}{value}"));
    let run =
        cordoned.iter().map(|names| line("uncordon", names, "")).chain(excluded.iter().map(|names| label(names, "-")));
    let back = cordoned
        .iter()
        .map(|names| line("cordon", names, ""))
        .chain(excluded.iter().map(|names| label(names, "=true")));
    let serve = Remedy::fix("bring them back into service", run.collect(), "pods come to nodes that still have to go");
    vec![go_on(), serve.back(back.collect())]
}

pub(in crate::diagnose) fn left_size(group: &Group, nodegroup: &Nodegroup, former: u32, old: &[&Node]) -> Vec<Remedy> {
    let size = group.size;
    let extra = size.desired - former;
    let emptied = old.iter().take(usize::try_from(extra).unwrap_or(usize::MAX)).filter_map(|node| {
        let instance = node.instance.as_ref()?;
        Some([
            Command::Kubectl(format!("drain {} --ignore-daemonsets --delete-emptydir-data --timeout=15m", node.name)),
            aws(&format!(
                "autoscaling terminate-instance-in-auto-scaling-group --instance-id {instance} \
                 --should-decrement-desired-capacity"
            )),
        ])
    });
    let emptied: Vec<_> = emptied.flatten().collect();
    let by_hand = (!emptied.is_empty()).then(|| {
        let risk = "each node goes for good; end none before its drain has said that it is done, and drain none while \
                    other nodes are cordoned or budgets block: clear that first";
        Remedy::fix("empty old nodes, which asks budgets, and shrink the group by them", emptied, risk)
    });
    let sizes = |max: u32, desired: u32| {
        let sizes = format!("--scaling-config minSize={},maxSize={max},desiredSize={desired}", size.min);
        of_nodegroup("update-nodegroup-config", nodegroup, &sizes)
    };
    // EKS raises both by the same number.
    let risk = "the group chooses which nodes go, and after 15 minutes EKS ends them whatever budgets say; the former \
                maximum is reckoned from the former size";
    let at_once = Remedy::fix(
        "put the sizes back",
        vec![sizes(size.max.saturating_sub(extra).max(former), former.max(size.min))],
        risk,
    );
    by_hand.into_iter().chain([at_once.back(vec![sizes(size.max, size.desired)])]).collect()
}

pub(in crate::diagnose) fn mixed_versions() -> Vec<Remedy> {
    vec![go_on()]
}

/// A run of ours replaces what is old by what it sees.
fn go_on() -> Remedy {
    let risk = "those of every run; clear first what made the update fail";
    Remedy::fix("go on where EKS stopped", vec![Command::Upgrade(String::new())], risk)
}

fn who_changed(group: &Group) -> Remedy {
    let line = format!(
        "cloudtrail lookup-events --lookup-attributes AttributeKey=ResourceName,AttributeValue={}",
        quoted(group.asg.as_str())
    );
    Remedy::look("what was changed, and by whom", vec![aws(&line)])
}

fn cluster(nodegroup: &Nodegroup) -> Remedy {
    let line = format!(
        "eks describe-cluster --name {} --query 'cluster.[status,health,resourcesVpcConfig]'",
        quoted(nodegroup.cluster.as_str())
    );
    Remedy::look("what EKS says of the cluster", vec![aws(&line)])
}

/// What an update failed of passes now and then: a pod that has left since, a node that came late.
fn what_it_names() -> Remedy {
    let what = "go on where EKS stopped, if nothing else is told here: what it names no longer shows";
    Remedy { what: what.to_owned(), ..go_on() }
}

fn of_update(update: &EksUpdate, nodegroup: &Nodegroup) -> Remedy {
    let (cluster, name) = (quoted(nodegroup.cluster.as_str()), quoted(nodegroup.name.as_str()));
    let query = "--query 'update.[status,createdAt,errors]'";
    let id = &update.id;
    let line = format!("eks describe-update --name {cluster} --nodegroup-name {name} --update-id {id} {query}");
    Remedy::look("what EKS says of that update", vec![aws(&line)])
}

fn health(nodegroup: &Nodegroup) -> Remedy {
    let query = "--query 'nodegroup.[status,health.issues]'";
    Remedy::look("what EKS says", vec![of_nodegroup("describe-nodegroup", nodegroup, query)])
}
