//! A world that somebody looks at who runs no upgrade, with the command's own code.

use std::sync::Arc;

use mngup::{
    app::{Inquiry, NotDiagnosed, Ports, Question, Whose},
    domain::{Cause, Diagnosis, Operator},
    sim::{Sim, World, WorldSpec},
};

use crate::BLOCKS;

/// What is found there.
pub fn look(spec: &WorldSpec, question: &Question) -> Diagnosis {
    let sim = Sim::new(World::new(spec.clone(), 1), 1.0);
    let operator = Operator { user: "mngup".to_owned(), host: "test".to_owned() };
    let ports = Ports {
        cluster: Arc::new(sim.cluster()),
        cloud: Arc::new(sim.cloud()),
        clock: Arc::new(sim.clock()),
        lock: Arc::new(sim.lock(operator)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let look = async { Ok::<_, NotDiagnosed>(Inquiry::begin(&ports, Whose::Group, question).await?.examine().await?) };
    runtime.block_on(look).expect("a world can be looked at")
}

/// Where it is found although it is not there.
pub fn alarm(spec: &WorldSpec, question: &Question, cause: Cause) -> Option<String> {
    let found = look(spec, question);
    let alarm = found.findings.iter().find(|finding| finding.cause == cause && finding.grade == BLOCKS);
    alarm.map(|finding| format!("{} {}", finding.cause, finding.object))
}
