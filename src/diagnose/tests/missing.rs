use super::*;

const QUOTA: &str = "Error creating: pods \"cart-x\" is forbidden: exceeded quota: team, requested: \
                     limits.memory=256Mi,pods=1, used: limits.memory=1Gi,pods=2, limited: limits.memory=1Gi,pods=2";

fn owner() -> Owner {
    Owner { kind: "ReplicaSet".to_owned(), name: "cart-5f6c".to_owned() }
}

fn says(event: KubeEvent) -> Answer {
    events(Object::Workload { namespace: "shop".to_owned(), owner: owner() }, vec![event])
}

/// Two of three pods, and what the controller of the third was told.
fn found(facts: impl IntoIterator<Item = Answer>) -> Diagnosis {
    let pods = [pod("cart-1", "n1"), pod("cart-3", "n2")];
    let cluster = Cluster::new().budget(budget(max_unavailable(1), 3, 2, 2), pods);
    facts.into_iter().fold(cluster, Cluster::told).examine(&Subject::Group)
}

fn quota(pods: &str) -> Answer {
    let amounts = |pods: &str, memory: &str| {
        [("pods".to_owned(), pods.to_owned()), ("limits.memory".to_owned(), memory.to_owned())].into()
    };
    let quota = Quota { name: "team".to_owned(), hard: amounts(pods, "2Gi"), used: amounts("2", "1Gi") };
    (Ask::Quotas("shop".to_owned()), Known::Is(Fact::Quotas(vec![quota])))
}

#[test]
fn a_quota_that_is_used_up_is_told_with_what_raises_it() {
    let found_now = found([says(event("FailedCreate", QUOTA))]);
    assert_eq!(told(&found_now), ["QUOTA resourcequota/shop/team blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    let raise = fixes(&found_now.findings[0])[0];
    assert_eq!(
        line(&raise.run[0]),
        "-n shop patch resourcequota/team --type=merge -p \
         '{\"spec\":{\"hard\":{\"limits.memory\":\"1280Mi\",\"pods\":\"3\"}}}'"
    );
    assert_eq!(
        line(&raise.back[0]),
        "-n shop patch resourcequota/team --type=merge -p '{\"spec\":{\"hard\":{\"limits.memory\":\"1Gi\",\"pods\":\"2\"}}}'"
    );
    // A limit that was lowered below what is used is raised beyond that.
    let above = QUOTA.replace("pods=2, limited", "pods=4, limited");
    let raised = found([says(event("FailedCreate", &above))]);
    assert!(line(&fixes(&raised.findings[0])[0].run[0]).contains("\"pods\":\"5\""), "{:?}", raised.findings[0]);
    // There is room by now: its controller will see that.
    let found_later = found([says(event("FailedCreate", QUOTA)), quota("5")]);
    assert_eq!(told(&found_later), ["QUOTA resourcequota/shop/team waits <- PDB-EXHAUSTED pdb/shop/cart"]);
    // Before the last pod was made is long ago.
    let old = KubeEvent { last: Some(ago(7300)), ..event("FailedCreate", QUOTA) };
    assert_eq!(told(&found([says(old)])), ["PDB-EXHAUSTED pdb/shop/cart blocks"]);
}

#[test]
fn what_the_server_does_not_let_be_made_is_told_in_its_words() {
    let account = "Error creating: pods \"cart-x\" is forbidden: error looking up service account shop/cart: \
                   serviceaccount \"cart\" not found";
    let refused = found([says(event("FailedCreate", account))]);
    assert_eq!(told(&refused), ["CREATE-REFUSED deployment/shop/cart blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(line(&fixes(&refused.findings[0])[0].run[0]), "-n shop create serviceaccount cart");
    let level =
        "Error creating: pods \"cart-x\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot";
    let refused = found([says(event("FailedCreate", level))]);
    let lift = fixes(&refused.findings[0])[0];
    assert_eq!(line(&lift.back[0]), "label namespace/shop pod-security.kubernetes.io/enforce=restricted --overwrite");
    let denied = Known::Unknown(Lack::Right("list events in namespace shop".to_owned()));
    let ask = Ask::Events(Object::Workload { namespace: "shop".to_owned(), owner: owner() });
    assert_eq!(found([(ask, denied)]).unknown[0].cause, Cause::CreateRefused);
}

#[test]
fn a_budget_of_a_number_counts_what_is_there_and_its_controller_knows_what_lacks() {
    let pods = || [pod("cart-1", "n1"), pod("cart-3", "n2")];
    let number = || budget(PdbRule::MinAvailable(IntOrPercent::Int(2)), 2, 2, 2);
    let (lacks, _) = deployment(|_| {});
    let known = |current| {
        let Ask::Workload { namespace, .. } = &lacks else { panic!("a workload") };
        let (_, Known::Is(Fact::Workload(Some(known)))) = deployment(|known| known.current = current) else {
            panic!("known")
        };
        let ask = Ask::Workload { namespace: namespace.clone(), owner: owner() };
        (ask, Known::Is(Fact::Workload(Some(known))))
    };
    let found = |current| {
        let cluster = Cluster::new().budget(number(), pods()).told(says(event("FailedCreate", QUOTA)));
        cluster.told(known(current)).found()
    };
    assert_eq!(found(2), ["PDB-NEVER-ALLOWS pdb/shop/cart blocks because QUOTA resourcequota/shop/team"]);
    assert_eq!(found(3), ["PDB-NEVER-ALLOWS pdb/shop/cart blocks"]);
}

#[test]
fn whether_pods_are_missing_cannot_be_told_without_their_controller() {
    let minimum = PdbRule::MinAvailable(IntOrPercent::Int(2));
    let lacks = |answer: Answer| {
        let pods = [pod("cart-1", "n1"), pod("cart-3", "n2")];
        let pdb = Pdb { rule: minimum, ..budget(max_unavailable(1), 2, 2, 2) };
        let found = Cluster::new().budget(pdb, pods).told(answer).examine(&Subject::Group);
        found.unknown.iter().map(|unknown| (unknown.cause, unknown.lacking.to_string())).collect::<Vec<_>>()
    };
    let ask = || Ask::Workload { namespace: "shop".to_owned(), owner: owner() };
    let right = "get replicasets/cart-5f6c in namespace shop";
    assert_eq!(lacks(denied(ask(), right)), [(Cause::CreateRefused, format!("lacking the right to {right}"))]);
    assert_eq!(lacks((ask(), Known::Is(Fact::Workload(None)))), []);
}

#[test]
fn in_a_namespace_that_is_being_deleted_no_pod_is_made_and_nobody_says_so() {
    let goes = |deleting_since| {
        let namespace = Namespace { deleting_since, remains: vec!["2 carts.shop.io remain".to_owned()] };
        told(&found([(Ask::Namespace("shop".to_owned()), Known::Is(Fact::Namespace(Some(namespace))))]))
    };
    assert_eq!(goes(Some(ago(600))), ["NAMESPACE-TERMINATING namespace/shop blocks <- PDB-EXHAUSTED pdb/shop/cart"]);
    assert_eq!(goes(None), ["PDB-EXHAUSTED pdb/shop/cart blocks"]);
}

#[test]
fn whether_a_namespace_is_being_deleted_may_not_be_known() {
    let lacks = Known::Unknown(Lack::Right("get namespaces".to_owned()));
    let found = found([(Ask::Namespace("shop".to_owned()), lacks)]);
    assert!(found.unknown.iter().any(|unknown| unknown.cause == Cause::NamespaceTerminating), "{:?}", found.unknown);
}
