//! Ways out where an eviction is refused, budgets aside.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{force, kubectl};
use crate::domain::{Command, Forbidden, Object, Remedy, Webhook, quoted};

/// The label that every namespace has with its own name.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

pub(in crate::diagnose) fn webhook_denies(hooks: &[&Webhook], name: &str, namespaces: &BTreeSet<&str>) -> Vec<Remedy> {
    let wait = Remedy::wait("many deny only until they have moved things themselves; its message tells");
    let longer = Remedy::fix(
        "give it more time",
        vec![Command::Upgrade("--drain-timeout 45m".to_owned())],
        "it never lets go where it is not a drain cleaner",
    );
    // A selector that leaves nobody out is none that the server takes.
    let known = hooks.iter().filter(|_| !namespaces.is_empty());
    let leave_out = known.map(|hook| leave_out(hook, namespaces));
    let look = look(hooks, name);
    [wait, look, longer].into_iter().chain(leave_out).chain([past_its_guard()]).collect()
}

/// A deletion is no eviction: whoever guards evictions is not asked about it, unless it guards deletions as well.
fn past_its_guard() -> Remedy {
    let force = force();
    let risk = format!("{}; and without what this webhook guards", force.risk);
    Remedy { risk, ..force }
}

pub(in crate::diagnose) fn webhook_down(hooks: &[&Webhook], name: &str) -> Vec<Remedy> {
    let looks = hooks.iter().filter_map(|hook| hook.service.as_ref()).map(|(namespace, service)| {
        let selector = "-o jsonpath='{.spec.selector}{\"\\n\"}'";
        let run = vec![
            kubectl(namespace, &format!("get service/{service} {selector}")),
            kubectl(namespace, &format!("get endpointslices -l kubernetes.io/service-name={service}")),
            kubectl(namespace, "get pods --show-labels -o wide"),
            kubectl(namespace, "get deployments -o wide"),
        ];
        Remedy::look(format!("the pods behind service/{namespace}/{service}: to bring them back comes first"), run)
    });
    let ignore = hooks.iter().filter(|hook| hook.fails_closed).map(|hook| {
        let policy = |from: &str, to: &str| {
            let path = format!("/webhooks/{}/failurePolicy", hook.index);
            patch(
                hook,
                &[json!({ "op": "test", "path": path, "value": from })],
                json!({ "op": "replace", "path": path, "value": to }),
            )
        };
        let risk = "all that it guards passes unchecked meanwhile, in every namespace";
        let what = "let requests pass while it is away, where its pods cannot be brought back first";
        let ignore = Remedy::fix(what, vec![policy("Fail", "Ignore")], risk);
        ignore.back(vec![policy("Ignore", "Fail")])
    });
    std::iter::once(look(hooks, name)).chain(looks).chain(ignore).collect()
}

pub(in crate::diagnose) fn unknown_webhook(name: &str) -> Vec<Remedy> {
    vec![look(&[], name)]
}

pub(in crate::diagnose) fn policy(policy: &Object) -> Vec<Remedy> {
    let run = vec![
        Command::Kubectl(format!("get {policy} -o yaml")),
        Command::Kubectl("get validatingadmissionpolicybindings".to_owned()),
    ];
    vec![Remedy::look("what it asks for, and where it is bound", run), force()]
}

pub(in crate::diagnose) fn namespace(name: &str, remains: &[String]) -> Vec<Remedy> {
    let wait = Remedy::wait("its pods go with it, once what remains has gone");
    let status = Command::Kubectl(format!("get namespace/{name} -o jsonpath='{{.status.conditions}}{{\"\\n\"}}'"));
    let kinds = remaining(remains);
    let left = (!kinds.is_empty()).then(|| {
        let columns = "KIND:.kind,NAME:.metadata.name,FINALIZERS:.metadata.finalizers";
        kubectl(name, &format!("get {} -o custom-columns={columns}", kinds.join(",")))
    });
    let services = remains.iter().any(|words| words.contains("iscovery"));
    let services = services.then(|| Command::Kubectl("get apiservices".to_owned()));
    let run = [Some(status), left, services].into_iter().flatten().collect();
    vec![wait, Remedy::look("what remains in it, and who must let go of that", run)]
}

/// The kinds that `Some resources are remaining: pods. has 1 resource instances, …` names.
fn remaining(remains: &[String]) -> Vec<&str> {
    let listed = remains.iter().filter_map(|words| words.split_once("resources are remaining: "));
    let each = listed.flat_map(|(_, list)| list.split(", ")).filter_map(|entry| entry.split_once(" has "));
    each.map(|(kind, _)| kind.trim_end_matches('.')).collect()
}

pub(in crate::diagnose) fn right(forbidden: &Forbidden<'_>) -> Vec<Remedy> {
    let Forbidden { user, verb, resource, namespace } = *forbidden;
    let (kind, part) = resource.split_once('/').unwrap_or((resource, ""));
    let part = if part.is_empty() { String::new() } else { format!(" --subresource={part}") };
    let place = namespace.map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
    let may = Command::Kubectl(format!("auth can-i {verb} {kind}{part}{place} --as {}", quoted(user)));
    let name = format!("mngup-{verb}-{}", resource.replace('/', "-"));
    let role = Command::Kubectl(format!("create clusterrole {name} --verb={verb} --resource={resource}"));
    let binding =
        Command::Kubectl(format!("create clusterrolebinding {name} --clusterrole={name} --user={}", quoted(user)));
    let risk =
        format!("{user} may then do so in every namespace; docs/rbac.yaml has all that mngup needs, for a group");
    let grant = Remedy::fix("give that user the right", vec![role, binding], risk);
    let back = Command::Kubectl(format!("delete clusterrolebinding/{name} clusterrole/{name}"));
    vec![Remedy::look("whether it lacks for that user", vec![may]), grant.back(vec![back])]
}

pub(in crate::diagnose) fn busy() -> Vec<Remedy> {
    vec![Remedy::wait("it is asked again and again")]
}

/// What mngup itself asks for is a request every few seconds: somebody else fills the server, or it is not well.
pub(in crate::diagnose) fn busy_for_long() -> Vec<Remedy> {
    let get = |path: &str| Command::Kubectl(format!("get --raw {}", quoted(path)));
    let fairness = |what: &str| get(&format!("/debug/api_priority_and_fairness/{what}"));
    let levels = Command::Kubectl("get flowschemas,prioritylevelconfigurations".to_owned());
    vec![
        Remedy::look("whether the server is well; on EKS AWS runs it", vec![get("/readyz?verbose")]),
        Remedy::look(
            "who fills it: which level has no seat left, and whose requests wait",
            vec![levels, fairness("dump_priority_levels"), fairness("dump_requests")],
        ),
        Remedy::fix(
            "give it more time, where that will be over",
            vec![Command::Upgrade("--drain-timeout 45m".to_owned())],
            "its nodes stay cordoned meanwhile",
        ),
    ]
}

fn look(hooks: &[&Webhook], name: &str) -> Remedy {
    let run = if hooks.is_empty() {
        let columns = "CONFIG:.metadata.name,WEBHOOKS:.webhooks[*].name";
        let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
        vec![Command::Kubectl(format!("get {kinds} -o custom-columns='{columns}'"))]
    } else {
        hooks.iter().map(|hook| Command::Kubectl(format!("get {} -o yaml", hook.config))).collect()
    };
    Remedy::look(format!("where {name} is set up, and for what"), run)
}

/// The namespaces of these pods left out of what it is asked about, as a further demand of its selector.
fn leave_out(hook: &Webhook, namespaces: &BTreeSet<&str>) -> Remedy {
    let before = if hook.namespaces.is_null() { json!({}) } else { hook.namespaces.clone() };
    let mut after = before.clone();
    let demand = json!({ "key": NAMESPACE_LABEL, "operator": "NotIn", "values": namespaces });
    match after.get_mut("matchExpressions").and_then(Value::as_array_mut) {
        Some(demands) => demands.push(demand),
        None => after["matchExpressions"] = json!([demand]),
    }
    let path = format!("/webhooks/{}/namespaceSelector", hook.index);
    let set = |from: &Value, to: &Value| {
        patch(
            hook,
            &[json!({ "op": "test", "path": path, "value": from })],
            json!({ "op": "replace", "path": path, "value": to }),
        )
    };
    let names: Vec<_> = namespaces.iter().copied().collect();
    let what = format!("leave namespace {} out of what it is asked about", names.join(", "));
    let risk = "what it guards there goes unguarded; ask its owner first";
    Remedy::fix(what, vec![set(&before, &after)], risk).back(vec![set(&after, &before)])
}

/// Changes one thing of a webhook, if it still stands at its place and is as it was seen.
fn patch(hook: &Webhook, tests: &[Value], change: Value) -> Command {
    let name = json!({ "op": "test", "path": format!("/webhooks/{}/name", hook.index), "value": hook.name });
    let patch = Value::Array([name].into_iter().chain(tests.iter().cloned()).chain([change]).collect());
    Command::Kubectl(format!("patch {} --type=json -p {}", hook.config, quoted(&patch.to_string())))
}
