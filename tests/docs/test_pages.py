"""Pages are short, their links lead somewhere, and no figure is typed by hand where a row should stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nextlat_rl
from tests.helpers.pages import DOCS, NOTES, PAGES, README, anchors, name_of, words


def test_the_readme_fits_on_a_few_screens() -> None:
    assert len(README.read_text().splitlines()) <= 130


@pytest.mark.parametrize("page", [*PAGES[2:], *NOTES], ids=name_of)
def test_a_page_is_read_in_a_few_minutes(page: Path) -> None:
    assert words(page.read_text()) <= 1200


@pytest.mark.parametrize("page", [*PAGES, *NOTES], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        found = page if not file else (page.parent / file).resolve()
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target
        if page.is_relative_to(DOCS):
            assert found.is_relative_to(DOCS), f"{target} lies outside the site"


def test_figures_are_shown_somewhere() -> None:
    text = "".join(page.read_text() for page in [*PAGES, *NOTES])
    unused = [file.name for file in (DOCS / "figures").iterdir() if file.name not in text]
    assert not unused


@pytest.mark.parametrize("note", NOTES, ids=name_of)
def test_a_note_has_a_date_and_a_command_and_is_listed(note: Path) -> None:
    text = note.read_text()
    assert re.match(r"# .*\n\n\d{1,2} \w+ 20\d\d[,.]", text)
    assert "python -m " in text
    assert f"]({note.name})" in (note.parent / "index.md").read_text()


def test_every_public_name_is_in_the_reference() -> None:
    shown = re.findall(r"^::: nextlat_rl[\w.]*\.(\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert sorted(shown) == sorted(set(nextlat_rl.__all__) - {"__version__"})
