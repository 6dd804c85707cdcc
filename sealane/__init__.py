"""Sealane: network virtualization for Docker containers, on OVN and Open vSwitch.

The path of one `docker run`, and the package that each step lives in:

    agent/      a container asks (Docker's network and IPAM driver, or a namespace)
    api/        the Neutron v2.0 API takes the wish
    store/      and keeps it: an OVSDB database of our own
    translate/  State -> northbound rows, pure
    ovn/        the rows, brought to OVN's northbound database
    agent/      the host answers: wanted, found, diff, apply
    host/       links, namespaces, OVS ports, packet filters

engine/ runs the daemons, lab/ builds hosts out of namespaces, cli/ is the command.
"""

__version__ = "0.1.0"
