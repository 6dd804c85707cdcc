"""`python -m tests.kernel [node|foreign|lab]…`: what scripts/kernel-mode runs."""

import os
import sys

from tests.kernel import foreign, lab, node
from tests.kernel.story import Story, make_outside, run, succeeds

CHAPTERS = {"node": node.tell, "foreign": foreign.tell, "lab": lab.tell}


def main(argv: list[str]) -> int:
    if not set(argv) <= set(CHAPTERS):
        print(f"kernel-mode: choose from {', '.join(CHAPTERS)}", file=sys.stderr)
        return 2
    if os.geteuid() != 0 or not all(succeeds("modprobe", name) for name in ("openvswitch", "geneve")):
        print(
            "kernel-mode: needs root and a kernel with openvswitch; run 'make test-kernel'", file=sys.stderr
        )
        return 2
    if run("ip", "route", "show", "default") and "192.0.2.1" not in run("ip", "route", "show", "default"):
        print("kernel-mode: this machine has a network; it is meant for a guest", file=sys.stderr)
        return 2
    make_outside()
    story = Story()
    story.say(f"kernel {os.uname().release}")
    for name in argv or CHAPTERS:
        CHAPTERS[name](story)
    return story.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
