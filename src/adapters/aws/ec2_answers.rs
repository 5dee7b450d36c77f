//! EC2's answers, which are XML.

use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};

use super::ec2::Template;
use crate::domain::Subnet;

/// One launch template.
pub(super) fn template(text: &str) -> Result<Template, XmlDecodeError> {
    let mut document = Document::new(text);
    let mut root = document.root_element()?;
    while let Some(mut list) = root.next_tag() {
        if !list.start_el().matches("launchTemplates") {
            continue;
        }
        if let Some(mut item) = list.next_tag() {
            return parse_item(&mut item);
        }
    }
    Err(XmlDecodeError::custom("no launch template in the answer"))
}

fn parse_item(item: &mut ScopedDecoder<'_, '_>) -> Result<Template, XmlDecodeError> {
    let (mut id, mut default, mut latest) = (None, None, None);
    while let Some(mut tag) = item.next_tag() {
        let place = match tag.start_el().local() {
            "launchTemplateId" => &mut id,
            "defaultVersionNumber" => &mut default,
            "latestVersionNumber" => &mut latest,
            _ => continue,
        };
        *place = Some(try_data(&mut tag)?.into_owned());
    }
    let missing = || XmlDecodeError::custom("a launch template without id or versions");
    Ok(Template {
        id: id.ok_or_else(missing)?,
        default: default.ok_or_else(missing)?,
        latest: latest.ok_or_else(missing)?,
    })
}

/// `Response/Errors/Error/{Code, Message}`.
pub(super) fn error(text: &str) -> ErrorMetadata {
    let mut found = ErrorMetadata::builder();
    let mut document = Document::new(text);
    if let Ok(mut root) = document.root_element()
        && let Some(mut errors) = root.next_tag()
        && let Some(mut error) = errors.next_tag()
    {
        while let Some(mut tag) = error.next_tag() {
            let name = tag.start_el().local().to_owned();
            let Ok(value) = try_data(&mut tag) else { break };
            match name.as_str() {
                "Code" => found = found.code(value),
                "Message" => found = found.message(value),
                _ => {}
            }
        }
    }
    found.build()
}

/// Subnets, of what is described those that say how full they are.
pub(super) fn subnets(text: &str) -> Result<Vec<Subnet>, XmlDecodeError> {
    let mut document = Document::new(text);
    let mut root = document.root_element()?;
    let mut found = Vec::new();
    while let Some(mut list) = root.next_tag() {
        if !list.start_el().matches("subnetSet") {
            continue;
        }
        while let Some(mut item) = list.next_tag() {
            found.push(subnet(&mut item)?);
        }
    }
    Ok(found)
}

fn subnet(item: &mut ScopedDecoder<'_, '_>) -> Result<Subnet, XmlDecodeError> {
    let (mut id, mut zone, mut free, mut cidr) = (None, None, None, None);
    while let Some(mut tag) = item.next_tag() {
        let place = match tag.start_el().local() {
            "subnetId" => &mut id,
            "availabilityZone" => &mut zone,
            "availableIpAddressCount" => &mut free,
            "cidrBlock" => &mut cidr,
            _ => continue,
        };
        *place = Some(try_data(&mut tag)?.into_owned());
    }
    let missing = || XmlDecodeError::custom("a subnet without id, zone or free addresses");
    Ok(Subnet {
        id: id.ok_or_else(missing)?,
        zone: zone.as_deref().ok_or_else(missing)?.into(),
        free: free.and_then(|free| free.parse().ok()).ok_or_else(missing)?,
        cidr: cidr.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_ec2_documents_it() {
        let text = r#"<DescribeLaunchTemplatesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
            <requestId>1afa6e44</requestId>
            <launchTemplates><item>
                <createTime>2017-10-31T11:38:52.000Z</createTime>
                <defaultVersionNumber>3</defaultVersionNumber>
                <latestVersionNumber>7</latestVersionNumber>
                <launchTemplateId>lt-0a4</launchTemplateId>
                <launchTemplateName>eks-nodes</launchTemplateName>
            </item></launchTemplates></DescribeLaunchTemplatesResponse>"#;
        let read = template(text).unwrap();
        assert_eq!(read, Template { id: "lt-0a4".into(), default: "3".into(), latest: "7".into() });
        assert!(template("<R><launchTemplates/></R>").is_err());
    }

    #[test]
    fn an_error_is_read_as_ec2_documents_it() {
        let text = "<Response><Errors><Error><Code>InvalidLaunchTemplateId.NotFound</Code>\
                    <Message>The specified launch template does not exist.</Message></Error></Errors></Response>";
        let said = error(text);
        assert_eq!(said.code(), Some("InvalidLaunchTemplateId.NotFound"));
        assert_eq!(error("<html>").code(), None);
    }

    #[test]
    fn subnets_are_read_as_ec2_documents_them() {
        let text = r#"<DescribeSubnetsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
            <requestId>7a62c49f</requestId>
            <subnetSet>
                <item><subnetId>subnet-9d4a7b6c</subnetId><state>available</state><vpcId>vpc-1a2b3c4d</vpcId>
                    <cidrBlock>10.0.1.0/24</cidrBlock><availableIpAddressCount>7</availableIpAddressCount>
                    <availabilityZone>us-east-1a</availabilityZone><tagSet/></item>
                <item><subnetId>subnet-6e7f829e</subnetId><availableIpAddressCount>0</availableIpAddressCount>
                    <availabilityZone>us-east-1b</availabilityZone></item>
            </subnetSet></DescribeSubnetsResponse>"#;
        let told: Vec<_> =
            subnets(text).unwrap().into_iter().map(|one| (one.id, one.zone.to_string(), one.free)).collect();
        let own = |id: &str, zone: &str, free| (id.to_owned(), zone.to_owned(), free);
        assert_eq!(told, [own("subnet-9d4a7b6c", "us-east-1a", 7), own("subnet-6e7f829e", "us-east-1b", 0)]);
        assert_eq!(subnets("<R><subnetSet/></R>").unwrap().len(), 0);
        assert!(subnets("<R><subnetSet><item/></subnetSet></R>").is_err());
    }
}
