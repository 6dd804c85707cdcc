"""A TLS handshake in memory, without a socket."""

import ssl

from sealane.pki.certificate import CENTRAL, Certificate, of_peer


def shake(server: ssl.SSLContext, client: ssl.SSLContext) -> Certificate | None:
    """Who the client is to the server. Raises ssl.SSLError when one refuses the other."""
    upwards, downwards = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(downwards, upwards, server_hostname=CENTRAL),
        server.wrap_bio(upwards, downwards, server_side=True),
    ]
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    ends[1].write(b"x")
    assert ends[0].read(1) == b"x"
    return of_peer(ends[1].getpeercert())
