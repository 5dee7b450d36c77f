//! Node names as people say them: `ip-10-0-1-7` for `ip-10-0-1-7.eu-west-1.compute.internal`.

use crate::domain::{NodeName, plain};

/// Shortens node names where their domain says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    domain: Option<String>,
}

impl Names {
    /// Takes note of a name; the first one's domain is the one that says nothing from then on.
    pub fn learn(&mut self, node: &NodeName) {
        if self.domain.is_none() {
            self.domain = node.as_str().find('.').map(|dot| node.as_str()[dot..].to_owned());
        }
    }

    /// The name without the common domain; a name with another domain is kept whole.
    #[must_use]
    pub fn short<'a>(&self, node: &'a NodeName) -> &'a str {
        let whole = node.as_str();
        self.domain.as_deref().and_then(|domain| whole.strip_suffix(domain)).unwrap_or(whole)
    }

    /// A text in which node names occur, with the common domain taken out, on one line: much of it others wrote.
    #[must_use]
    pub fn shorten(&self, text: &str) -> String {
        let text = plain(text);
        match &self.domain {
            Some(domain) => text.replace(domain.as_str(), ""),
            None => text.into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_domain_that_all_share_is_cut() {
        let mut names = Names::default();
        let here = NodeName::from("ip-10-0-1-7.eu-west-1.compute.internal");
        assert_eq!(names.short(&here), here.as_str());
        names.learn(&here);
        assert_eq!(names.short(&here), "ip-10-0-1-7");
        assert_eq!(names.short(&"node-1.example.org".into()), "node-1.example.org");
        assert_eq!(
            names.shorten("cart-1 on ip-10-0-1-7.eu-west-1.compute.internal not Ready"),
            "cart-1 on ip-10-0-1-7 not Ready"
        );
    }
}
