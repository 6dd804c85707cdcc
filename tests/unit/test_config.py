"""Settings: which source wins, and what is refused."""

from pathlib import Path

import pytest

from sealane import config
from sealane.errors import BadRequest


def test_an_option_beats_the_environment_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sealane.toml"
    file.write_text('api_bind = "a"\ndns_suffix = "f"\nlog_level = "debug"\n')
    loaded = config.load({"api_bind": "c"}, {"SEALANE_API_BIND": "b", "SEALANE_DNS_SUFFIX": "e"}, file)
    assert (loaded.settings.api_bind, loaded.settings.dns_suffix, loaded.settings.log_level) == (
        "c",
        "e",
        "debug",
    )
    assert loaded.sources["api_bind"] == "option"
    assert loaded.sources["log_level"] == str(file)
    assert loaded.sources["run_dir"] == "default"


@pytest.mark.parametrize(
    ("text", "word"),
    [("nonsense = 1", "nonsense"), ('datapath = "dpdk"', "datapath"), ("=", "mend the file")],
)
def test_bad_input_names_the_key_and_the_cure(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "sealane.toml"
    file.write_text(text)
    with pytest.raises(BadRequest, match=word):
        config.load({}, {}, file)
