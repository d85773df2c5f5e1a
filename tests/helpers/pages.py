"""README and docs as their tests read them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
NOTES = sorted((DOCS / "notes").glob("2*.md"))
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md")), DOCS / "notes" / "index.md"]


def name_of(page: Path) -> str:
    """For the names of parametrised tests."""
    return str(page.relative_to(ROOT))


def fenced(page: Path, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """Commands of a shell block, without comments and prompts, continued lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    parts = [part for line in lines for part in re.sub(r"(^| {2,})#.*", "", line).split("&&")]
    return [" ".join(part.split()) for part in parts if part.strip()]


def words(text: str) -> int:
    """Words of a page, code included, rendered tables not."""
    return len(re.sub(r"^<!-- rows:.*?^<!-- /rows -->$", "", text, flags=re.MULTILINE | re.DOTALL).split())


def anchors(page: Path) -> set[str]:
    """What a link can name within a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}
