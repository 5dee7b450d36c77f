//! AWS where nobody asks it.

use std::collections::BTreeSet;

use crate::{
    domain::{Answer, Ask, Group, Known, Lack},
    ports::{Cloud, CloudAct, Outcome, PortError, Refusal},
};

/// Why AWS is not asked: a node is of no group, or nobody said which cluster it is.
#[derive(Clone, Debug)]
pub struct NobodyAsksAws(pub String);

impl NobodyAsksAws {
    fn words(&self) -> String {
        format!("AWS is not asked: {}", self.0)
    }
}

impl Cloud for NobodyAsksAws {
    async fn read(&self, _activities: bool) -> Result<Group, PortError> {
        Err(PortError::Other { message: self.words() })
    }

    async fn look(&self, asks: &BTreeSet<Ask>) -> Vec<Answer> {
        asks.iter().map(|ask| (ask.clone(), Known::Unknown(Lack::NotOffered(self.words())))).collect()
    }

    async fn act(&self, _act: &CloudAct) -> Outcome {
        Outcome::Refused(Refusal::Failed { code: 0, message: self.words() })
    }
}
