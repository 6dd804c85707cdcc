"""The programs that runtimes start are what clang makes of the source."""

from pathlib import Path

from sealane.shims import build


def test_the_programs_are_what_the_source_is_compiled_to(tmp_path: Path) -> None:
    for name in build.PROGRAMS:
        fresh = tmp_path / name
        build.compiled(name, fresh)
        assert fresh.read_bytes() == build.shipped(name).read_bytes(), "run `make shims`"
