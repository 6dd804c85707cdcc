"""`sealane loadbalancer`: from a network to servers that come and go, and what is wrong is said."""

LISTEN = "--loadbalancer shop --protocol TCP --port 80"
MONITOR = "--pool servers --type TCP --delay 5 --timeout 3 --good 2"


def words(text):
    return ("loadbalancer", *text.split())


def made(sealane):
    sealane("network", "create", "web", "--subnet", "10.7.0.0/24")
    for number in (1, 2):
        sealane("port", "create", f"web{number}", "--network", "web", "--ip", f"10.7.0.1{number}")
    sealane(*words("create shop --network web --tag front"))
    sealane(*words(f"listener create http {LISTEN}"))
    sealane(*words("pool create servers --listener http --protocol TCP"))


def members(sealane):
    return {(row["address"], row["weight"]) for row in sealane.json(*words("member list servers"))}


def test_servers_come_and_go(sealane):
    made(sealane)
    sealane(*words("member add servers 10.7.0.11:80 10.7.0.12:80 --weight 2"))
    assert members(sealane) == {("10.7.0.11", 2), ("10.7.0.12", 2)}
    sealane(*words("member set servers 10.7.0.11:80 --weight 0"))
    sealane(*words("member remove servers 10.7.0.12:80"))
    assert members(sealane) == {("10.7.0.11", 0)}
    (pool,) = sealane.json(*words("pool list --loadbalancer shop"))
    assert len(pool["members"]) == 1
    sealane(*words("pool set servers --persistence source-ip:60"))
    shown = sealane.json(*words("pool show servers"))
    assert shown["session_persistence"]["persistence_timeout"] == 60
    sealane(*words(f"health-monitor create alive {MONITOR}"))
    told = sealane(*words("status shop")).out
    assert "listener http" in told and "member 10.7.0.11 80" in told
    sealane(*words("set shop --disable --tag back"))
    assert sealane.json(*words("show shop"))["tags"] == ["back"]
    sealane(*words("listener unset http --pool"))
    assert sealane.json(*words("listener show http"))["default_pool_id"] is None
    assert "cascade" in sealane.fails(1, *words("delete shop"))
    sealane(*words("delete shop --cascade"))
    assert sealane.json(*words("list")) == []


def test_what_is_wrong_is_said(sealane):
    made(sealane)
    assert "ADDRESS:PORT" in sealane.fails(2, *words("member add servers 10.7.0.11"))
    assert "192.0.2.1" in sealane.fails(1, *words("member add servers 192.0.2.1:80"))
    assert "no member" in sealane.fails(1, *words("member remove servers 10.7.0.11:80"))
    assert "protocol_port 80" in sealane.fails(1, *words(f"listener create two {LISTEN}"))
    assert "source-ip" in sealane.fails(2, *words("pool set servers --persistence cookie"))
    assert "nothing to set" in sealane.fails(2, *words("member set servers 10.7.0.11:80"))
