"""A CNI plugin (https://www.cni.dev/docs/spec/) that lets Sealane's agent do the work.

What it is told by the environment and on standard input goes to the agent; what the agent answers goes to
standard output.  Only VERSION is answered here, and what to say when no agent answers.

Where there is one for the machine, a program without Python (door.c) is what the runtime starts; this one it
starts for what is out of the ordinary, with "--broken" when the agent ended over the call.
"""

import json
import os
import socket
import sys

AGENT = "/run/sealane/agent.sock"
VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
LARGEST = 1 << 20
"""Bytes of a configuration; larger ones are somebody's mistake."""
DEADLINE = 100.0
"""Seconds; the agent itself waits 20 for OVN."""
TRY_AGAIN, NOT_AVAILABLE, ENVIRONMENT, UNDECODABLE = 11, 50, 4, 6


class Refused(Exception):
    """The agent could not read what it was told."""


def main() -> int:
    raw = sys.stdin.buffer.read(LARGEST + 1)
    command = os.environ.get("CNI_COMMAND", "")
    if len(raw) > LARGEST:
        return fail("1.1.0", UNDECODABLE, f"the configuration is larger than {LARGEST} bytes")
    if command == "VERSION":
        return version(raw)
    env = {key: value for key, value in os.environ.items() if key.startswith("CNI_")}
    try:
        if sys.argv[-1] == "--broken":
            raise OSError("it ended over the call")
        status, text = ask({"env": env, "config": raw.decode()})
    except UnicodeDecodeError:
        return fail(asked(raw), UNDECODABLE, "what came in is not UTF-8")
    except Refused as exc:
        return fail(asked(raw), ENVIRONMENT, str(exc))
    except (OSError, ValueError, KeyError) as exc:
        code = NOT_AVAILABLE if command == "STATUS" else TRY_AGAIN
        return fail(
            asked(raw), code, "Sealane's agent does not answer; 'sealane status' tells more", str(exc)
        )
    sys.stdout.write(text)
    return status


def version(raw: bytes) -> int:
    told = asked(raw)
    print(json.dumps({"cniVersion": told, "supportedVersions": VERSIONS}))
    return 0


def asked(raw: bytes) -> str:
    """The version that the caller speaks; the newest where it can't be read."""
    try:
        told = json.loads(raw).get("cniVersion")
    except (ValueError, AttributeError, RecursionError):
        told = None
    return told if told in VERSIONS else VERSIONS[-1]


def ask(request: dict[str, object]) -> tuple[int, str]:
    body = json.dumps(request).encode()
    head = "POST /cni HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n"
    with socket.socket(socket.AF_UNIX) as agent:
        agent.settimeout(DEADLINE)
        agent.connect(AGENT)
        agent.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = b"".join(iter(lambda: agent.recv(1 << 16), b""))
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    if "NeutronError" in told:
        raise Refused(told["NeutronError"]["message"])
    return int(told["status"]), str(told["output"])


def fail(version: str, code: int, message: str, details: str = "") -> int:
    print(json.dumps({"cniVersion": version, "code": code, "msg": message, "details": details}))
    return 1


if __name__ == "__main__":
    sys.exit(main())
