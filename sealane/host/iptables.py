"""Which iptables programs have anything to say on this host."""

import shutil

from sealane.errors import HostError
from sealane.host import command

FAMILIES = {"iptables": "ip", "ip6tables": "ip6"}


def programs() -> list[str]:
    """Those whose table "filter" is there: iptables-nft makes a table when it is asked what is in it."""
    return [program for program in FAMILIES if shutil.which(program) and _has_filter(program)]


def _has_filter(program: str) -> bool:
    if "nf_tables" not in command.run([program, "-V"]):
        return True
    try:
        command.run(["nft", "list", "table", FAMILIES[program], "filter"])
    except HostError:
        return False
    return True
