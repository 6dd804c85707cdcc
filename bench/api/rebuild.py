"""The northbound database loses all that is ours: how long until the translator has made it anew."""

from bench.api.place import Place
from sealane import names
from sealane.ovsdb.operations import Operation


async def measure(place: Place) -> float:
    """Seconds from the loss until OVN's northbound database has all ports again.

    The loss is there when the server tells of it: until then it deletes, and nobody has heard of it.
    """
    there = place.ports_in_ovn()
    ours = ["map", [[names.OWNER_KEY, names.OWNER]]]
    wipe: Operation = {
        "op": "delete",
        "table": "Logical_Switch",
        "where": [["external_ids", "includes", ours]],
    }
    await place.nb_client.transact([wipe], 120)
    begin = await place.northbound(lambda: place.ports_in_ovn() < there, "ports are lost")
    end = await place.northbound(lambda: place.ports_in_ovn() >= there, f"{there} ports are in OVN again")
    await place.settled()
    return end - begin
