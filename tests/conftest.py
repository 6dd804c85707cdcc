"""The settings of whoever runs the tests are not the tests' settings."""

import os

from hypothesis import settings

KEPT = {"SEALANE_GOLDEN"}

for name in [n for n in os.environ if n.startswith("SEALANE_") and n not in KEPT]:
    del os.environ[name]

settings.register_profile("any machine", deadline=None)  # one that is busy with other things passes as well
settings.load_profile("any machine")
