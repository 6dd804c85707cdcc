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


def test_where_other_hosts_come_in() -> None:
    def endpoint(bind: str, encap_ip: str = "192.0.2.1") -> tuple[str, int] | None:
        environ = {"SEALANE_TLS_BIND": bind, "SEALANE_ENCAP_IP": encap_ip}
        return config.load(environ=environ, file=Path("/nonexistent")).settings.tls_endpoint

    assert endpoint("") == ("192.0.2.1", 9698)
    assert endpoint(":7000") == ("192.0.2.1", 7000)
    assert endpoint("198.51.100.1:7000") == ("198.51.100.1", 7000)
    assert endpoint("[::]:7000") == ("::", 7000)
    assert endpoint("none") is None
    assert endpoint("", "") is None
    for wrong in ("7000", "host:7000", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:70000", ":x", "x"):
        with pytest.raises(BadRequest, match="tls_bind"):
            endpoint(wrong)


def test_a_life_has_bounds() -> None:
    for key in ("TOKEN_LIFETIME", "CERTIFICATE_LIFETIME", "SERVER_LIFETIME"):
        for wrong in ("0", "-5", "1000000000"):
            with pytest.raises(BadRequest, match=key.lower()):
                config.load(environ={f"SEALANE_{key}": wrong}, file=Path("/nonexistent"))
