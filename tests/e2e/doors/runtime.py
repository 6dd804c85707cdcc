"""A container runtime as far as CNI goes, after libcni: each plugin of a list in turn, DEL from the end.

    python3 runtime.py COMMAND CONFLIST CONTAINER NETNS IFNAME [CAPABILITIES as JSON]

Prints what the last plugin said; ends with the first failure, 100 + its code.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PATH = "/run/cni/bin:/usr/lib/cni"
CACHE = "/run/cni-test"


def main() -> int:
    command, path, container, netns, ifname, *rest = sys.argv[1:]
    conflist = json.loads(Path(path).read_text())
    capabilities = json.loads(rest[0]) if rest else {}
    os.makedirs(CACHE, exist_ok=True)
    cached = f"{CACHE}/{conflist['name']}-{container}-{ifname}"
    result: dict[str, Any] | None = None
    if command in ("CHECK", "DEL") and os.path.exists(cached):
        result = json.loads(Path(cached).read_text())
    plugins = conflist["plugins"]
    for plugin in reversed(plugins) if command == "DEL" else plugins:
        config = {**plugin, "name": conflist["name"], "cniVersion": conflist["cniVersion"]}
        wanted = config.pop("capabilities", {})
        config["runtimeConfig"] = {k: v for k, v in capabilities.items() if wanted.get(k)}
        if command == "GC":
            config["cni.dev/valid-attachments"] = capabilities["valid"]
        if result is not None:
            config["prevResult"] = result
        done = run(command, config, container, netns, ifname)
        if done.returncode != 0:
            print(done.stdout)
            return 100 + int(json.loads(done.stdout)["code"])
        if command == "ADD":
            result = json.loads(done.stdout)
    if command == "ADD":
        Path(cached).write_text(json.dumps(result))
        print(json.dumps(result))
    elif command == "DEL" and os.path.exists(cached):
        os.remove(cached)
    return 0


def run(
    command: str, config: dict[str, Any], container: str, netns: str, ifname: str
) -> "subprocess.CompletedProcess[str]":
    env = {
        "PATH": os.environ["PATH"],
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": container,
        "CNI_NETNS": netns,
        "CNI_IFNAME": ifname,
        "CNI_PATH": PATH,
        "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAME={container}",
    }
    program = next(p for d in PATH.split(":") if os.access(p := f"{d}/{config['type']}", os.X_OK))
    return subprocess.run([program], input=json.dumps(config), env=env, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
