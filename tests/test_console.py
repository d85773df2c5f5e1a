"""Tables keep their figures whole, however narrow the terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from nextlat_rl.console import table

_NAME = "improved policy (trunk + lookahead) mode depth=3 width=12"
_FIGURES = ["1", "0.6912", "[0.667, 0.710]", "0.952"]


def _printed(width: int, rows: list[list[str]]) -> str:
    out = StringIO()
    columns = ["task", "agent", "seed", "return", "95% interval", "success"]
    Console(file=out, width=width).print(table("Title", columns, rows))
    return out.getvalue()


def test_a_long_name_folds_and_figures_stay_whole_in_a_narrow_terminal() -> None:
    shown = _printed(72, [["MiniGrid-FourRooms-v0", _NAME, *_FIGURES]])
    assert all(figure in shown for figure in _FIGURES)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 72


def test_figures_stand_right_and_words_left() -> None:
    shown = table(
        "Title", ["task", "target", "seeds", "each"], [["A", "at least 10", "3", "0.1 / -0.2"], ["B", "", "12", ""]]
    )
    assert [column.justify for column in shown.columns] == ["left", "left", "right", "right"]
