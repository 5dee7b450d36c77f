use super::*;

const DENIES: &str = "admission webhook \"guard.example.com\" denied the request: not in sync";

fn says(name: &str, refusal: Refusal) -> Answer {
    (Ask::TryEviction(pod(name, "n1").id), Known::Is(Fact::Eviction(Some(refusal))))
}

fn denies(name: &str) -> Answer {
    says(name, Refusal::Webhook { message: DENIES.to_owned() })
}

fn hook() -> Webhook {
    Webhook {
        config: "validatingwebhookconfiguration/guard".to_owned(),
        index: 2,
        name: "guard.example.com".to_owned(),
        fails_closed: true,
        service: Some(("ops".to_owned(), "guard".to_owned())),
        url: None,
        namespaces: serde_json::json!({ "matchLabels": { "guarded": "yes" } }),
    }
}

fn webhooks() -> Answer {
    (Ask::Webhooks, Known::Is(Fact::Webhooks(vec![hook()])))
}

fn pods() -> Cluster {
    Cluster::new().pods([pod("cart-1", "n1"), pod("cart-2", "n1"), pod("cart-3", "n2")])
}

#[test]
fn one_webhook_is_one_cause_however_many_pods_it_denies() {
    let found = pods().told(denies("cart-1")).told(denies("cart-2")).told(webhooks()).examine(&Subject::Group);
    assert_eq!(told(&found), ["WEBHOOK-DENIES webhook/guard.example.com blocks"]);
    assert_eq!(found.findings[0].holds.pods.len(), 2);
    // The least drastic first: a drain cleaner only needs time.
    let leave_out = fixes(&found.findings[0])[1];
    let patch = |from: &str, to: &str| {
        Command::Kubectl(format!(
            "patch validatingwebhookconfiguration/guard --type=json -p '[{{\"op\":\"test\",\"path\":\"/webhooks/2/name\",\
             \"value\":\"guard.example.com\"}},{{\"op\":\"test\",\"path\":\"/webhooks/2/namespaceSelector\",\"value\":{from}\
             }},{{\"op\":\"replace\",\"path\":\"/webhooks/2/namespaceSelector\",\"value\":{to}}}]'"
        ))
    };
    let before = "{\"matchLabels\":{\"guarded\":\"yes\"}}";
    let after = "{\"matchExpressions\":[{\"key\":\"kubernetes.io/metadata.name\",\"operator\":\"NotIn\",\"values\":\
                 [\"shop\"]}],\"matchLabels\":{\"guarded\":\"yes\"}}";
    assert_eq!((&leave_out.run, &leave_out.back), (&vec![patch(before, after)], &vec![patch(after, before)]));
    // The server lets it go: nothing is in its way.
    let lets_go = (Ask::TryEviction(pod("cart-1", "n1").id), Known::Is(Fact::Eviction(None)));
    assert!(pods().told(lets_go).found().is_empty());
    // Nobody tries before an upgrade, nor what a budget keeps anyhow.
    assert!(told(&pods().told(denies("cart-1")).examine(&Subject::BeforeUpgrade)).is_empty());
}

#[test]
fn a_webhook_without_an_endpoint_is_down_and_may_be_passed() {
    let message = "Internal error occurred: failed calling webhook \"guard.example.com\": failed to call webhook: Post \
                   \"https://guard.ops.svc:443/\": no endpoints available for service \"guard\"";
    let endpoints = Ask::Endpoints { namespace: "ops".to_owned(), service: "guard".to_owned() };
    let down = says("cart-1", Refusal::Webhook { message: message.to_owned() });
    let found = pods().told(down).told(webhooks()).told((endpoints, Known::Is(Fact::Endpoints(Some(0)))));
    let found = found.examine(&Subject::Group);
    assert_eq!(told(&found), ["WEBHOOK-DOWN webhook/guard.example.com blocks"]);
    let evidence: Vec<_> = found.findings[0].evidence.iter().map(|proof| proof.says.as_str()).collect();
    assert_eq!(evidence[2], "service/ops/guard has no ready endpoint");
    let Command::Kubectl(ignore) = &fixes(&found.findings[0])[0].run[0] else { panic!("kubectl") };
    assert!(ignore.ends_with(
        "{\"op\":\"test\",\"path\":\"/webhooks/2/failurePolicy\",\"value\":\"Fail\"},{\"op\":\"replace\",\"path\":\
         \"/webhooks/2/failurePolicy\",\"value\":\"Ignore\"}]'"
    ));
}

#[test]
fn without_the_right_to_list_webhooks_the_refusal_still_speaks() {
    let lacks = (Ask::Webhooks, Known::Unknown(Lack::Right("list validatingwebhookconfigurations".to_owned())));
    let found = pods().told(denies("cart-1")).told(lacks).examine(&Subject::Group);
    assert_eq!(told(&found), ["WEBHOOK-DENIES webhook/guard.example.com blocks"]);
    assert_eq!(
        found.findings[0].evidence[1].says,
        "cannot tell in which configuration it stands: lacking the right to list validatingwebhookconfigurations"
    );
}

#[test]
fn without_the_rights_to_look_behind_a_refusal_it_says_so() {
    let namespace = denied(Ask::Namespace("shop".to_owned()), "get namespace/shop");
    let found = pods().told(says("cart-1", Refusal::NamespaceTerminating)).told(namespace).examine(&Subject::Group);
    let lacks = "cannot tell what remains in namespace/shop: lacking the right to get namespace/shop";
    assert_eq!(unread(&found.findings[0]), [lacks]);
    let message = "Internal error occurred: failed calling webhook \"guard.example.com\": connection refused";
    let down = says("cart-1", Refusal::Webhook { message: message.to_owned() });
    let service = Ask::Endpoints { namespace: "ops".to_owned(), service: "guard".to_owned() };
    let service = denied(service, "list endpointslices in namespace ops");
    let found = pods().told(down).told(webhooks()).told(service).examine(&Subject::Group);
    let lacks = "cannot tell whether service/ops/guard has an endpoint: lacking the right to list endpointslices in \
                 namespace ops";
    assert_eq!(unread(&found.findings[0]), [lacks]);
}

#[test]
fn a_namespace_that_goes_names_what_remains_in_it() {
    let namespace = |seconds| {
        let remains = "Some resources are remaining: pods. has 2 resource instances, carts.shop.io has 1 resource \
                       instances"
            .to_owned();
        let namespace = Namespace { deleting_since: Some(ago(seconds)), remains: vec![remains] };
        let answer = (Ask::Namespace("shop".to_owned()), Known::Is(Fact::Namespace(Some(namespace))));
        pods().told(says("cart-1", Refusal::NamespaceTerminating)).told(answer).examine(&Subject::Group)
    };
    assert_eq!(told(&namespace(60)), ["NAMESPACE-TERMINATING namespace/shop blocks"]);
    assert_eq!(told(&namespace(20)), ["NAMESPACE-TERMINATING namespace/shop waits"]);
    let Command::Kubectl(left) = &namespace(60).findings[0].remedies[1].run[1] else { panic!("kubectl") };
    assert!(left.starts_with("-n shop get pods,carts.shop.io -o custom-columns="), "{left}");
}

#[test]
fn whoever_only_looks_may_lack_a_right_that_the_one_who_drains_has() {
    let message = "pods \"cart-1\" is forbidden: User \"jane\" cannot create resource \"pods/eviction\" in API group \"\" \
                   in the namespace \"shop\"";
    let found = pods().told(says("cart-1", Refusal::Forbidden { message: message.to_owned() }));
    let found = found.examine(&Subject::Group);
    assert_eq!(told(&found), ["RIGHTS-EVICT the right to create pods/eviction in namespace shop notes"]);
    assert_eq!(
        fixes(&found.findings[0])[0].run[1],
        Command::Kubectl(
            "create clusterrolebinding mngup-create-pods-eviction --clusterrole=mngup-create-pods-eviction \
             --user=jane"
                .to_owned()
        )
    );
}

#[test]
fn a_busy_server_is_waited_for_and_what_it_did_not_try_is_told_once() {
    assert_eq!(
        pods().told(says("cart-1", Refusal::Throttled { after: None })).found(),
        ["API-BUSY the API server waits"]
    );
    let unknown = |name: &str| {
        let why = "admission webhook \"guard\" does not support dry run".to_owned();
        (Ask::TryEviction(pod(name, "n1").id), Known::Unknown(Lack::NotOffered(why)))
    };
    let found = pods().told(unknown("cart-1")).told(unknown("cart-2")).examine(&Subject::Group);
    assert_eq!((found.findings.len(), found.unknown.len()), (0, 1));
}
