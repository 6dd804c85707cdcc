"""The addresses from which servers are asked for their health: one in each subnet that has such servers.

OVN's checks need one that is nobody else's (ovn-nb(5), Load_Balancer.ip_port_mappings).
"""

import uuid

from sealane import names
from sealane.api import ports, rules
from sealane.api.convert import WantedIP
from sealane.api.draft import Draft
from sealane.model import HealthMonitor, Member
from sealane.store.changes import Create, Delete


def settle(draft: Draft) -> None:
    """Make those that the request's changes need, and let those go that nobody needs any more."""
    state = draft.look.state
    made = [row for row in draft.balancing if isinstance(row, HealthMonitor)]
    monitors = [m for m in (*state.healthmonitors.values(), *made) if m.id not in draft.gone]
    wanted = {member.subnet_id for m in monitors for member in draft.below(m.pool_id, Member)}
    held: set[str] = set()
    for port in (*state.ports.values(), *draft.ports):
        if port.device_owner == names.HEALTH_PORT and port.id not in draft.gone:
            subnet = port.fixed_ips[0].subnet_id
            if subnet in wanted and subnet not in held:
                held.add(subnet)
            elif port.id in state.ports:
                draft.gone.add(port.id)
                draft.also.append(Delete(port, guarded=True))
    for subnet_id in sorted(wanted - held):
        _make(subnet_id, draft)


def _make(subnet_id: str, draft: Draft) -> None:
    network = rules.network_exists(draft.look.state.subnets[subnet_id].network_id, draft)
    port = ports.make(
        str(uuid.uuid4()),
        network,
        (WantedIP(subnet_id, None),),
        draft,
        name=f"ovn-lb-hm-{subnet_id}",
        project_id="",
        port_security_enabled=False,
        device_owner=names.HEALTH_PORT,
        device_id=f"ovn-lb-hm-{subnet_id}",
    )
    draft.also.append(Create(port, counted=False))
