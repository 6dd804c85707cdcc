"""Which labels count a packet: by the policies, and by the rules one by one."""

import random
from ipaddress import ip_address

from sealane.model import MeteringLabelRule
from sealane.translate.metering import Pair, _atoms, pair

SEED = 5


def test_the_first_that_fits_has_all_who_want_it() -> None:
    chance = random.Random(SEED)
    for _ in range(200):
        rules = [
            pair(made(chance, str(number % 3), excluded=chance.random() < 0.3))
            for number in range(chance.randrange(1, 9))
        ]
        atoms = sorted(_atoms(rules, 4), key=lambda a: a[0].prefixlen + a[1].prefixlen, reverse=True)
        for _ in range(40):
            ends = [ip_address(f"10.0.0.{chance.randrange(16)}") for _ in range(2)]
            found = next((a[2] for a in atoms if ends[0] in a[0] and ends[1] in a[1]), frozenset())
            assert found == wanted(rules, ends), (rules, ends)


def made(chance: random.Random, label: str, *, excluded: bool) -> MeteringLabelRule:
    def prefix() -> str:
        length = chance.choice([0, 28, 29, 30, 31, 32])
        number = chance.randrange(16) >> (32 - length) << (32 - length) if length else 0
        return f"10.0.0.{number}/{length}" if length else "0.0.0.0/0"

    return MeteringLabelRule(
        id=label,
        project_id="p",
        revision_number=1,
        created_at="",
        updated_at="",
        metering_label_id=label,
        direction="egress",
        source_ip_prefix=prefix(),
        destination_ip_prefix=prefix(),
        excluded=excluded,
    )


def wanted(rules: list[Pair], ends: list) -> frozenset[str]:  # type: ignore[type-arg]
    fits = [rule for rule in rules if ends[0] in rule.source and ends[1] in rule.destination]
    return frozenset(r.label for r in fits if not r.excluded) - {r.label for r in fits if r.excluded}
