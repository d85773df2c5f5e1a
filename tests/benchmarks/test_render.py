"""Tables of README and docs hold what their rows hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.render import TABLES, fill, loose_tables, markdown_of, problems
from benchmarks.table import Select, Table, caption, over_seeds, returns_table
from nextlat_rl.errors import UserError
from tests.helpers.rows import made_row

_ROWS = [made_row(seed=seed, return_mean=mean, episodes=500) for seed, mean in enumerate((1.0, 2.0, 3.0))]
_MARKDOWN = """\
| task | agent | return | low | high | seeds | episodes | success | ms a decision |
| :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| A | policy | 2.000 | -0.484 | 4.484 | 3 | 500 |  |  |

*`python -m benchmarks suite=train only=A`; revision abc1234; 2026-01-02; seeds 0, 1, 2.*"""


def _table(name: str) -> str:
    return returns_table(name, _ROWS).markdown()


def test_a_table_has_one_figure_a_cell_and_says_what_measures_it() -> None:
    assert _table("A") == _MARKDOWN


def test_a_single_seed_has_no_interval() -> None:
    found = over_seeds(_ROWS[:1], "return_mean")
    assert (found.mean, found.low, found.high, found.seeds) == (1.0, None, None, 1)
    assert over_seeds([], "return_mean").mean is None


def test_a_block_is_filled_and_stays_as_it_is_when_filled_again() -> None:
    text = "# Title\n\n<!-- rows: x -->\nold\n<!-- /rows -->\n\nmore\n"
    filled = fill(text, _table)
    assert filled == f"# Title\n\n<!-- rows: x -->\n\n{_MARKDOWN}\n\n<!-- /rows -->\n\nmore\n"
    assert fill(filled, _table) == filled
    assert fill("no block", _table) == "no block"


@pytest.mark.parametrize(
    "text", ["<!-- rows: x -->\n", "<!-- /rows -->\n", "<!-- rows: x -->\n<!-- rows: y -->\n<!-- /rows -->\n"]
)
def test_a_block_that_is_not_closed_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not closed"):
        fill(text, _table)


def test_a_table_that_does_not_exist_is_named() -> None:
    with pytest.raises(UserError, match="rows=none is unknown; choose one of: "):
        markdown_of("none")


def test_tables_outside_a_block_are_found_and_code_is_not() -> None:
    block, code = "<!-- rows: x -->\n| a |\n| --- |\n<!-- /rows -->\n", "```text\n| b |\n```\n"
    text = f"{block}{code}\n| c |\n| --- |\n| 1 |\n\nd | e\n--- | ---\n"
    assert loose_tables(text) == ["| c |", "--- | ---"]
    assert loose_tables("<table>\n<tr>\n") == ["<table>"]
    assert loose_tables("a list\n\n- one --- two\n\n---\n") == []


def test_a_stale_block_and_a_loose_table_are_reported_with_their_page(tmp_path: Path) -> None:
    (tmp_path / "docs" / "notes").mkdir(parents=True)
    (tmp_path / "README.md").write_text(fill("<!-- rows: x -->\n<!-- /rows -->\n", _table))
    assert problems(tmp_path, _table) == []
    (tmp_path / "README.md").write_text("<!-- rows: x -->\n| 1 |\n<!-- /rows -->\n")
    (tmp_path / "docs" / "notes" / "note.md").write_text("| a | b |\n| --- | --- |\n")
    (tmp_path / "docs" / "page.md").write_text("<!-- rows: x -->\n")
    stale, loose, broken = problems(tmp_path, _table)
    assert stale == "README.md: the block 'x' differs from its rows; run python -m benchmarks render"
    assert loose.startswith("docs/notes/note.md: the table '| a | b |' stands outside a block")
    assert broken.startswith("docs/page.md: a block")


def test_the_caption_names_revisions_dates_and_seeds() -> None:
    rows = [made_row("A", seed=1), made_row("B", suite="planner", seed=0)]
    assert caption(rows) == (
        "*`python -m benchmarks suite=train only=A`, `python -m benchmarks suite=planner only=B`; revision abc1234; "
        "2026-01-02; seeds 0, 1.*"
    )
    assert caption([]) == "*No rows.*"


def test_an_agents_rows_are_picked_by_name() -> None:
    rows = [made_row(seed=1), made_row(), made_row("B"), made_row(agent="other")]
    assert Select("train", "A", "policy").of(rows) == [rows[1], rows[0]]


@pytest.mark.parametrize("name", TABLES.names())
def test_every_table_can_be_drawn(name: str) -> None:
    lines = markdown_of(name).splitlines()
    assert len(lines) > 3
    assert len({line.replace("\\|", "").count("|") for line in lines[:-2]}) == 1
    assert Table("t", ["a"], [["b"]]).terminal().row_count == 1


def test_tables_of_readme_and_docs_are_those_of_the_stored_rows() -> None:
    assert problems(Path(__file__).parents[2]) == []
