"""TLS to the central part."""

import http.client
import socket
import ssl

from sealane.pki.certificate import CENTRAL


class TlsConnection(http.client.HTTPSConnection):
    """To the central part, whose certificate is in a name of its own wherever it is reached."""

    def __init__(self, host: str, port: int, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout)
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=CENTRAL)
        except BaseException:
            plain.close()
            raise
