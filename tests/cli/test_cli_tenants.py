"""`sealane project`, `user`, `role`, `rbac` and `openrc --user`."""

import json


def test_a_project_is_made_shown_changed_and_removed(sealane):
    made = sealane.json("project", "create", "shipyard", "--description", "x")
    assert (made["id"], made["description"], made["enabled"]) == ("shipyard", "x", True)
    assert {"shipyard", "default"} <= {p["name"] for p in sealane.json("project", "list")}
    changed = sealane.json("project", "set", "shipyard", "--name", "sea", "--disable")
    assert (changed["id"], changed["name"], changed["enabled"]) == ("shipyard", "sea", False)
    assert sealane.json("project", "show", "sea")["id"] == "shipyard"
    assert sealane.json("project", "show", "shipyard")["name"] == "sea", "by its id"
    assert "another name" in sealane.fails(1, "project", "create", "sea")
    assert sealane("project", "delete", "sea").status == 0
    assert "'sealane project list' shows all" in sealane.fails(1, "project", "show", "sea")


def test_a_project_with_networks_stays(sealane):
    sealane("project", "create", "acme")
    sealane("network", "create", "n", "--project", "acme")
    assert "has networks: delete them first" in sealane.fails(1, "project", "delete", "acme")
    assert sealane("network", "delete", "n").status == 0


def test_a_user_gets_a_password_that_is_shown_once(sealane):
    sealane("project", "create", "acme")
    made = sealane.json("user", "create", "ann", "--project", "acme", "--email", "a@example.org")
    assert len(made["password"]) == 24 and made["default_project_id"] == "acme"
    assert sealane.json("role", "list") == [{"user": "ann", "project": "acme", "role": "member"}]
    assert "password" not in sealane.json("user", "show", "ann")
    again = sealane.json("user", "set", "ann", "--new-password")
    assert again["password"] != made["password"]
    assert "password" not in sealane.json("user", "set", "ann", "--disable")
    assert sealane("user", "delete", "ann").status == 0
    assert sealane.json("role", "list") == []


def test_a_password_comes_from_a_file_or_a_pipe(sealane, central, tmp_path):
    def log_in(password: str) -> bool:
        user = {"name": "ann", "domain": {"id": "default"}, "password": password}
        identity = {"methods": ["password"], "password": {"user": user}}
        answer = central.client._exchange("POST", "/v3/auth/tokens", {"auth": {"identity": identity}}, {}, 0)
        return answer.status == 201

    shown = sealane.json("user", "create", "ann", "--password-file", "-", stdin="correct horse\n")
    assert "password" not in shown and log_in("correct horse")
    (tmp_path / "p").write_text("battery\n")
    assert sealane("user", "set", "ann", "--password-file", str(tmp_path / "p")).status == 0
    assert log_in("battery") and not log_in("correct horse")
    assert "empty" in sealane.fails(1, "user", "set", "ann", "--password-file", "-", stdin="\n")
    assert "can't be read" in sealane.fails(1, "user", "set", "ann", "--password-file", "/nowhere")
    assert "exclude" in sealane.fails(2, "user", "set", "ann", "--password-file", "-", "--ask")


def test_roles_are_given_and_taken(sealane):
    sealane("project", "create", "acme")
    sealane("user", "create", "ann")
    assert sealane("role", "add", "reader", "--user", "ann", "--project", "acme").status == 0
    assert sealane("role", "list", "--user", "ann").lines == [["ann", "acme", "reader"]]
    assert sealane.json("role", "list", "--project", "default") == []
    assert sealane("role", "remove", "reader", "--user", "ann", "--project", "acme").status == 0
    assert "no role 'reader'" in sealane.fails(
        1, "role", "remove", "reader", "--user", "ann", "--project", "acme"
    )
    assert "king" in sealane.fails(2, "role", "add", "king", "--user", "ann", "--project", "acme")
    assert "no user 'bob'" in sealane.fails(1, "role", "add", "admin", "--user", "bob", "--project", "acme")


def test_what_is_shared_is_listed_and_taken_back(sealane):
    sealane("project", "create", "acme")
    sealane("network", "create", "n", "--no-subnet")
    made = sealane.json("rbac", "create", "n", "--for", "acme")
    assert (made["target_tenant"], made["action"]) == ("acme", "access_as_shared")
    assert [p["id"] for p in sealane.json("rbac", "list")] == [made["id"]]
    assert "says the same" in sealane.fails(1, "rbac", "create", "n", "--for", "acme")
    assert "either --for PROJECT or --for-all" in sealane.fails(2, "rbac", "create", "n")
    assert sealane("rbac", "delete", made["id"][:8]).status == 0
    assert "no policy" in sealane.fails(1, "rbac", "delete", made["id"])


def test_openrc_of_a_user_holds_no_secret_and_takes_the_admins_back(sealane, monkeypatch):
    monkeypatch.setenv("SEALANE_API_BIND", "127.0.0.1:9696")
    lines = sealane("openrc", "--user", "ann x", "--project", "acme").out.splitlines()
    assert "unset OS_TOKEN" in lines and "export OS_USERNAME='ann x'" in lines
    assert "export OS_AUTH_URL=http://127.0.0.1:9696/v3" in lines
    assert "export OS_PROJECT_NAME=acme" in lines and not any("OS_PASSWORD" in line for line in lines)
    assert "unset OS_PROJECT_NAME" in sealane("openrc", "--user", "ann").out
    assert "--project goes with --user" in sealane.fails(2, "openrc", "--project", "acme")


def test_events_tell_of_tenants_but_of_no_password(sealane):
    sealane("project", "create", "acme")
    sealane("user", "create", "ann", "--project", "acme")
    sealane("user", "set", "ann", "--new-password")
    told = [json.loads(line) for line in sealane("events", "--kind", "user", "-o", "json").out.splitlines()]
    assert [e["what"] for e in told[-2:]] == ["created", "updated"]
    assert "scrypt" not in str(told)
