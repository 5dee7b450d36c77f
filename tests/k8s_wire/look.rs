//! What a diagnosis asks: the requests, what is made of each answer, and of a refusal.

use std::collections::{BTreeMap, BTreeSet};

use mngup::{
    domain::{
        Ask, Attachment, Claim, Fact, Known, Lack, Namespace, NodeManagerRole, Object, Owner, PodRef, Quota, Refusal,
        Strategy,
    },
    ports::Cluster,
};
use serde_json::{Value, json};

use crate::server::{Reply, Seen, Server, list, status};

fn owner(kind: &str, name: &str) -> Owner {
    Owner { kind: kind.to_owned(), name: name.to_owned() }
}

fn pod() -> PodRef {
    PodRef { namespace: "shop".to_owned(), name: "cart-1".to_owned(), uid: "u1".into() }
}

fn named(name: &str) -> (String, String) {
    ("shop".to_owned(), name.to_owned())
}

/// The answer to one question.
async fn answer(server: &Server, ask: Ask) -> Known<Fact> {
    let mut answers = server.cluster().look(&BTreeSet::from([ask.clone()])).await;
    let (asked, known) = answers.pop().expect("each question is answered");
    assert_eq!((asked, answers.len()), (ask, 0));
    known
}

/// A server that answers requests of this line so, and any other with 404.
async fn serving(replies: &[(&'static str, Value)]) -> Server {
    let replies: BTreeMap<_, _> = replies.iter().cloned().collect();
    Server::start(move |seen| match replies.get(seen.line().as_str()) {
        Some(Value::Array(items)) => list("1", items),
        Some(object) => Reply::Json(200, object.clone()),
        None => Reply::Json(404, status(404, "NotFound", "not found", Value::Null)),
    })
    .await
}

/// One question of each kind, and the right that it takes.
fn questions() -> Vec<(Ask, &'static str)> {
    let (namespace, name) = named("cart");
    let workload = |kind: &str| Ask::Workload { namespace: "shop".to_owned(), owner: owner(kind, "cart") };
    vec![
        (Ask::Events(Object::Pod(pod())), "list events in namespace shop"),
        (Ask::Events(Object::Node("n1".into())), "list events in namespace default"),
        (workload("Deployment"), "get deployments.apps in namespace shop"),
        (workload("ReplicaSet"), "get replicasets.apps in namespace shop"),
        (workload("StatefulSet"), "get statefulsets.apps in namespace shop"),
        (workload("DaemonSet"), "get daemonsets.apps in namespace shop"),
        (workload("Job"), "get jobs.batch in namespace shop"),
        (
            Ask::DaemonPods { namespace: namespace.clone(), name: name.clone(), node: "n1".into() },
            "list pods in namespace shop",
        ),
        (Ask::Pod { namespace: namespace.clone(), name: name.clone() }, "get pods in namespace shop"),
        (Ask::AllNodes, "list nodes"),
        (Ask::Claim { namespace: namespace.clone(), name }, "get persistentvolumeclaims in namespace shop"),
        (Ask::Attachments, "list volumeattachments.storage.k8s.io"),
        (Ask::Quotas(namespace.clone()), "list resourcequotas in namespace shop"),
        (Ask::Namespace(namespace.clone()), "get namespaces"),
        (Ask::Webhooks, "list validatingwebhookconfigurations.admissionregistration.k8s.io"),
        (
            Ask::Endpoints { namespace, service: "guard".to_owned() },
            "list endpointslices.discovery.k8s.io in namespace shop",
        ),
        (Ask::NodeManagerRole, "get clusterroles.rbac.authorization.k8s.io"),
        (Ask::AwsAuth, "get configmaps/aws-auth in namespace kube-system"),
        (Ask::TryEviction(pod()), "create pods/eviction in namespace shop"),
    ]
}

#[tokio::test]
async fn a_right_that_is_missing_is_the_answer_and_is_named() {
    let server = Server::start(|_| Reply::Json(403, status(403, "Forbidden", "no", Value::Null))).await;
    for (ask, right) in questions() {
        if let Ask::TryEviction(_) = ask {
            let refused = Refusal::Forbidden { message: "no".to_owned() };
            assert_eq!(answer(&server, ask).await, Known::Is(Fact::Eviction(Some(refused))), "{right} was tried");
            continue;
        }
        assert_eq!(answer(&server, ask.clone()).await, Known::Unknown(Lack::Right(right.to_owned())), "{ask:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_tell_is_the_answer_too_and_nothing_is_asked_twice() {
    let server = Server::start(|_| Reply::Json(500, status(500, "InternalError", "etcd is away", Value::Null))).await;
    for (ask, what) in questions() {
        let before = server.log().len();
        let told = answer(&server, ask.clone()).await;
        assert_eq!(told, Known::Unknown(Lack::Server(format!("cannot {what}: 500 etcd is away"))), "{ask:?}");
        let at_once = if matches!(ask, Ask::Webhooks | Ask::NodeManagerRole) { 2 } else { 1 };
        assert!((1..=at_once).contains(&(server.log().len() - before)), "{ask:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_known_to_be_so() {
    let server = serving(&[]).await;
    let nobody = NodeManagerRole { role: false, binding: false };
    for (ask, _) in questions() {
        let expected = match &ask {
            Ask::Events(_) => Fact::Events(Vec::new()),
            Ask::Workload { .. } => Fact::Workload(None),
            Ask::DaemonPods { .. } => Fact::Pods(Vec::new()),
            Ask::Pod { .. } => Fact::Pod(None),
            Ask::AllNodes => Fact::Nodes(Vec::new()),
            Ask::Claim { .. } => Fact::Claim(None),
            Ask::Attachments => Fact::Attachments(Vec::new()),
            Ask::Quotas(_) => Fact::Quotas(Vec::new()),
            Ask::Namespace(_) => Fact::Namespace(None),
            Ask::Webhooks => Fact::Webhooks(Vec::new()),
            Ask::Endpoints { .. } => Fact::Endpoints(None),
            Ask::NodeManagerRole => Fact::NodeManagerRole(nobody),
            Ask::AwsAuth => Fact::AwsAuth(None),
            Ask::TryEviction(_) => Fact::Eviction(Some(Refusal::Gone)),
            Ask::PodsOn(_)
            | Ask::PodsOf(_)
            | Ask::Hooks
            | Ask::Subnets
            | Ask::Update(_)
            | Ask::Updates
            | Ask::UpdateElsewhere(_)
            | Ask::AccessEntries => {
                panic!("{ask:?}")
            }
        };
        assert_eq!(answer(&server, ask.clone()).await, Known::Is(expected), "{ask:?}");
    }
}

#[tokio::test]
async fn what_others_know_is_not_asked_here() {
    let server = serving(&[]).await;
    let elsewhere = [Ask::Hooks, Ask::PodsOn("n1".into()), Ask::Events(Object::Right("create pods".to_owned()))];
    for ask in elsewhere {
        assert!(matches!(answer(&server, ask).await, Known::Unknown(Lack::NotOffered(_))));
    }
    let shop = Ask::Workload { namespace: "shop".to_owned(), owner: owner("Shop", "main") };
    let told = answer(&server, shop).await;
    assert_eq!(told, Known::Unknown(Lack::NotOffered("mngup does not know the kind Shop".to_owned())));
    assert_eq!(server.log().len(), 0);
}

#[tokio::test]
async fn events_are_asked_for_by_what_they_are_about_and_ours_are_no_evidence() {
    let event = |reason: &str, reporter: &str, last: &str| {
        json!({ "metadata": { "name": reason, "namespace": "shop" }, "involvedObject": { "uid": "u1" },
            "reason": reason, "message": "m", "lastTimestamp": last, "reportingComponent": reporter })
    };
    let all = json!([
        event("BackOff", "kubelet", "2026-01-01T00:02:00Z"),
        event("Blocked", "mngup", "2026-01-01T00:03:00Z"),
        event("Pulled", "kubelet", "2026-01-01T00:01:00Z"),
    ]);
    let server = serving(&[("GET /api/v1/namespaces/shop/events", all)]).await;
    let Known::Is(Fact::Events(events)) = answer(&server, Ask::Events(Object::Pod(pod()))).await else { panic!() };
    let reasons: Vec<_> = events.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(reasons, ["Pulled", "BackOff"], "the youngest last");

    let (namespace, name) = named("cart");
    let others = [
        (Object::Node("n1".into()), "default", "involvedObject.kind=Node,involvedObject.name=n1"),
        (
            Object::Workload { namespace: namespace.clone(), owner: owner("ReplicaSet", "cart-7d") },
            "shop",
            "involvedObject.kind=ReplicaSet,involvedObject.name=cart-7d",
        ),
        (
            Object::Claim { namespace, name },
            "shop",
            "involvedObject.kind=PersistentVolumeClaim,involvedObject.name=cart",
        ),
        (Object::Namespace("shop".to_owned()), "default", "involvedObject.kind=Namespace,involvedObject.name=shop"),
    ];
    for (object, namespace, fields) in others {
        answer(&server, Ask::Events(object)).await;
        let seen = server.log().pop().unwrap();
        assert_eq!(seen.path, format!("/api/v1/namespaces/{namespace}/events"));
        assert_eq!(seen.param("fieldSelector"), fields);
    }
    assert_eq!(server.log()[0].param("fieldSelector"), "involvedObject.uid=u1");
}

#[tokio::test]
async fn a_workload_is_read_as_its_kind() {
    let replica_set = json!({
        "metadata": { "name": "cart-7d", "ownerReferences": [
            { "apiVersion": "apps/v1", "kind": "Deployment", "name": "cart", "uid": "d1", "controller": true },
        ] },
        "spec": { "replicas": 3 }, "status": { "replicas": 2, "readyReplicas": 1 },
    });
    let server = serving(&[("GET /apis/apps/v1/namespaces/shop/replicasets/cart-7d", replica_set)]).await;
    let ask = Ask::Workload { namespace: "shop".to_owned(), owner: owner("ReplicaSet", "cart-7d") };
    let Known::Is(Fact::Workload(Some(workload))) = answer(&server, ask).await else { panic!() };
    assert_eq!((workload.replicas, workload.current, workload.ready), (Some(3), 2, 1));
    assert_eq!((workload.owner, workload.strategy), (Some(owner("Deployment", "cart")), Strategy::Never));
}

#[tokio::test]
async fn the_pods_of_a_daemon_set_on_a_node_are_those_that_it_owns() {
    let pod = |name: &str, kind: &str, owner: &str| {
        json!({ "metadata": { "namespace": "shop", "name": name, "uid": name, "ownerReferences": [
            { "apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": "o", "controller": true },
        ] } })
    };
    let pods =
        json!([pod("agent-1", "DaemonSet", "agent"), pod("log-1", "DaemonSet", "log"), pod("agent-2", "Job", "agent")]);
    let server = serving(&[("GET /api/v1/namespaces/shop/pods", pods)]).await;
    let ask = Ask::DaemonPods { namespace: "shop".to_owned(), name: "agent".to_owned(), node: "n1".into() };
    let Known::Is(Fact::Pods(pods)) = answer(&server, ask).await else { panic!() };
    assert_eq!(pods.iter().map(|pod| pod.id.name.as_str()).collect::<Vec<_>>(), ["agent-1"]);
    assert_eq!(server.log()[0].param("fieldSelector"), "spec.nodeName=n1");
}

#[tokio::test]
async fn nodes_are_read_with_what_they_offer() {
    let node = json!({
        "metadata": { "name": "n1", "labels": { "tier": "gpu" } },
        "spec": { "unschedulable": true, "taints": [{ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" }] },
        "status": { "allocatable": { "cpu": "3920m", "memory": "16Gi", "pods": "58" },
            "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    let server = serving(&[("GET /api/v1/nodes", json!([node]))]).await;
    let Known::Is(Fact::Nodes(nodes)) = answer(&server, Ask::AllNodes).await else { panic!() };
    assert!(nodes[0].ready && nodes[0].unschedulable && nodes[0].taints.len() == 1, "{nodes:?}");
    let offers = [("cpu", 3920), ("memory", 17_179_869_184), ("pods", 58)];
    assert_eq!(nodes[0].allocatable, offers.map(|(what, amount)| (what.to_owned(), amount)).into());
}

#[tokio::test]
async fn a_claim_is_read_with_its_volume_or_with_its_class() {
    let claim =
        |spec: Value, phase: &str| json!({ "metadata": { "name": "x" }, "spec": spec, "status": { "phase": phase } });
    let terms = json!([{ "matchExpressions": [
        { "key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-west-1a"] },
        { "key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"] },
    ] }]);
    let volume = json!({ "metadata": { "name": "pv-1" }, "spec": { "nodeAffinity": { "required": { "nodeSelectorTerms": terms } } } });
    let claims = "GET /api/v1/namespaces/shop/persistentvolumeclaims";
    let server = serving(&[
        (
            "GET /api/v1/namespaces/shop/persistentvolumeclaims/bound",
            claim(json!({ "volumeName": "pv-1", "storageClassName": "gp3" }), "Bound"),
        ),
        (
            "GET /api/v1/namespaces/shop/persistentvolumeclaims/waits",
            claim(json!({ "storageClassName": "gp4" }), "Pending"),
        ),
        ("GET /api/v1/persistentvolumes/pv-1", volume),
    ])
    .await;
    let ask = |name: &str| Ask::Claim { namespace: "shop".to_owned(), name: name.to_owned() };
    let bound = Claim {
        phase: "Bound".to_owned(),
        volume: Some("pv-1".to_owned()),
        class: Some("gp3".to_owned()),
        class_exists: None,
        zones: vec!["eu-west-1a".into()],
        hosts: vec!["n1".to_owned()],
    };
    assert_eq!(answer(&server, ask("bound")).await, Known::Is(Fact::Claim(Some(bound))));
    let waits = Claim {
        phase: "Pending".to_owned(),
        volume: None,
        class: Some("gp4".to_owned()),
        class_exists: Some(false),
        zones: Vec::new(),
        hosts: Vec::new(),
    };
    assert_eq!(answer(&server, ask("waits")).await, Known::Is(Fact::Claim(Some(waits))));
    assert!(server.log().iter().all(|seen| seen.path.starts_with(claims.trim_start_matches("GET "))
        || seen.path.contains("/pv-1")
        || seen.path.ends_with("/gp4")));
}

#[tokio::test]
async fn attachments_quotas_and_namespaces_are_read() {
    let attachment = json!({
        "metadata": { "name": "csi-1", "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-01T00:01:00Z" },
        "spec": { "attacher": "ebs.csi.aws.com", "nodeName": "n1", "source": { "persistentVolumeName": "pv-1" } },
        "status": { "attached": true, "detachError": { "message": "VolumeInUse: busy", "time": "2026-01-01T00:01:00Z" } },
    });
    let quota = json!({ "metadata": { "name": "pods" }, "spec": { "hard": { "pods": "4" } }, "status": { "used": { "pods": "4" } } });
    let namespace = json!({
        "metadata": { "name": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z" },
        "status": { "phase": "Terminating", "conditions": [
            { "type": "NamespaceDeletionContentFailure", "status": "False", "message": "all deleted" },
            { "type": "NamespaceFinalizersRemaining", "status": "True", "message": "example.com/hold in 1 resource instances" },
        ] },
    });
    let server = serving(&[
        ("GET /apis/storage.k8s.io/v1/volumeattachments", json!([attachment])),
        ("GET /api/v1/namespaces/shop/resourcequotas", json!([quota])),
        ("GET /api/v1/namespaces/shop", namespace),
    ])
    .await;
    let at = |text: &str| text.parse().unwrap();
    let expected = Attachment {
        name: "csi-1".to_owned(),
        volume: "pv-1".to_owned(),
        node: "n1".into(),
        attached: true,
        deleting_since: Some(at("2026-01-01T00:01:00Z")),
        created_at: at("2026-01-01T00:00:00Z"),
        error: Some("VolumeInUse: busy".to_owned()),
    };
    assert_eq!(answer(&server, Ask::Attachments).await, Known::Is(Fact::Attachments(vec![expected])));
    let four = BTreeMap::from([("pods".to_owned(), "4".to_owned())]);
    let expected = Quota { name: "pods".to_owned(), hard: four.clone(), used: four };
    assert_eq!(answer(&server, Ask::Quotas("shop".to_owned())).await, Known::Is(Fact::Quotas(vec![expected])));
    let remains = vec!["example.com/hold in 1 resource instances".to_owned()];
    let expected = Namespace { deleting_since: Some(at("2026-01-01T00:00:00Z")), remains };
    assert_eq!(answer(&server, Ask::Namespace("shop".to_owned())).await, Known::Is(Fact::Namespace(Some(expected))));
}

#[tokio::test]
async fn webhooks_of_both_kinds_are_told_with_the_configuration_they_stand_in() {
    let hook = |name: &str, resource: &str| {
        json!({ "name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": { "service": { "namespace": "guard", "name": "guard" } },
            "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": [resource] }] })
    };
    let config = |name: &str, hooks: Vec<Value>| json!({ "metadata": { "name": name }, "webhooks": hooks });
    let server = serving(&[
        (
            "GET /apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            json!([config("guard", vec![hook("pods.x.io", "pods"), hook("evictions.x.io", "pods/eviction")])]),
        ),
        (
            "GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            json!([config("inject", vec![hook("inject.x.io", "*/*")])]),
        ),
    ])
    .await;
    let Known::Is(Fact::Webhooks(hooks)) = answer(&server, Ask::Webhooks).await else { panic!() };
    let told: Vec<_> = hooks.iter().map(|hook| (hook.config.as_str(), hook.index, hook.name.as_str())).collect();
    assert_eq!(
        told,
        [
            ("validatingwebhookconfiguration/guard", 1, "evictions.x.io"),
            ("mutatingwebhookconfiguration/inject", 0, "inject.x.io"),
        ]
    );
    assert!(hooks.iter().all(|hook| hook.fails_closed), "what is not said is Fail");
}

#[tokio::test]
async fn ready_endpoints_are_counted_and_a_service_without_slices_has_none() {
    let endpoint = |ready: Value, uid: &str| json!({ "addresses": [uid], "conditions": { "ready": ready }, "targetRef": { "kind": "Pod", "uid": uid } });
    let slice = |family: &str, endpoints: Vec<Value>| json!({ "metadata": { "name": family }, "addressType": family, "endpoints": endpoints });
    let slices = json!([
        slice("IPv4", vec![endpoint(json!(true), "a"), endpoint(json!(false), "b"), endpoint(Value::Null, "c")]),
        slice("IPv6", vec![endpoint(json!(true), "a")]),
    ]);
    let server = serving(&[("GET /apis/discovery.k8s.io/v1/namespaces/shop/endpointslices", slices)]).await;
    let ask = || Ask::Endpoints { namespace: "shop".to_owned(), service: "guard".to_owned() };
    assert_eq!(answer(&server, ask()).await, Known::Is(Fact::Endpoints(Some(2))));
    assert_eq!(server.log()[0].param("labelSelector"), "kubernetes.io/service-name=guard");

    let server =
        serving(&[("GET /api/v1/namespaces/shop/services/guard", json!({ "metadata": { "name": "guard" } }))]).await;
    assert_eq!(answer(&server, ask()).await, Known::Is(Fact::Endpoints(Some(0))));
}

#[tokio::test]
async fn the_role_of_eks_updates_and_the_roles_of_nodes_are_read() {
    let role = |verbs: Value| {
        json!({ "metadata": { "name": "eks:node-manager" }, "rules": [
            { "apiGroups": [""], "resources": ["pods/eviction"], "verbs": verbs },
        ] })
    };
    let binding = json!({
        "metadata": { "name": "eks:node-manager" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "eks:node-manager" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eks:node-manager" }],
    });
    let roles = "/apis/rbac.authorization.k8s.io/v1";
    let line = |kind: &str| -> &'static str { format!("GET {roles}/{kind}/eks:node-manager").leak() };
    for (verbs, expected) in [(json!(["create"]), true), (json!(["get"]), false)] {
        let server =
            serving(&[(line("clusterroles"), role(verbs)), (line("clusterrolebindings"), binding.clone())]).await;
        let expected = NodeManagerRole { role: expected, binding: true };
        assert_eq!(answer(&server, Ask::NodeManagerRole).await, Known::Is(Fact::NodeManagerRole(expected)));
    }

    let mapped = "- rolearn: arn:aws:iam::1:role/nodes\n  username: system:node:{{EC2PrivateDNSName}}\n  groups:\n  \
                  - system:bootstrappers\n  - system:nodes\n- rolearn: arn:aws:iam::1:role/people\n  username: p\n  \
                  groups: [system:masters]\n";
    let map = |text: &str| json!({ "metadata": { "name": "aws-auth" }, "data": { "mapRoles": text } });
    let line = "GET /api/v1/namespaces/kube-system/configmaps/aws-auth";
    let server = serving(&[(line, map(mapped))]).await;
    let nodes = Some(vec!["arn:aws:iam::1:role/nodes".to_owned()]);
    assert_eq!(answer(&server, Ask::AwsAuth).await, Known::Is(Fact::AwsAuth(nodes)));
    let server = serving(&[(line, map("- rolearn: [broken"))]).await;
    let told = answer(&server, Ask::AwsAuth).await;
    assert!(
        matches!(&told, Known::Unknown(Lack::Server(why)) if why.contains("aws-auth: mapRoles cannot be read")),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_eviction_is_tried_without_effect_and_its_refusal_is_the_answer() {
    let says = |reply: fn(&Seen) -> Reply| async move {
        let server = Server::start(reply).await;
        (answer(&server, Ask::TryEviction(pod())).await, server)
    };
    let (told, server) = says(|_| Reply::Json(201, json!({ "kind": "Status", "status": "Success" }))).await;
    assert_eq!(told, Known::Is(Fact::Eviction(None)));
    let seen = server.log().pop().unwrap();
    assert_eq!(seen.line(), "POST /api/v1/namespaces/shop/pods/cart-1/eviction");
    assert_eq!(seen.param("dryRun"), "All", "in the address, so that webhooks are told, too");
    assert_eq!(seen.json()["deleteOptions"]["preconditions"]["uid"], "u1");

    let (told, _) = says(|_| {
        let causes =
            json!({ "causes": [{ "reason": "DisruptionBudget", "message": "The disruption budget cart needs 3" }] });
        Reply::Json(429, status(429, "TooManyRequests", "Cannot evict pod", causes))
    })
    .await;
    let causes = vec!["The disruption budget cart needs 3".to_owned()];
    assert_eq!(told, Known::Is(Fact::Eviction(Some(Refusal::Budget { causes }))));

    let (told, _) = says(|_| {
        let message = "admission webhook \"guard.x.io\" does not support dry run";
        Reply::Json(400, status(400, "BadRequest", message, Value::Null))
    })
    .await;
    let message = "admission webhook \"guard.x.io\" does not support dry run".to_owned();
    assert_eq!(told, Known::Unknown(Lack::NotOffered(message)));

    let (told, _) = says(|_| {
        let message = "admission webhook \"guard.x.io\" denied the request: not on a Sunday";
        Reply::Json(403, status(403, "Forbidden", message, Value::Null))
    })
    .await;
    assert!(matches!(told, Known::Is(Fact::Eviction(Some(Refusal::Webhook { .. })))), "{told:?}");
}

#[tokio::test]
async fn many_questions_are_asked_at_once_and_answered_in_their_order() {
    let server = serving(&[]).await;
    let asks: BTreeSet<_> = (0..120).map(|number| Ask::Namespace(format!("n{number}"))).collect();
    let answers = server.cluster().look(&asks).await;
    assert!(answers.iter().map(|(ask, _)| ask).eq(&asks));
    assert_eq!(server.log().len(), 120);
}
