//! What the group would launch now: plain or mixed, with `$Latest` and `$Default` as numbers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplate as MixedTemplate, LaunchTemplateSpecification};

use super::ec2::{Ec2, Template, TemplateKey};
use crate::{
    domain::{LaunchTarget, LaunchTemplate},
    ports::PortError,
};

/// How long an answer of EC2 is taken for the truth.
const FRESH: Duration = Duration::from_mins(1);

/// Launch templates as EC2 described them.
#[derive(Debug, Default)]
pub(super) struct Templates {
    known: BTreeMap<TemplateKey, (Instant, Template)>,
}

impl Templates {
    /// Resolves what the group launches from; EC2 is asked only where the group does not say a number itself.
    pub(super) async fn target(
        &mut self,
        ec2: &Ec2,
        group: &AutoScalingGroup,
        object: &str,
    ) -> Result<LaunchTarget, PortError> {
        let mixed = group.mixed_instances_policy().and_then(|policy| policy.launch_template());
        let own = group.launch_template().or_else(|| mixed.and_then(|mixed| mixed.launch_template_specification()));
        let mut target = LaunchTarget::default();
        if let Some(own) = own {
            target.template = Some(self.resolve(ec2, own, object).await?);
            let version = version(own);
            target.alias = is_alias(version).then(|| version.to_owned());
        }
        for wanted in mixed.map(MixedTemplate::overrides).unwrap_or_default() {
            let Some(template) = wanted.launch_template_specification() else { continue };
            let Some(instance_type) = wanted.instance_type() else {
                return Err(PortError::Malformed {
                    what: object.to_owned(),
                    message: "sets a launch template for instance requirements instead of an instance type: which \
                              instances are old cannot be told; name the types in its mixed-instances policy"
                        .to_owned(),
                });
            };
            let template = self.resolve(ec2, template, object).await?;
            target.overrides.insert(instance_type.to_owned(), template);
        }
        Ok(target)
    }

    async fn resolve(
        &mut self,
        ec2: &Ec2,
        template: &LaunchTemplateSpecification,
        object: &str,
    ) -> Result<LaunchTemplate, PortError> {
        let version = version(template);
        if let (Some(id), false) = (template.launch_template_id(), is_alias(version)) {
            return Ok(LaunchTemplate { id: id.to_owned(), version: version.to_owned() });
        }
        let key = match (template.launch_template_id(), template.launch_template_name()) {
            (Some(id), _) => TemplateKey::Id(id.to_owned()),
            (None, Some(name)) => TemplateKey::Name(name.to_owned()),
            (None, None) => {
                return Err(PortError::Malformed {
                    what: object.to_owned(),
                    message: "names a launch template without id or name".to_owned(),
                });
            }
        };
        let known = self.lookup(ec2, key).await?;
        let version = match version {
            "$Latest" => known.latest,
            "$Default" => known.default,
            number => number.to_owned(),
        };
        Ok(LaunchTemplate { id: known.id, version })
    }

    async fn lookup(&mut self, ec2: &Ec2, key: TemplateKey) -> Result<Template, PortError> {
        if let Some((read, template)) = self.known.get(&key)
            && read.elapsed() < FRESH
        {
            return Ok(template.clone());
        }
        let template = ec2.template(&key).await?;
        self.known.insert(key, (Instant::now(), template.clone()));
        Ok(template)
    }
}

/// A version that is not named is the default one.
fn version(template: &LaunchTemplateSpecification) -> &str {
    template.version().filter(|version| !version.is_empty()).unwrap_or("$Default")
}

fn is_alias(version: &str) -> bool {
    version.starts_with('$')
}
