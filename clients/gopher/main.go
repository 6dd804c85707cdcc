// A tenant's network, router, security group, port and floating IP by gophercloud, which Terraform's provider rests on.
// Says each step; takes everything down again; ends with 1 at the first thing that is not as it should be.
package main

import (
	"fmt"
	"os"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/extensions/layer3/portforwarding"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/subnets"
)

const address = "10.91.0.20"

func check(step string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "gopher: %s: %v\n", step, err)
		os.Exit(1)
	}
	fmt.Println(step)
}

func must(step string, is bool) {
	if !is {
		check(step, fmt.Errorf("is not so"))
	}
	fmt.Println(step)
}

func login() *gophercloud.ServiceClient {
	options, err := openstack.AuthOptionsFromEnv()
	check("the environment says who logs in", err)
	provider, err := openstack.AuthenticatedClient(options)
	check("logged in by name and password", err)
	client, err := openstack.NewNetworkV2(provider, gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")})
	check("the catalog names the service network", err)
	return client
}

func outside(client *gophercloud.ServiceClient) string {
	pages, err := networks.List(client, networks.ListOpts{Name: "outside"}).AllPages()
	check("networks are listed", err)
	found, err := networks.ExtractNetworks(pages)
	check("and read", err)
	must("the external network is seen", len(found) == 1)
	return found[0].ID
}

func main() {
	client := login()
	external := outside(client)

	network, err := networks.Create(client, networks.CreateOpts{Name: "gopher-net"}).Extract()
	check("network", err)
	subnet, err := subnets.Create(client, subnets.CreateOpts{
		NetworkID: network.ID, Name: "gopher-4", CIDR: "10.91.0.0/24", IPVersion: gophercloud.IPv4,
		DNSNameservers: []string{"192.0.2.53"},
	}).Extract()
	check("subnet", err)
	must("its gateway is the first address", subnet.GatewayIP == "10.91.0.1")
	router, err := routers.Create(client, routers.CreateOpts{
		Name: "gopher-router", GatewayInfo: &routers.GatewayInfo{NetworkID: external},
	}).Extract()
	check("router with a gateway", err)
	must("it has an address outside", len(router.GatewayInfo.ExternalFixedIPs) == 1)
	_, err = routers.AddInterface(client, router.ID, routers.AddInterfaceOpts{SubnetID: subnet.ID}).Extract()
	check("the router's interface", err)

	group, err := groups.Create(client, groups.CreateOpts{Name: "gopher-group"}).Extract()
	check("security group", err)
	rule, err := rules.Create(client, rules.CreateOpts{
		SecGroupID: group.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4,
		Protocol: rules.ProtocolTCP, PortRangeMin: 80, PortRangeMax: 80,
	}).Extract()
	check("its rule", err)
	_, err = rules.Create(client, rules.CreateOpts{
		SecGroupID: group.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4,
		Protocol: rules.ProtocolTCP, PortRangeMin: 80, PortRangeMax: 80,
	}).Extract()
	_, twice := err.(gophercloud.ErrDefault409)
	must("the same rule once more is a conflict", twice)

	port, err := ports.Create(client, ports.CreateOpts{
		NetworkID: network.ID, Name: "gopher-port", SecurityGroups: &[]string{group.ID},
		FixedIPs: []ports.IP{{SubnetID: subnet.ID, IPAddress: address}},
	}).Extract()
	check("port", err)
	must("with the address that was asked for", port.FixedIPs[0].IPAddress == address)
	floating, err := floatingips.Create(client, floatingips.CreateOpts{
		FloatingNetworkID: external, PortID: port.ID,
	}).Extract()
	check("floating IP", err)
	must("it leads to the port", floating.FixedIP == address)
	floating, err = floatingips.Update(client, floating.ID, floatingips.UpdateOpts{PortID: new(string)}).Extract()
	check("it is taken from the port", err)
	forwarding, err := portforwarding.Create(client, floating.ID, portforwarding.CreateOpts{
		Protocol: "tcp", ExternalPort: 8080, InternalPort: 80, InternalPortID: port.ID, InternalIPAddress: address,
	}).Extract()
	check("one port of it is forwarded", err)

	check("port forwarding removed", portforwarding.Delete(client, floating.ID, forwarding.ID).ExtractErr())
	check("floating IP removed", floatingips.Delete(client, floating.ID).ExtractErr())
	check("port removed", ports.Delete(client, port.ID).ExtractErr())
	check("rule removed", rules.Delete(client, rule.ID).ExtractErr())
	check("group removed", groups.Delete(client, group.ID).ExtractErr())
	_, busy := networks.Delete(client, network.ID).ExtractErr().(gophercloud.ErrDefault409)
	must("a network with a router on it is not removed", busy)
	_, err = routers.RemoveInterface(client, router.ID, routers.RemoveInterfaceOpts{SubnetID: subnet.ID}).Extract()
	check("interface removed", err)
	check("router removed", routers.Delete(client, router.ID).ExtractErr())
	check("network removed", networks.Delete(client, network.ID).ExtractErr())
	_, gone := networks.Get(client, network.ID).Err.(gophercloud.ErrDefault404)
	must("and is not found any more", gone)
}
