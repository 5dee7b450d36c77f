//! What a run still waits for when an instance has come, and nobody else would.

use super::*;
use crate::diagnose::targets::Comer;

/// A group whose newest instance, `i-n3`, a run waits for.
fn cluster(change: impl FnOnce(&mut Node)) -> Cluster {
    let mut newcomer = Node { ready_since: Some(ago(300)), ..node("n3", None) };
    change(&mut newcomer);
    let mut cluster = Cluster::new().group(&[("i-n1", "InService"), ("i-n3", "InService")]);
    cluster.see(Change::Node(Box::new(newcomer)));
    cluster
}

/// What is found while a run waits for the newcomer so.
fn found(cluster: &Cluster, change: impl FnOnce(&mut Comer<'_>)) -> Vec<String> {
    let old = BTreeSet::new();
    let mut scene = Scene::of(View {
        now: now(),
        snapshot: &cluster.snapshot,
        run: None,
        memory: &cluster.memory,
        policy: &cluster.policy,
        subject: &Subject::BeforeUpgrade,
        old: &old,
        dossier: &cluster.dossier,
    });
    let instance = &cluster.snapshot.group().unwrap().instances[&"i-n3".into()];
    let node = cluster.snapshot.node_of(&instance.id);
    let mut comer =
        Comer { instance, node, replaces: None, since: ago(300), lost: 0, extended: Vec::new(), awaited: true };
    change(&mut comer);
    scene.comers = vec![comer];
    let mut verdicts = Verdicts::default();
    for rule in [crate::diagnose::joins::RULE, crate::diagnose::nodes::RULE] {
        (rule.find)(&scene, &mut verdicts);
    }
    let told = verdicts.found.iter();
    told.map(|found| format!("{} {} {:?}", found.cause, found.object, found.grade).to_lowercase()).collect()
}

fn nothing(_: &mut Comer<'_>) {}

#[test]
fn a_new_node_that_somebody_cordons_does_not_serve() {
    let cordoned = |seconds| cluster(|node| (node.unschedulable, node.cordoned_at) = (true, Some(ago(seconds))));
    assert_eq!(found(&cordoned(60), nothing), ["node-cordoned-new node/n3 blocks"]);
    assert_eq!(found(&cordoned(10), nothing), ["node-cordoned-new node/n3 waits"]);
    // Near by: nobody waits for it.
    assert_eq!(found(&cordoned(60), |comer| comer.awaited = false), [] as [&str; 0]);
}

#[test]
fn what_the_replaced_nodes_offer_a_new_one_must_offer_too() {
    let gpu = |ready_since, offers: &[&str]| {
        cluster(|node| {
            node.ready_since = Some(ago(ready_since));
            node.extended = offers.iter().map(|name| ((*name).to_owned(), 1)).collect();
        })
    };
    let wants = |comer: &mut Comer<'_>| comer.extended = vec!["nvidia.com/gpu"];
    assert_eq!(found(&gpu(300, &[]), wants), ["node-resource-missing node/n3 blocks"]);
    assert_eq!(found(&gpu(60, &[]), wants), ["node-resource-missing node/n3 waits"]);
    assert_eq!(found(&gpu(300, &["nvidia.com/gpu"]), wants), [] as [&str; 0]);
    assert_eq!(found(&gpu(300, &[]), nothing), [] as [&str; 0]);
}

#[test]
fn an_instance_of_another_version_would_have_to_be_replaced_again() {
    let with = |version: &str| {
        let mut cluster = cluster(|_| ());
        let mut group = cluster.snapshot.group().unwrap().clone();
        let template = LaunchTemplate { id: "lt-1".to_owned(), version: version.to_owned() };
        group.instances.get_mut(&"i-n3".into()).unwrap().template = Some(template);
        cluster.see(Change::Group(Box::new(group)));
        cluster
    };
    assert_eq!(found(&with("1"), nothing), ["instance-wrong-template instance/i-n3 blocks"]);
    assert_eq!(found(&with("2"), nothing), [] as [&str; 0]);
    assert_eq!(found(&with("1"), |comer| comer.awaited = false), [] as [&str; 0]);
}

#[test]
fn two_instances_that_others_end_are_no_accident() {
    let lost = |lost| found(&cluster(|_| ()), |comer| comer.lost = lost);
    assert_eq!(lost(2), ["instance-lost asg/workers blocks"]);
    assert_eq!(lost(1), [] as [&str; 0]);
}
