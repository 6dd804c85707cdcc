"""What to do about an error of the API, by its type: the messages themselves are Neutron's."""

from collections.abc import Mapping

CURES: Mapping[str, str] = {
    "IpAddressAlreadyAllocated": "give another address, or none: a free one is taken",
    "InvalidIpForNetwork": "'sealane subnet list --network NETWORK' shows what there is",
    "InvalidIpForSubnet": "give one between the first and the last of the subnet",
    "IpAddressGenerationFailure": "delete ports, or add a subnet with 'sealane subnet create'",
    "MacAddressInUse": "give another, or none: a free one is chosen",
    "NetworkInUse": "'sealane port list --network NETWORK' shows them",
    "SubnetInUse": "'sealane port list --subnet SUBNET' shows them",
    "OutOfBoundsAllocationPool": "give a pool as FIRST-LAST within it",
    "OverlappingAllocationPools": "give pools that have no address in common",
    "GatewayConflictWithAllocationPools": "give pools without the gateway",
    "GatewayIpInUse": "a port has that address: give another one",
    "AddressPairAndPortSecurityRequired": "'sealane port unset PORT --pair all' takes the pairs away",
    "PortSecurityPortHasSecurityGroup": "'sealane port unset PORT --security-group all' takes it out",
    "PortSecurityAndIPRequiredForSecurityGroups": "give no group, or leave port security on",
    "SecurityGroupInUse": "'sealane port list --security-group GROUP' shows the ports",
    "AddressGroupInUse": "'sealane security-group rule list' shows the rules",
    "ExternalGatewayForFloatingIPNotFound": "a router with a gateway there has to be in the port's subnet",
    "FloatingIPPortAlreadyAssociated": "'sealane floating-ip disassociate' frees it",
    "FipInUseByPortForwarding": "'sealane floating-ip forward list' shows what it forwards",
    "PortHasPortForwarding": "'sealane floating-ip list' shows which forward ports",
    "PortHasBindingFloatingIP": "'sealane floating-ip list --port PORT' shows it",
    "SubnetAllocationError": "'sealane subnet list --subnet-pool POOL' shows what is taken",
    "SubnetPoolQuotaExceeded": "'sealane subnet-pool set POOL --quota N' changes it",
    "SubnetPoolDeleteError": "'sealane subnet list --subnet-pool POOL' shows them",
    "AddressScopeInUse": "'sealane subnet-pool list --scope SCOPE' shows them",
    "NetworkSubnetPoolAffinityError": "make another network for a subnet of another pool",
    "InvalidQuotaValue": "'sealane quota show PROJECT' tells what is used, --force sets it all the same",
    "OverQuota": "'sealane quota show PROJECT' tells more, 'sealane quota set' changes it",
    "RevisionNumberConstraintFailed": "somebody else has changed it meanwhile: try again",
    "ExtensionNotFound": "'sealane extension list' shows all",
}


def cured(message: str, kind: str) -> str:
    """One line that ends with what to do, where we know it."""
    cure = CURES.get(kind)
    return f"{message.rstrip('.')}; {cure}" if cure else message
