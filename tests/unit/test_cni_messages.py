"""What runtimes say by CNI is understood or refused, whatever it is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.agent.attachment import Attachment
from sealane.agent.cni import messages
from sealane.agent.cni.messages import Call, Refusal
from sealane.errors import AddressInUse, DeadlineExceeded, HostError, NotFound

ENV = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/c1", "CNI_IFNAME": "eth0"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
READERS = (
    messages.addresses,
    messages.mac,
    messages.aliases,
    messages.mappings,
    messages.valid,
    messages.previous,
)


def call(env: dict[str, str] | None = None, **more: Any) -> Call:
    body = {"cniVersion": "1.1.0", "name": "blue", "type": "sealane", **more}
    return messages.call({**ENV, **(env or {})}, json.dumps(body))


@given(
    st.dictionaries(
        st.sampled_from(("runtimeConfig", "args", "ipam", "prevResult", "dns", "cni.dev/valid-attachments")),
        JSON,
    ),
    st.dictionaries(st.sampled_from(("ips", "mac", "aliases", "portMappings")), JSON),
    st.text(max_size=20),
)
def test_nonsense_is_a_refusal_and_no_defect(more: Any, runtime: Any, args: str) -> None:
    for body in (more, {"runtimeConfig": runtime}):
        for read in READERS:
            try:
                read(call({"CNI_ARGS": args}, **body))
            except Refusal as exc:
                assert exc.code in (messages.INVALID, messages.ENVIRONMENT)


@given(st.text(max_size=40), st.dictionaries(st.sampled_from(tuple(ENV)), st.text(max_size=20)))
def test_any_text_and_any_environment_is_a_refusal(text: str, env: dict[str, str]) -> None:
    with pytest.raises(Refusal):
        messages.call({**ENV, **env}, text + "{")


def test_what_podman_and_others_call_the_same_things() -> None:
    assert messages.addresses(call({"CNI_ARGS": "IgnoreUnknown=1;IP=10.0.0.9"})) == ("10.0.0.9",)
    assert messages.addresses(call(args={"cni": {"ips": ["10.0.0.9/24"]}})) == ("10.0.0.9",)
    assert messages.mac(call({"CNI_ARGS": "MAC=02:00:00:00:00:0A"})) == "02:00:00:00:00:0a"
    assert messages.aliases(call(runtimeConfig={"aliases": {"blue": ["a"], "red": ["b"]}})) == ("a",)
    assert messages.aliases(call(runtimeConfig={"aliases": ["a"]})) == ("a",)
    (port,) = messages.mappings(
        call(runtimeConfig={"portMappings": [{"hostPort": 80, "containerPort": 8080, "hostIP": "0.0.0.0"}]})
    )
    assert (port.protocol, port.host_ip, port.host_port, port.port, port.shared) == (
        "tcp",
        "",
        80,
        8080,
        True,
    )


def test_an_interface_is_added_to_what_others_made() -> None:
    before = {
        "interfaces": [{"name": "veth0"}],
        "ips": [{"address": "10.1.0.2/24"}],
        "dns": {"search": ["x"]},
    }
    made = Attachment(
        id="1",
        door="cni",
        network_id="0" * 36,
        port_id="0" * 36,
        mac="02:00:00:00:00:01",
        addresses=("10.2.0.2/24", "fd00::2/64"),
        gateways=("10.2.0.1", "fd00::1"),
        defaults=("10.2.0.1", "fd00::1"),
        ifname="eth0",
        mtu=1442,
    )
    told = messages.result(call(prevResult=before), made, "slh1", ("10.2.0.1",))
    assert [i["name"] for i in told["interfaces"]] == ["veth0", "slh1", "eth0"]
    assert [(ip["address"], ip.get("interface")) for ip in told["ips"]] == [
        ("10.1.0.2/24", None),
        ("10.2.0.2/24", 2),
        ("fd00::2/64", 2),
    ]
    assert told["routes"][1] == {"dst": "::/0", "gw": "fd00::1"}
    assert told["dns"] == {"search": ["x"]}


@pytest.mark.parametrize(
    "failure, code", ((DeadlineExceeded, 11), (AddressInUse, 101), (NotFound, 7), (HostError, 5))
)
def test_our_errors_have_a_code(failure: Any, code: int) -> None:
    assert messages.refusal(failure("no")).code == code
