"""Maps of the kernel's by their names in layout.py.  Raises HostError throughout."""

from collections.abc import Mapping

from sealane.fastpath import bpf, layout

Rows = Mapping[bytes, bytes]
_MAPS = {one.name: one for one in layout.MAPS}


class Tables:
    """`descriptors` stay the caller's."""

    def __init__(self, descriptors: Mapping[str, int]) -> None:
        self._descriptors = descriptors

    def keys(self, name: str) -> list[bytes]:
        return list(dict.fromkeys(bpf.keys(self._descriptors[name], _MAPS[name])))

    def read(self, name: str, key: bytes) -> list[bytes]:
        """One value, or one for each CPU; none when there is no such key."""
        return bpf.lookup(self._descriptors[name], _MAPS[name], key) or []

    def rows(self, name: str) -> Rows:
        """Of maps with one value for all CPUs."""
        found = {key: self.read(name, key) for key in self.keys(name)}
        return {key: values[0] for key, values in found.items() if values}

    def write(self, name: str, key: bytes, value: bytes) -> None:
        bpf.update(self._descriptors[name], _MAPS[name], key, value)

    def delete(self, name: str, key: bytes) -> None:
        """What is gone already is no error."""
        bpf.delete(self._descriptors[name], _MAPS[name], key)
