"""A certificate's file that is replaced while it is being read."""

import threading
from pathlib import Path

import pytest

from sealane.errors import HostError
from sealane.pki import files, tls
from sealane.pki.authority import Authority


def test_a_file_that_is_replaced_all_the_time_can_be_loaded(tmp_path: Path) -> None:
    authority = Authority.make("test")
    pairs = [authority.issue_server(60), authority.issue_server(60)]
    trusted, certificate = tmp_path / "ca.pem", tmp_path / "server.pem"
    files.write(trusted, authority.certificate_pem)
    files.write(certificate, *pairs[0])
    done = threading.Event()

    def replace() -> None:
        while not done.is_set():
            for pair in pairs:
                files.write(certificate, *pair)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(300):
            tls.client(trusted, certificate)
    finally:
        done.set()
        thread.join()


def test_a_key_that_is_another_s_is_told(tmp_path: Path) -> None:
    authority = Authority.make("test")
    (key, _), (_, certificate) = authority.issue_server(60), authority.issue_server(60)
    files.write(tmp_path / "ca.pem", authority.certificate_pem)
    files.write(tmp_path / "server.pem", key, certificate)
    with pytest.raises(HostError, match="can't be used"):
        tls.client(tmp_path / "ca.pem", tmp_path / "server.pem")
