"""Which rules of the packet filter go with an engine of ours."""

from sealane.engine.own_engine import doomed

FILTER = """\
-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N DOCKER
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER-USER -j RETURN
-A INPUT -p tcp -m comment --comment "the DOCKER of the host" -j ACCEPT
"""


def test_rules_go_before_the_chains_that_they_name() -> None:
    assert list(doomed(FILTER)) == [
        ["-D", "FORWARD", "-j", "DOCKER-USER"],
        ["-D", "FORWARD", "-i", "docker0", "!", "-o", "docker0", "-j", "ACCEPT"],
        ["-D", "DOCKER-USER", "-j", "RETURN"],
        ["-X", "DOCKER"],
        ["-X", "DOCKER-USER"],
        ["-P", "FORWARD", "ACCEPT"],
    ]


def test_a_policy_with_rules_of_others_stays() -> None:
    listed = FILTER + "-A FORWARD -i wg0 -j ACCEPT\n"
    assert ["-P", "FORWARD", "ACCEPT"] not in list(doomed(listed))


def test_a_host_without_docker_keeps_everything() -> None:
    assert list(doomed("-P INPUT DROP\n-P FORWARD DROP\n-A INPUT -i lo -j ACCEPT\n")) == []
