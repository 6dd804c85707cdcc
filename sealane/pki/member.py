"""What the members of the store's cluster show each other: an authority of their own, and one certificate.

    store-ca.key  store-ca.pem     member.pem (key and certificate, for both ends of a connection)

`python -m sealane.pki.member DIRECTORY` makes what is missing.  Neither nodes' certificates nor those of
the central part's listeners are good here.  A member's certificate lives as long as the authority: whoever
could steal it has the store's file as well, and is shut out by a new authority only.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from sealane.errors import SealaneError
from sealane.pki import files


@dataclass(frozen=True)
class Member:
    """Paths; nothing is read."""

    directory: Path

    @property
    def authority(self) -> Path:
        return self.directory / "store-ca.pem"

    @property
    def certificate(self) -> Path:
        return self.directory / "member.pem"

    @property
    def options(self) -> tuple[str, ...]:
        """For ovsdb-server (ovsdb-server(1), "Public Key Infrastructure Options")."""
        own = self.certificate
        files = (f"--private-key={own}", f"--certificate={own}", f"--ca-cert={self.authority}")
        return (*files, "--ssl-protocols=TLSv1.2")  # and newer


def ensure(member: Member) -> None:
    """Make what is missing. Raises HostError for a damaged authority, OSError."""
    from sealane.pki.authority import LIFETIME, Authority  # the supervisor needs the paths alone

    with files.alone(member.directory):
        if not member.authority.exists():
            made = Authority.make("sealane store authority")
            files.write(member.authority.with_suffix(".key"), made.key_pem)
            files.write(member.authority, made.certificate_pem)
        if not member.certificate.exists():
            key = member.authority.with_suffix(".key").read_text()
            authority = Authority.load(key, member.authority.read_text())
            files.write(member.certificate, *authority.issue_member(LIFETIME))


def main() -> int:
    try:
        ensure(Member(Path(sys.argv[1])))
    except (SealaneError, OSError) as exc:
        print(f"sealane: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
