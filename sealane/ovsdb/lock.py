"""A named lock of the server (RFC 7047 §4.1.8): held by one of *this server's* connections at most."""

import asyncio


class Lock:
    """Whether we hold it now. It is lost with the connection and asked for again by the next."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.held = False
        self._wake = asyncio.Event()

    async def wait(self, held: bool, timeout: float | None = None) -> bool:
        """Whether it came to be `held` within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while self.held != held:
                    await self._wake.wait()
        except TimeoutError:
            pass
        return self.held == held

    def set(self, *, held: bool) -> None:
        """For the client: what the server said, or that it is gone."""
        self.held = held
        self._wake.set()
        self._wake = asyncio.Event()

    def answered(self, reply: object) -> None:
        """For the client: the reply to the request for this lock."""
        self.set(held=isinstance(reply, dict) and reply.get("locked") is True)
