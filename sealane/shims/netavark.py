"""A plugin for netavark (containers/netavark, plugin-API.md) that lets Sealane's agent do the work.

netavark starts it with a verb, the path of a namespace, and JSON on standard input; or a program without
Python does, as with cni.py.
"""

import json
import socket
import sys

AGENT = "/run/sealane/agent.sock"
LARGEST = 1 << 20
"""Bytes of what comes in."""
DEADLINE = 100.0
INFO = {"version": "0.1.0", "api_version": "1.0.0"}


class Refused(Exception):
    """The agent could not read what it was told."""


def main() -> int:
    verb, netns, *_ = [*sys.argv[1:], "", ""]
    if verb in ("", "info"):
        print(json.dumps(INFO))
        return 0
    raw = sys.stdin.buffer.read(LARGEST + 1)
    if len(raw) > LARGEST:
        return fail(f"what came in is larger than {LARGEST} bytes")
    try:
        if sys.argv[-1] == "--broken":
            raise OSError("it ended over the call")
        status, text = ask({"verb": verb, "netns": netns, "config": raw.decode()})
    except UnicodeDecodeError:
        return fail("what came in is not UTF-8")
    except Refused as exc:
        return fail(str(exc))
    except (OSError, ValueError, KeyError) as exc:
        return fail(f"Sealane's agent does not answer ({exc}); 'sealane status' tells more")
    sys.stdout.write(text)
    return status


def ask(request: dict[str, object]) -> tuple[int, str]:
    body = json.dumps(request).encode()
    head = "POST /netavark HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n"
    with socket.socket(socket.AF_UNIX) as agent:
        agent.settimeout(DEADLINE)
        agent.connect(AGENT)
        agent.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = b"".join(iter(lambda: agent.recv(1 << 16), b""))
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    if "NeutronError" in told:
        raise Refused(told["NeutronError"]["message"])
    return int(told["status"]), str(told["output"])


def fail(message: str) -> int:
    print(json.dumps({"error": message}))
    return 1


if __name__ == "__main__":
    sys.exit(main())
