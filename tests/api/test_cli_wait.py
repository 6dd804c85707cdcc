"""`sealane … --wait`: the command ends when the hosts have applied the change, or says which have not."""

import asyncio
import os
import sys

from tests.api.test_server import Host, becomes, host
from tests.api.test_waiting import controllers
from tests.daemons import PATIENCE

__all__ = ["host"]


async def sealane(host: Host, *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and errors."""
    environ = {
        "SEALANE_CONFIG": "/nonexistent",
        "SEALANE_RUN_DIR": str(host.directory),
        "SEALANE_ETC_DIR": str(host.directory / "etc"),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sealane.cli.main", *arguments),
        env=os.environ | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_command_waits_for_the_hosts(host: Host) -> None:
    with host.process("sealane.ovn.translator"), host.api():
        async with host.session() as api, controllers(host) as hosts:
            await becomes(api, "GET /healthz", "ok", "status")
            status, out, err = await sealane(host, "network", "create", "blue", "--no-subnet", "--wait")
            assert (status, err) == (0, "") and "blue" in out
            hosts.stopped.add("three")
            status, out, err = await sealane(host, "network", "set", "blue", "--mtu", "1300", "--wait=2")
            assert status == 1 and "1300" in out
            assert err == (
                "sealane: changed, but within 2 s not applied by three; "
                "'sealane agent list' shows which hosts are alive\n"
            )
            status, _, err = await sealane(host, "network", "delete", "--wait=2", "blue")
            assert status == 1 and err.startswith("sealane: deleted, but within 2 s not applied by three")
            begun = asyncio.get_running_loop().time()
            status, _, err = await sealane(host, "network", "create", "both", "--ipv6", "--wait=4")
            assert status == 1 and "within 4 s" in err
            assert asyncio.get_running_loop().time() - begun < 8, "waited for the network and for its subnets"
            hosts.stopped.clear()
            assert (await sealane(host, "network", "create", "--wait", "red", "--no-subnet"))[0] == 0


async def test_without_a_translator_no_host_hears_of_it(host: Host) -> None:
    with host.api():
        async with host.session() as api:
            await becomes(api, "GET /v2.0/networks", [], "networks")
            status, _, err = await sealane(host, "network", "create", "red", "--no-subnet", "--wait=1")
            assert status == 1 and "no host has heard of it within 1 s" in err
