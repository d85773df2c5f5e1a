"""The README's table: what each capability reaches beside its strongest rival, losses included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.rows import Row
from benchmarks.table import NamedTable, Select, Table, digits, interval_cells, number, over_seeds
from nextlat_rl.errors import UserError


@dataclass(frozen=True)
class Line:
    """One line of the table; more is better for every figure.

    Attributes:
        task: what is measured on what.
        name: of our agent.
        ours: its rows.
        rivals: by name; the one with the best mean stands in the table.
        figure: see `Row.figure`.

    """

    task: str
    name: str
    ours: Select
    rivals: dict[str, Select]
    figure: str = "return_mean"


def _planner(part: str, agent: str) -> Select:
    return Select("planner", part, agent)


def _curve(part: str, agent: str) -> Select:
    return Select("sb3", part, agent, "curve")


def _paper(part: str, agent: str, measure: str) -> Select:
    return Select("paper", part, agent, measure, "cpu")


_PPO = "PPO, 1 million real steps"
_LINES = (
    Line(
        "FourRooms, return; same data, no memory",
        "policy",
        _planner("FourRooms", "policy (trunk)"),
        {
            "CQL (d3rlpy)": _planner("rival-d3rlpy", "d3rlpy CQL, the same data"),
            "behaviour cloning (d3rlpy)": _planner("rival-d3rlpy", "d3rlpy BC, the same data"),
            _PPO: _planner("rival-PPO", "SB3 PPO, 1,000,000 real steps, drawn actions"),
        },
    ),
    Line(
        "FourRooms, return",
        "policy",
        _planner("FourRooms", "policy (trunk)"),
        {"the explorer whose data it learned from": _planner("FourRooms", "behaviour (the data)")},
    ),
    Line(
        "FourRooms, return; planning",
        "look-ahead",
        _planner("FourRooms", "policy (trunk + lookahead) argmax"),
        {
            "policy alone": _planner("FourRooms", "policy (trunk)"),
            "Gumbel MuZero tree": _planner("FourRooms", "policy (trunk + gumbel) argmax num_simulations=31"),
        },
    ),
    Line(
        "Pendulum, return; planning",
        "MPPI in imagination",
        _planner("Pendulum", "policy (trunk + mppi)"),
        {"policy alone": _planner("Pendulum", "policy (trunk)")},
    ),
    Line(
        "DoorKey, return; 9 of 10 episodes random",
        "improved in imagination",
        _planner("mixed-DoorKey-5x5", "improved policy (trunk)"),
        {
            "advantage weights alone": _planner("mixed-DoorKey-5x5", "policy (trunk)"),
            "cloning": _planner("mixed-DoorKey-5x5", "cloned (trunk)"),
        },
    ),
    Line(
        "FourRooms, return; 9 of 10 episodes random",
        "improved in imagination",
        _planner("mixed-FourRooms", "improved policy (trunk)"),
        {
            "advantage weights alone": _planner("mixed-FourRooms", "policy (trunk)"),
            "cloning": _planner("mixed-FourRooms", "cloned (trunk)"),
        },
    ),
    Line(
        "MemoryS7, return; 150 thousand real steps",
        "PPO on beliefs, from the model's policy",
        _curve("beliefs-Memory", "PPO on beliefs, from the model's policy"),
        {"RecurrentPPO": _curve("beliefs-Memory", "RecurrentPPO"), "PPO": _curve("beliefs-Memory", "PPO")},
    ),
    Line(
        "Pendulum, return; same real steps",
        "SAC on beliefs, imagined replay",
        _curve("replay-Pendulum", "SAC on beliefs, imagined replay"),
        {
            "SAC, 5 gradient steps": _curve("replay-Pendulum", "SAC, 5 gradient steps"),
            "SAC": _curve("replay-Pendulum", "SAC"),
        },
    ),
    Line(
        "Word problem, 8 times the trained length, accuracy",
        "NextLat, latent dynamics",
        _paper("WordProblem", "nextlat, recurrent", "length 16 (8x)"),
        {"GPT": _paper("WordProblem", "gpt", "length 16 (8x)")},
        "value",
    ),
    Line(
        "Street map, valid trajectories",
        "NextLat",
        _paper("StreetMap", "nextlat", "valid trajectories"),
        {name: _paper("StreetMap", name.lower(), "valid trajectories") for name in ("JTP", "MTP", "GPT")},
        "value",
    ),
)


def _table(rows: Sequence[Row]) -> Table:
    columns = [
        "task",
        "ours",
        "mean",
        "low",
        "high",
        "strongest rival",
        "its mean",
        "its low",
        "its high",
        "difference",
    ]
    lines, used = [], []
    for line in _LINES:
        ours = _rows_of(line.ours, rows)
        rivals = {name: over_seeds(_rows_of(select, rows), line.figure) for name, select in line.rivals.items()}
        best = max(rivals, key=lambda name: rivals[name].mean or 0.0)
        found, rival = over_seeds(ours, line.figure), rivals[best]
        form = digits(found)
        cells = [line.task, line.name, *interval_cells(found, form), best, *interval_cells(rival, form)]
        lines.append([*cells, number((found.mean or 0.0) - (rival.mean or 0.0), f"+{form}")])
        used += [*ours, *_rows_of(line.rivals[best], rows)]
    return Table("Beside the strongest rival", columns, lines, used)


def _rows_of(select: Select, rows: Sequence[Row]) -> list[Row]:
    """The rows of an agent.

    Raises:
        UserError: there are none.

    """
    found = select.of(rows)
    if not found:
        raise UserError(f"the table 'headline' needs rows of {select}; measure them or take the line out")
    return found


TABLE = NamedTable(("planner", "sb3", "paper"), _table)
