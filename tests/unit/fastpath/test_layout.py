"""What the programs and we both know: the header, the object, records as bytes."""

import ast
import re
from pathlib import Path

import pytest

from sealane.errors import HostError
from sealane.fastpath import build, elf, header, layout

OBJECT = build.OBJECT.read_bytes()


def test_the_header_is_made_of_the_layout() -> None:
    assert build.HEADER.read_text() == header.text(), "run `make bpf`"


def test_the_object_was_compiled_from_this_source() -> None:
    assert elf.read(OBJECT).source == build.digest(), "run `make bpf`"


def test_each_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of any of them shows in the digest; there are no others."""
    for name in build.files():
        (tmp_path / name).write_bytes((build.HERE / name).read_bytes())
    monkeypatch.setattr(build, "HERE", tmp_path)
    monkeypatch.setattr(build, "SOURCE", tmp_path / build.SOURCE.name)
    assert set(build.files()) == {path.name for path in tmp_path.iterdir()}
    right = build.digest()
    for name in build.files().keys() - {build.HEADER.name}:  # which is made, and compared above
        text = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(text + b"\n")
        assert build.digest() != right, name
        (tmp_path / name).write_bytes(text)
    assert build.digest() == right == elf.read(OBJECT).source


def test_what_is_included_is_there() -> None:
    included = {
        name for text in build.files().values() for name in re.findall(r'#include "(.*)"', text.decode())
    }
    assert included == build.files().keys() - {build.SOURCE.name}


def test_the_object_has_the_programs_and_names_no_other_maps() -> None:
    programs = elf.read(OBJECT).programs
    assert set(programs) == set(layout.PROGRAMS)
    named = {name for program in programs.values() for name in program.maps.values()}
    assert named == {one.name for one in layout.MAPS}


def test_linking_puts_descriptors_where_maps_are_named() -> None:
    program = elf.read(OBJECT).programs["leave"]
    linked = program.linked({one.name: 1000 + number for number, one in enumerate(layout.MAPS)})
    changed = [at for at in range(0, len(linked), 8) if linked[at : at + 8] != program.code[at : at + 8]]
    assert changed == sorted(program.maps)
    assert all(linked[at + 1] >> 4 == 1 for at in changed)


@pytest.mark.parametrize("data", [b"", b"\x7fELF", OBJECT[:700], b"\x7fELF\x01" + OBJECT[5:]])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(HostError):
        elf.read(data)


@pytest.mark.parametrize("record", layout.RECORDS, ids=lambda record: record.name)
def test_records_come_back_from_bytes(record: layout.Record) -> None:
    blank = record.unpack(record.pack())
    assert len(record.pack(**blank)) == record.size
    assert set(blank) == {field.name for field in record.fields}


def test_every_reason_has_a_meaning() -> None:
    assert set(layout.MEANING) == set(layout.Reason)
    assert [reason.value for reason in layout.Reason] == list(range(len(layout.Reason)))


def test_a_lease_outlives_the_wait_for_a_single_segment() -> None:
    """A bundle waits for two PROBEs; its packet needs time to come out of Open vSwitch."""
    assert layout.LEASE >= 3 * layout.PROBE


def test_each_reason_has_a_meaning_and_a_test_that_the_kernel_gives_it() -> None:
    """Those are in tests/netns/fastpath, where programs are run by the kernel on frames of ours."""
    named = set()
    for path in (Path(__file__).parents[2] / "netns/fastpath").glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Reason":
                named.add(node.attr)
    assert named == {reason.name for reason in layout.Reason}
    assert set(layout.MEANING) == set(layout.Reason)
