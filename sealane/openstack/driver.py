"""A driver of virtual interfaces with the signatures of nova's virt drivers, for containers as instances.

`vif` is nova's network model (nova.network.model.VIF): a mapping with `id`, `devname`, `address` and
`ovs_interfaceid`.  An instance is attached by its name, as `sealane attach` takes it, once it runs.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from sealane.errors import NotFound
from sealane.openstack import agent


class ContainerVifDriver:
    """`prefix`: of the runtime that has the containers, as "docker:" or "lxc:"; "" takes any."""

    def __init__(self, prefix: str = "docker:") -> None:
        self._prefix = prefix

    def plug_vifs(self, instance: Any, network_info: Iterable[Mapping[str, Any]]) -> None:
        """All of them; those that are attached already stay."""
        for vif in network_info:
            if _attached(vif) is None:
                self._attach(instance, vif)

    def unplug_vifs(self, instance: Any, network_info: Iterable[Mapping[str, Any]]) -> None:
        """What is gone is success."""
        for vif in network_info:
            self._detach(vif)

    def attach_interface(self, context: Any, instance: Any, image_meta: Any, vif: Mapping[str, Any]) -> None:
        self._attach(instance, vif)

    def detach_interface(self, context: Any, instance: Any, vif: Mapping[str, Any]) -> None:
        self._detach(vif)

    def _attach(self, instance: Any, vif: Mapping[str, Any]) -> None:
        """An address on the network, and whatever name nova gave it, is the port's."""
        agent.attach(target=f"{self._prefix}{instance.name}", port=_port(vif), door="os-vif", key=_key(vif))

    def _detach(self, vif: Mapping[str, Any]) -> None:
        known = _attached(vif)
        if known is not None:
            with suppress(NotFound):
                agent.detach(str(known["id"]))


def _attached(vif: Mapping[str, Any]) -> dict[str, Any] | None:
    return next((row for row in agent.attachments() if row.get("key") == _key(vif)), None)


def _key(vif: Mapping[str, Any]) -> str:
    return f"nova:{_port(vif)}"


def _port(vif: Mapping[str, Any]) -> str:
    return str(vif.get("ovs_interfaceid") or vif["id"])
