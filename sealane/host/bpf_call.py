"""bpf(2), for which glibc has no function: the system call itself."""

import ctypes
import platform

from sealane.errors import HostError

_NUMBERS = {"x86_64": 321, "aarch64": 280}
_libc = ctypes.CDLL(None, use_errno=True)


def bpf(command: int, attribute: "ctypes.Array[ctypes.c_char]") -> int:
    """What it returns; below 0 the error is in ctypes.get_errno(). Raises HostError on an unknown machine."""
    number = _NUMBERS.get(platform.machine())
    if number is None:
        raise HostError(f"the number of bpf(2) on {platform.machine()} is not known here")
    return int(_libc.syscall(number, command, ctypes.byref(attribute), len(attribute)))
