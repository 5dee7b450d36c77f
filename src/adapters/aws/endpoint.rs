//! Where the services that we call ourselves are: STS for the token, EC2 for launch template aliases.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// A service that has no SDK client in this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// `ec2`
    Ec2,
    /// `sts`
    Sts,
}

impl Service {
    /// Its name in addresses and signatures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Sts => "sts",
        }
    }
}

/// The service's address: what the user set, as the SDK clients read it, else the regional one of the partition.
pub(super) fn of(service: Service, config: &SdkConfig, region: &str) -> String {
    let own = key(service).and_then(|key| config.service_config()?.load_config(key));
    let set = own.or_else(|| config.endpoint_url().map(str::to_owned));
    set.map_or_else(
        || regional(service, region, config.use_fips().unwrap_or_default()),
        |url| url.trim_end_matches('/').to_owned(),
    )
}

/// Where a user may have moved this one service: `AWS_ENDPOINT_URL_STS`, or `[services …]` in the profile.
fn key(service: Service) -> Option<ServiceConfigKey<'static>> {
    ServiceConfigKey::builder().service_id(service.name()).env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()
}

fn regional(service: Service, region: &str, fips: bool) -> String {
    // GovCloud's regional endpoints are FIPS endpoints already and have no second name.
    let fips = if fips && !region.starts_with("us-gov-") { "-fips" } else { "" };
    format!("https://{}{fips}.{region}.{}", service.name(), domain(region))
}

/// The partition's domain (botocore, `partitions.json`).
fn domain(region: &str) -> &'static str {
    const PARTITIONS: [(&str, &str); 7] = [
        ("cn-", "amazonaws.com.cn"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("us-iso-", "c2s.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("eusc-", "amazonaws.eu"),
        ("us-gov-", "amazonaws.com"),
    ];
    PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("amazonaws.com", |(_, domain)| domain)
}

#[cfg(test)]
mod tests {
    use super::{Service, regional};

    #[test]
    fn each_partition_has_its_own_domain() {
        assert_eq!(regional(Service::Sts, "eu-west-1", false), "https://sts.eu-west-1.amazonaws.com");
        assert_eq!(regional(Service::Sts, "cn-north-1", false), "https://sts.cn-north-1.amazonaws.com.cn");
        assert_eq!(regional(Service::Ec2, "us-gov-west-1", true), "https://ec2.us-gov-west-1.amazonaws.com");
        assert_eq!(regional(Service::Ec2, "us-east-1", true), "https://ec2-fips.us-east-1.amazonaws.com");
        assert_eq!(regional(Service::Sts, "us-iso-east-1", false), "https://sts.us-iso-east-1.c2s.ic.gov");
    }
}
