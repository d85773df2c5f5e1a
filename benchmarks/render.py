"""Fills the tables of README and docs from stored rows, and tells which of them are out of date.

A block `<!-- rows: NAME -->` ... `<!-- /rows -->` holds the table `benchmarks/tables/NAME.py`. All tables stand in such
blocks, so that no figure is typed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.rows import stored_rows
from benchmarks.suite import SUITES, Suite
from benchmarks.table import NamedTable
from nextlat_rl.errors import UserError
from nextlat_rl.registry import Registry

TABLES = Registry("benchmarks.tables", "rows", "TABLE")

_BLOCK = re.compile(r"^<!-- rows: *(\S+) *-->\n(.*?)^<!-- /rows -->$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"^<!-- (?:rows:.*|/rows) -->$", re.MULTILINE)
_FENCED = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1[`~]*$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"^\s*(?:\|.*|:?-{3,}:?(?:\s*\|\s*:?-+:?)+|<table.*)$", re.MULTILINE)


def markdown_of(name: str) -> str:
    """The Markdown of a table by its name, from the rows in `benchmarks/results`.

    Raises:
        UserError: there is no table of this name.

    """
    table: NamedTable = TABLES.load(name)
    return table.build([row for suite in table.suites for row in stored_rows(suite)]).markdown()


def fill(text: str, table: Callable[[str], str] = markdown_of) -> str:
    """A page with its blocks filled.

    Args:
        text: Markdown.
        table: name -> Markdown of the table.

    Raises:
        UserError: a block that is not closed, or a table that does not exist.

    """
    if 2 * len(_BLOCK.findall(text)) != len(_MARK.findall(text)):
        raise UserError("a block '<!-- rows: NAME -->' is not closed by '<!-- /rows -->', or the other way round")
    return _BLOCK.sub(lambda block: f"<!-- rows: {block[1]} -->\n\n{table(block[1])}\n\n<!-- /rows -->", text)


def loose_tables(text: str) -> list[str]:
    """First lines of the tables of a page that stand in no block; code between fences is left out."""
    rest = _FENCED.sub(lambda block: "\n" * block[0].count("\n"), _BLOCK.sub("", text))
    starts, last = [], -2
    for number, line in enumerate(rest.splitlines()):
        if _TABLE.match(line):
            if number != last + 1:
                starts.append(line.strip())
            last = number
    return starts


def pages(root: Path) -> list[Path]:
    """README and all pages of the docs."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def problems(root: Path, table: Callable[[str], str] = markdown_of) -> list[str]:
    """What is wrong with the tables of README and docs, a line each; empty if nothing is."""
    return [problem for page in pages(root) for problem in _problems(page, root, table)]


def _problems(page: Path, root: Path, table: Callable[[str], str]) -> Iterator[str]:
    text, name = page.read_text(), page.relative_to(root)
    try:
        filled = fill(text, table)
    except UserError as error:
        yield f"{name}: {error}"
        return
    for old, new in zip(_BLOCK.finditer(text), _BLOCK.finditer(filled), strict=True):
        if old[0] != new[0]:
            yield f"{name}: the block '{old[1]}' differs from its rows; run python -m benchmarks render"
    for line in loose_tables(text):
        yield f"{name}: the table '{line[:60]}' stands outside a block '<!-- rows: NAME -->'"


def render(root: Path) -> None:
    """Fill the blocks of all pages and draw the figures of all suites into `docs/figures`."""
    for page in pages(root):
        text = page.read_text()
        try:
            filled = fill(text)
        except UserError as error:
            raise UserError(f"{page.relative_to(root)}: {error}") from None
        if filled != text:
            page.write_text(filled)
            print(f"filled {page.relative_to(root)}")
    folder = root / "docs" / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for name in SUITES.names():
        suite: Suite = SUITES.load(name)
        if rows := stored_rows(name):
            for file in suite.figures(rows, folder):
                print(f"drew {file.relative_to(root)}")
