"""layout.h, from layout.py: `python -m sealane.fastpath.header > sealane/fastpath/layout.h`."""

from collections.abc import Iterator

from sealane.fastpath import layout
from sealane.fastpath.layout import Field, Record

_NUMBERS = (
    *("PROBE", "LAND_PROBE", "LEASE", "LEARNS", "GENEVE_PORT", "OVERHEAD"),
    *("PEER", "OUTSIDE", "ANSWERS", "UNTRACKED", "ENTERS", "HANDED"),
    *("ENDED", "KNOWN", "SETTLED"),
)


def text() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */"
    yield "/* Made from layout.py by `make bpf`; change it there. */"
    yield "#pragma once"
    yield "#include <linux/types.h>"
    yield ""
    for name in _NUMBERS:
        yield f"#define {name} {getattr(layout, name)}ULL"
    yield ""
    for record in layout.RECORDS:
        yield from _struct(record)
    yield "enum reason {"
    yield from (f"\t{reason.name} = {reason.value}," for reason in layout.Reason)
    yield "};"
    yield ""
    yield "struct map { __u32 unused; };"
    for one in layout.MAPS:
        key = f"struct {one.key.name}" if one.key else "__u32"
        yield f'struct map {one.name} SECTION("maps"); /* {key} -> struct {one.value.name} */'


def _struct(record: Record) -> Iterator[str]:
    yield f"struct {record.name} {{"
    yield from (f"\t{_member(field)};" for field in record.fields)
    yield "};"
    yield f'_Static_assert(sizeof(struct {record.name}) == {record.size}, "{record.name}");'
    yield ""


def _member(field: Field) -> str:
    return f"{field.kind} {field.name}" + (f"[{field.count}]" if field.count > 1 else "")


if __name__ == "__main__":
    print(text(), end="")
