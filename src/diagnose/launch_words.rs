//! What Auto Scaling writes about a launch that failed, and what is the cause then.
//!
//! The words are EC2's, as "Troubleshoot Amazon EC2 Auto Scaling" quotes them, with and without "Could not launch On-Demand
//! Instances. CODE - …" in front. What a text names comes before what wraps it: "You must use a valid fully-formed launch
//! template. The key pair … does not exist" is about the key pair.

use crate::domain::Cause;

/// Words that only texts of this cause have, in small letters; the first row that fits decides.
const WORDS: &[(Cause, &[&str])] = &[
    (Cause::LaunchSpotPrice, &["lower than the minimum required spot request fulfillment price", "spotmaxpricetoolow"]),
    (
        Cause::LaunchQuota,
        &[
            "vcpulimitexceeded",
            "than your current vcpu limit",
            "instancelimitexceeded",
            "instance(s) are already running",
            "than your current instance limit",
            "maxspotinstancecountexceeded",
            "max spot instance count exceeded",
        ],
    ),
    (Cause::LaunchNoAddresses, &["insufficientfreeaddressesinsubnet", "not enough free addresses in subnet"]),
    (
        Cause::LaunchNoCapacity,
        &[
            "insufficientinstancecapacity",
            "we currently do not have sufficient",
            "unfulfillablecapacity",
            "unable to fulfill capacity",
            "no spot capacity available",
            "does not have sufficient compatible and available capacity",
            "is not active yet",
            "insufficientreservedinstancecapacity",
            "insufficienthostcapacity",
            "reservationcapacityexceeded",
        ],
    ),
    (
        Cause::LaunchAmi,
        &[
            "not authorized for images",
            "the image id",
            "the ami id",
            "invalidamiid",
            "is pending, and cannot be run",
            "in the manifest for ami-",
            "of the specified ami",
        ],
    ),
    (Cause::LaunchKeyPair, &["the key pair", "invalidkeypair"]),
    (
        Cause::LaunchSecurityGroup,
        &["the security group", "invalidgroup.notfound", "invalidsecuritygroupid", "belong to different networks"],
    ),
    (Cause::LaunchKms, &["client.internalerror", "client error on launch", "invalidkmskey"]),
    (
        Cause::LaunchDevice,
        &[
            "invalid device name",
            "for parameter virtualname",
            "ebs block device mappings not supported",
            "is smaller than snapshot",
            "invalidblockdevicemapping",
        ],
    ),
    (
        Cause::LaunchUnsupported,
        &[
            "requested configuration is currently not supported",
            "is not supported in your requested availability zone",
            "requested availability zone is no longer supported",
            "placement groups may not be used with instances of type",
            "not eligible for free tier",
            "instances with a virtualization type of",
        ],
    ),
    (
        Cause::LaunchRights,
        &["unauthorizedoperation", "you are not authorized", "iam:passrole", "is not authorized to perform"],
    ),
    (
        Cause::LaunchTemplate,
        &[
            "invalidlaunchtemplate",
            "valid fully-formed launch template",
            "invalidparametercombination",
            "invalidparametervalue",
            "invalidsubnetid",
            "the specified launch template",
        ],
    ),
];

/// The cause that a failed launch's text tells; any other text is a cause of its own, to be shown as it is.
pub(super) fn cause(text: &str) -> Cause {
    let text = text.to_lowercase();
    let told = WORDS.iter().find(|(_, words)| words.iter().any(|word| text.contains(word)));
    told.map_or(Cause::LaunchFails, |(cause, _)| *cause)
}

/// The first word of a text that begins so: `ami-0123…` of `The image id '[ami-0123…]' does not exist`.
pub(super) fn id(text: &str, prefix: &str) -> Option<String> {
    let id = word(&text[text.find(prefix)?..], "-");
    (id.len() > prefix.len()).then(|| id.to_owned())
}

/// The first ARN of this service in a text, with all of its parts and of whatever partition: `arn:aws:kms:…`,
/// `arn:aws-cn:kms:…`, `arn:aws-us-gov:kms:…`.
pub(super) fn arn(text: &str, service: &str) -> Option<String> {
    let mut arns = text.match_indices("arn:aws").map(|(at, _)| word(&text[at..], ":/-_"));
    // A colon behind it is none of its own.
    let of_service = |arn: &&str| arn.split(':').nth(2) == Some(service) && arn.trim_end_matches(':').contains('/');
    arns.find(of_service).map(|arn| arn.trim_end_matches(':').to_owned())
}

/// What a text begins with up to what is neither letter, digit nor one of these.
fn word<'a>(text: &'a str, parts: &str) -> &'a str {
    let end = |c: char| !c.is_ascii_alphanumeric() && !parts.contains(c);
    &text[..text.find(end).unwrap_or(text.len())]
}

/// What stands between quotation marks behind this: `ops` of `The key pair 'ops' does not exist`.
pub(super) fn named(text: &str, before: &str) -> Option<String> {
    let behind = &text[text.find(before)? + before.len()..];
    let name = behind.strip_prefix(" '")?.split('\'').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of the documentation and of the field, each once as Auto Scaling alone would write it.
    const TEXTS: &[(Cause, &str)] = &[
        (
            Cause::LaunchNoCapacity,
            "We currently do not have sufficient p4d.24xlarge capacity in the Availability Zone you requested (eu-west-1a). \
             Our system will be working on provisioning additional capacity. You can currently get p4d.24xlarge capacity by \
             not specifying an Availability Zone in your request or choosing eu-west-1b. Launching EC2 instance failed.",
        ),
        (Cause::LaunchNoCapacity, "There is no Spot capacity available that matches your request."),
        (
            Cause::LaunchNoCapacity,
            "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to your request \
             configuration. Please adjust your request and try again. Launching EC2 instance failed.",
        ),
        (
            Cause::LaunchNoCapacity,
            "The requested reservation does not have sufficient compatible and available capacity for this request.",
        ),
        (Cause::LaunchNoCapacity, "Your Capacity Block reservation cr-0123 is not active yet."),
        (
            Cause::LaunchQuota,
            "You have requested more vCPU capacity than your current vCPU limit of 64 allows for the instance bucket that \
             the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request \
             an adjustment to this limit.",
        ),
        (Cause::LaunchQuota, "20 instance(s) are already running. Launching EC2 instance failed."),
        (
            Cause::LaunchQuota,
            "Could not launch Spot Instances. MaxSpotInstanceCountExceeded - Max spot instance count exceeded. Launching \
             EC2 instance failed.",
        ),
        (
            Cause::LaunchNoAddresses,
            "There are not enough free addresses in subnet 'subnet-0a1b' to satisfy the requested number of instances.",
        ),
        (
            Cause::LaunchTemplate,
            "InvalidLaunchTemplateId.VersionNotFound - Could not find the specified version 7 for the launch template with \
             ID lt-0a1b.",
        ),
        (
            Cause::LaunchTemplate,
            "InvalidLaunchTemplateName.NotFoundException - The specified launch template, with template name apps, does \
             not exist.",
        ),
        (
            Cause::LaunchTemplate,
            "You must use a valid fully-formed launch template. Value (x) for parameter y is invalid.",
        ),
        (
            Cause::LaunchTemplate,
            "InvalidParameterCombination - Network interfaces and an instance-level security groups may not be specified on \
             the same request",
        ),
        (Cause::LaunchAmi, "The image id '[ami-0123456789abcdef0]' does not exist"),
        (Cause::LaunchAmi, "The AMI ID ami-0123456789abcdef0 does not exist. Launching EC2 instance failed."),
        (Cause::LaunchAmi, "AMI ami-0123456789abcdef0 is pending, and cannot be run. Launching EC2 instance failed."),
        (Cause::LaunchAmi, "Not authorized for images: [ami-0123456789abcdef0]"),
        (
            Cause::LaunchAmi,
            "The requested instance type's architecture (arm64) does not match the architecture in the manifest for \
             ami-0123456789abcdef0 (x86_64).",
        ),
        (Cause::LaunchKeyPair, "The key pair 'ops' does not exist. Launching EC2 instance failed."),
        (
            Cause::LaunchKeyPair,
            "You must use a valid fully-formed launch template. The key pair 'ops' does not exist (Service: AmazonEC2)",
        ),
        (Cause::LaunchKms, "Client.InternalError: Client error on launch"),
        (Cause::LaunchKms, "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state"),
        (
            Cause::LaunchSpotPrice,
            "Your Spot request price of 0.015 is lower than the minimum required Spot request fulfillment price of 0.0735.",
        ),
        (Cause::LaunchSecurityGroup, "The security group 'sg-0123456789abcdef0' does not exist."),
        (
            Cause::LaunchSecurityGroup,
            "Security group sg-0a and subnet subnet-0b belong to different networks. Launching EC2 instance failed.",
        ),
        (Cause::LaunchUnsupported, "The requested configuration is currently not supported."),
        (
            Cause::LaunchUnsupported,
            "Your requested instance type (m7i.large) is not supported in your requested Availability Zone (us-east-1e). \
             Please retry your request by not specifying an Availability Zone or choosing us-east-1a.",
        ),
        (
            Cause::LaunchUnsupported,
            "The requested Availability Zone is no longer supported. Please retry your request.",
        ),
        (Cause::LaunchUnsupported, "Placement groups may not be used with instances of type 't3.large'."),
        (Cause::LaunchUnsupported, "The specified instance type is not eligible for Free Tier."),
        (Cause::LaunchDevice, "Invalid device name upload. Launching EC2 instance failed."),
        (Cause::LaunchDevice, "Value (ephemeral9x) for parameter virtualName is invalid."),
        (Cause::LaunchDevice, "EBS block device mappings not supported for instance-store AMIs."),
        (Cause::LaunchDevice, "Volume of size 8GB is smaller than snapshot 'snap-0a', expect size >= 20GB"),
        (
            Cause::LaunchRights,
            "You are not authorized to perform this operation. Encoded authorization failure message: x",
        ),
        (
            Cause::LaunchRights,
            "You must use a valid fully-formed launch template. You are not authorized to perform this operation.",
        ),
        (Cause::LaunchFails, "Instance became unhealthy while waiting for instance to be in InService state."),
    ];

    #[test]
    fn every_documented_text_is_told_with_and_without_what_auto_scaling_puts_in_front() {
        for (expected, text) in TEXTS {
            assert_eq!(cause(text), *expected, "{text}");
            let long =
                format!("Could not launch On-Demand Instances. SomeCode - {text} Launching EC2 instance failed.");
            assert_eq!(cause(&long), *expected, "{long}");
        }
    }

    #[test]
    fn a_code_alone_is_enough() {
        for (code, expected) in [
            ("InsufficientInstanceCapacity", Cause::LaunchNoCapacity),
            ("VcpuLimitExceeded", Cause::LaunchQuota),
            ("InstanceLimitExceeded", Cause::LaunchQuota),
            ("InsufficientFreeAddressesInSubnet", Cause::LaunchNoAddresses),
            ("InvalidAMIID.NotFound", Cause::LaunchAmi),
            ("InvalidKeyPair.NotFound", Cause::LaunchKeyPair),
            ("InvalidGroup.NotFound", Cause::LaunchSecurityGroup),
            ("InvalidBlockDeviceMapping", Cause::LaunchDevice),
            ("SpotMaxPriceTooLow", Cause::LaunchSpotPrice),
            ("UnauthorizedOperation", Cause::LaunchRights),
            ("InvalidParameterValue", Cause::LaunchTemplate),
        ] {
            assert_eq!(cause(&format!("Could not launch On-Demand Instances. {code} - …")), expected, "{code}");
        }
    }

    #[test]
    fn ids_and_names_are_taken_out_of_a_text() {
        assert_eq!(id("The image id '[ami-0a1b]' does not exist", "ami-").as_deref(), Some("ami-0a1b"));
        assert_eq!(id("none here", "ami-"), None);
        for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso-b", "aws-eusc"] {
            let key = format!("arn:{partition}:kms:eu-west-1:111122223333:key/0a1b-2c");
            let role = format!("arn:{partition}:iam::111122223333:role/eks_node");
            assert_eq!(arn(&format!("{role} may not use the KMS key {key}: it is disabled"), "kms"), Some(key));
            assert_eq!(arn(&format!("The role '{role}' is gone."), "iam"), Some(role));
        }
        assert_eq!((arn("arn:aws:kms", "kms"), arn("no key", "kms")), (None, None));
        assert_eq!(named("The key pair 'my ops' does not exist", "key pair").as_deref(), Some("my ops"));
        assert_eq!(named("The key pair is gone", "key pair"), None);
    }
}
