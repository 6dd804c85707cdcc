"""The settings of whoever runs the tests are not the tests' settings."""

import os

KEPT = {"SEALANE_GOLDEN"}

for name in [n for n in os.environ if n.startswith("SEALANE_") and n not in KEPT]:
    del os.environ[name]
