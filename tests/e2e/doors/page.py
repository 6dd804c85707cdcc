"""What of a page of docs/how-to is run."""

import re
from pathlib import Path

PAGES = Path(__file__).parents[3] / "docs" / "how-to"


def commands(page: str) -> str:
    """Indented blocks outside of fences, as one script."""
    text = re.sub(r"^```.*?^```$", "", (PAGES / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    return "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))


def block(page: str, language: str, number: int = 0) -> str:
    """The fenced block of that language, by its place among them."""
    text = (PAGES / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)[number]
