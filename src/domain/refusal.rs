//! What a server says when it says no.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Object, PodRef};

/// Why a server said no, sorted by what one does about it (eviction: `pkg/registry/core/pod/storage/eviction.go`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// 429 with the cause `DisruptionBudget`: the budget allows none now. The causes are the server's own.
    Budget {
        /// `details.causes[].message`
        causes: Vec<String>,
    },
    /// Rate limiting, or a 429 without that cause.
    Throttled {
        /// `Retry-After`, where the server says so.
        after: Option<Duration>,
    },
    /// 500: more than one budget counts the pod; no retry can help.
    TwoBudgets,
    /// An admission webhook said no, or could not be reached.
    Webhook {
        /// What the server said.
        message: String,
    },
    /// The namespace is being deleted, its pods with it.
    NamespaceTerminating,
    /// No right to do it.
    Forbidden {
        /// What the server said: names user, verb and resource.
        message: String,
    },
    /// The object is gone.
    Gone,
    /// The object is another than was meant (uid), or was changed meanwhile.
    Conflict {
        /// What the server said.
        message: String,
    },
    /// Anything else.
    Failed {
        /// HTTP status, 0 where there was none.
        code: u16,
        /// What the server said.
        message: String,
    },
}

impl Refusal {
    /// Who keeps this pod by it, budgets aside, as findings name it; none where the server does not say.
    #[must_use]
    pub fn by(&self, pod: &PodRef) -> Option<Object> {
        match self {
            Self::Webhook { .. } => self.admission(),
            Self::NamespaceTerminating => Some(Object::Namespace(pod.namespace.clone())),
            Self::Forbidden { message } => forbidden(message).map(|forbidden| Object::Right(forbidden.right())),
            Self::Throttled { .. } | Self::Failed { .. } => self.is_put_off().then_some(Object::ApiServer),
            Self::Budget { .. } | Self::TwoBudgets | Self::Gone | Self::Conflict { .. } => None,
        }
    }

    /// The webhook, or the policy, that refuses by it, where it names one.
    #[must_use]
    pub fn admission(&self) -> Option<Object> {
        match self {
            Self::Webhook { message } => webhook(message),
            Self::Budget { .. }
            | Self::TwoBudgets
            | Self::Gone
            | Self::Conflict { .. }
            | Self::NamespaceTerminating
            | Self::Forbidden { .. }
            | Self::Throttled { .. }
            | Self::Failed { .. } => None,
        }
    }

    /// Whether a webhook should have been asked and did not answer; else one that refuses has denied it.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Webhook { message } if message.contains("failed calling webhook"))
    }

    /// Whether nobody judged it: the server has too much to do (429, 503), gave up where too many wanted to change the
    /// same budget at once (504), or did not answer.
    #[must_use]
    pub fn is_put_off(&self) -> bool {
        match self {
            Self::Throttled { .. } => true,
            Self::Failed { code, .. } => self.is_unheard() || matches!(code, 503 | 504),
            Self::Budget { .. }
            | Self::TwoBudgets
            | Self::Webhook { .. }
            | Self::NamespaceTerminating
            | Self::Forbidden { .. }
            | Self::Gone
            | Self::Conflict { .. } => false,
        }
    }

    /// Whether there was no answer.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        matches!(self, Self::Failed { code: 0, .. })
    }
}

/// `admission webhook "x" denied the request`, `failed calling webhook "x"`,
/// `ValidatingAdmissionPolicy 'x' with binding 'y' denied request`.
fn webhook(message: &str) -> Option<Object> {
    let named = |before: &str, quote: char| {
        let rest = &message[message.find(before)? + before.len()..];
        rest.split(quote).next().filter(|name| !name.is_empty()).map(str::to_owned)
    };
    named("webhook \"", '"')
        .map(Object::Webhook)
        .or_else(|| named("ValidatingAdmissionPolicy '", '\'').map(Object::AdmissionPolicy))
}

/// Whom the authorizer forbids what (`k8s.io/apiserver`, `responsewriters.ForbiddenErrorMessage`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden<'a> {
    /// The user, as the server knows it.
    pub user: &'a str,
    /// `create`
    pub verb: &'a str,
    /// `pods/eviction`
    pub resource: &'a str,
    /// Where; none is everywhere.
    pub namespace: Option<&'a str>,
}

impl Forbidden<'_> {
    /// `create pods/eviction in namespace shop`
    #[must_use]
    pub fn right(&self) -> String {
        let place = self.namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        format!("{} {}{place}", self.verb, self.resource)
    }
}

/// Takes `pods "cart-1" is forbidden: User "jane" cannot create resource "pods/eviction" in API group "" in the namespace
/// "shop"` apart; none where it was not the authorizer who said so.
#[must_use]
pub fn forbidden(message: &str) -> Option<Forbidden<'_>> {
    let (_, rest) = message.split_once("User \"")?;
    let (user, rest) = rest.split_once("\" cannot ")?;
    let (verb, rest) = rest.split_once(" resource \"")?;
    let (resource, rest) = rest.split_once('"')?;
    let namespace = rest.split_once("in the namespace \"").and_then(|(_, rest)| rest.split('"').next());
    Some(Forbidden { user, verb, resource, namespace })
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget { causes } if causes.is_empty() => f.write_str("the disruption budget allows none now"),
            Self::Budget { causes } => f.write_str(&causes.join("; ")),
            Self::Throttled { .. } => f.write_str("the server asks for fewer requests"),
            Self::TwoBudgets => f.write_str("more than one PodDisruptionBudget counts this pod"),
            Self::NamespaceTerminating => f.write_str("its namespace is being deleted"),
            Self::Gone => f.write_str("it is gone"),
            Self::Webhook { message } | Self::Forbidden { message } | Self::Conflict { message } => {
                f.write_str(message)
            }
            Self::Failed { code: 0, message } => f.write_str(message),
            Self::Failed { code, message } => write!(f, "{code}: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(refusal: &Refusal) -> Option<String> {
        let pod = PodRef { namespace: "shop".to_owned(), name: "cart-1".to_owned(), uid: "u".into() };
        refusal.by(&pod).map(|object| object.to_string())
    }

    fn webhook(message: &str) -> Refusal {
        Refusal::Webhook { message: message.to_owned() }
    }

    #[test]
    fn who_keeps_a_pod_is_read_from_the_servers_words() {
        let denied = webhook("admission webhook \"guard.example.com\" denied the request: not in sync");
        assert_eq!(by(&denied).as_deref(), Some("webhook/guard.example.com"));
        assert!(!denied.is_unanswered());
        let down = webhook(
            "Internal error occurred: failed calling webhook \"guard.example.com\": failed to call webhook: Post \
             \"https://guard.ops.svc:443/\": no endpoints available for service \"guard\"",
        );
        assert_eq!(by(&down).as_deref(), Some("webhook/guard.example.com"));
        assert!(down.is_unanswered());
        let policy = webhook("ValidatingAdmissionPolicy 'no-drain' with binding 'all' denied request: ask first");
        assert_eq!(by(&policy).as_deref(), Some("validatingadmissionpolicy/no-drain"));
        assert_eq!(by(&Refusal::NamespaceTerminating).as_deref(), Some("namespace/shop"));
        assert_eq!(by(&Refusal::Throttled { after: None }).as_deref(), Some("the API server"));
        let storm = "couldn't update PodDisruptionBudget \"cart\" due to conflicts".to_owned();
        assert_eq!(by(&Refusal::Failed { code: 504, message: storm }).as_deref(), Some("the API server"));
        let failed = |code| by(&Refusal::Failed { code, message: "panic".to_owned() });
        assert_eq!((failed(500), failed(422)), (None, None));
        assert_eq!((failed(503).as_deref(), failed(0).as_deref()), (Some("the API server"), Some("the API server")));
    }

    #[test]
    fn a_right_is_told_as_the_authorizer_names_it() {
        let message = "pods \"cart-1\" is forbidden: User \"jane\" cannot create resource \"pods/eviction\" in API group \
                       \"\" in the namespace \"shop\"";
        let refusal = Refusal::Forbidden { message: message.to_owned() };
        assert_eq!(by(&refusal).as_deref(), Some("the right to create pods/eviction in namespace shop"));
        assert_eq!(forbidden(message).map(|forbidden| forbidden.user), Some("jane"));
        // An admission plugin forbids too, and for another reason.
        assert_eq!(forbidden("pods \"cart-1\" is forbidden: node is out of bounds"), None);
    }
}
