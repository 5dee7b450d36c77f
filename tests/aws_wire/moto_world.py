"""A managed node group and a mixed self-managed group in moto, for moto.rs. Prints its address; ends with its input."""

import logging
import sys

import boto3
from moto.autoscaling.responses import AutoScalingResponse
from moto.server import ThreadedMotoServer

# moto has none; an empty answer in the documented form lets the rest be read.
EMPTY = """<DescribeInstanceRefreshesResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">
<DescribeInstanceRefreshesResult><InstanceRefreshes/></DescribeInstanceRefreshesResult>
</DescribeInstanceRefreshesResponse>"""
AutoScalingResponse.describe_instance_refreshes = lambda self: EMPTY

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
url = f"http://127.0.0.1:{port}"


def client(service):
    return boto3.client(
        service, region_name="eu-west-1", endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test"
    )


ec2, eks, asg = client("ec2"), client("eks"), client("autoscaling")
subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]][:3]
image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
data = {"ImageId": image, "InstanceType": "m6i.large"}
template = ec2.create_launch_template(LaunchTemplateName="workers", LaunchTemplateData=data)["LaunchTemplate"]
ec2.create_launch_template_version(LaunchTemplateId=template["LaunchTemplateId"], LaunchTemplateData=data)
role = "arn:aws:iam::123456789012:role/node"
eks.create_cluster(name="prod", version="1.36", roleArn=role, resourcesVpcConfig={"subnetIds": subnets})
group = eks.create_nodegroup(
    clusterName="prod",
    nodegroupName="workers",
    version="1.36",
    releaseVersion="1.36.3-20261101",
    nodeRole=role,
    subnets=subnets,
    scalingConfig={"minSize": 1, "maxSize": 4, "desiredSize": 2},
)["nodegroup"]
eks.update_nodegroup_config(
    clusterName="prod",
    nodegroupName="workers",
    updateConfig={"maxUnavailablePercentage": 33, "updateStrategy": "MINIMAL"},
)
# moto makes no Auto Scaling group for a node group: it only invents the name.
asg.create_auto_scaling_group(
    AutoScalingGroupName=group["resources"]["autoScalingGroups"][0]["name"],
    MinSize=1,
    MaxSize=4,
    DesiredCapacity=2,
    VPCZoneIdentifier=",".join(subnets),
    LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "2"},
)
specification = {"LaunchTemplateName": "workers", "Version": "$Latest"}
asg.create_auto_scaling_group(
    AutoScalingGroupName="shop-nodes",
    MinSize=1,
    MaxSize=4,
    DesiredCapacity=2,
    VPCZoneIdentifier=",".join(subnets),
    MixedInstancesPolicy={
        "LaunchTemplate": {
            "LaunchTemplateSpecification": specification,
            "Overrides": [{"InstanceType": "m6i.large"}, {"InstanceType": "m6a.large"}],
        }
    },
    Tags=[{"Key": "kubernetes.io/cluster/prod", "Value": "owned", "PropagateAtLaunch": True}],
)
print(url, template["LaunchTemplateId"], flush=True)
sys.stdin.read()
server.stop()
