"""What a host shows of us; the same before `up` and after `down`."""

import json
from pathlib import Path

from tests.netns.hosts import Host


def snapshot(host: Host) -> dict[str, list[str]]:
    """What `down` must leave as it was: links, namespaces, mounts, nft and iptables rules, forwarding.

    Of the mounts those of this host: others go from here too when a test beside this one removes the
    directory that they are on (rmdir(2) of a mount point detaches it in every mount namespace).
    """
    mounts = (line.split()[4] for line in host.run("cat", "/proc/self/mountinfo").splitlines())
    return {
        "links": sorted(link["ifname"] for link in json.loads(host.run("ip", "-j", "link"))),
        "addresses": host.run("ip", "-o", "address").splitlines(),
        "routes": host.run("ip", "route", "show", "table", "all").splitlines(),
        "mounts": sorted(mount for mount in mounts if mount.startswith(str(host.directory))),
        "nft": [row for row in host.run("nft", "list", "tables").splitlines() if "sealane" in row],
        "iptables": host.run("iptables", "-S").splitlines() + host.run("ip6tables", "-S").splitlines(),
        "sysctl": host.run("sysctl", "-a", "--pattern", r"forwarding$|accept_ra$").splitlines(),
    }


def processes(directory: Path) -> list[str]:
    """Command lines that name the directory: all of our daemons' do."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(directory) in line and "pytest" not in line:
            found.append(line)
    return found
