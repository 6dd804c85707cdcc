"""Several failures of one command line: it went on after each."""

from collections.abc import Sequence

from sealane.errors import SealaneError


class Several(SealaneError):
    """Each message becomes one line on standard error."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = tuple(messages)
