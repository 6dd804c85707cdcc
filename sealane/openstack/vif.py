"""os-vif's plugin `sealane`: plugs TAP devices, veth pairs and bridges into br-int, in both datapaths.

    VIFOpenVSwitch   a persistent TAP device `vif_name`, for QEMU
    VIFGeneric       a veth pair whose end `vif_name` waits on the host, for a container
    VIFBridge        a bridge `bridge_name` with a way to br-int; the hypervisor adds its TAP device itself

The port is that of port_profile.interface_id where there is one, else of the VIF's own id.
"""

from typing import Any

from os_vif import objects, plugin

from sealane.openstack import agent

VERSION = "1.0"
KINDS = {"VIFOpenVSwitch": "tap", "VIFGeneric": "veth", "VIFBridge": "bridge"}


class SealanePlugin(plugin.PluginBase):
    """Registered as the entry point `sealane` of `os_vif`."""

    def describe(self) -> Any:
        profile = objects.host_info.HostPortProfileInfo(
            profile_object_name="VIFPortProfileOpenVSwitch", min_version=VERSION, max_version=VERSION
        )
        return objects.host_info.HostPluginInfo(
            plugin_name="sealane",
            vif_info=[
                objects.host_info.HostVIFInfo(
                    vif_object_name=name,
                    min_version=VERSION,
                    max_version=VERSION,
                    supported_port_profiles=[profile],
                )
                for name in KINDS
            ],
        )

    def plug(self, vif: Any, instance_info: Any) -> None:
        """Returns when the device is there; raises the agent's error."""
        kind = KINDS.get(type(vif).__name__)
        if kind is None:
            raise ValueError(f"sealane plugs {', '.join(KINDS)}, and no {type(vif).__name__}")
        agent.plug(
            port=_port(vif),
            kind=kind,
            device=vif.vif_name,
            bridge=vif.bridge_name if kind == "bridge" else "",
            mac=vif.address if "address" in vif else "",
            name=instance_info.name,
        )

    def unplug(self, vif: Any, instance_info: Any) -> None:
        """What is gone is success."""
        agent.unplug(_port(vif))


def _port(vif: Any) -> str:
    if "port_profile" in vif and "interface_id" in vif.port_profile:
        return str(vif.port_profile.interface_id)
    return str(vif.id)
