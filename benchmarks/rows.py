"""Rows of results: what they hold, and reading and writing files of them.

A file is a JSON list with an object for each row. Its keys are the fields of `Row`, those of `Provenance` among them;
fields that do not apply are left out. Figures that only one suite has stand under `extra`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from nextlat_rl.errors import UserError
from nextlat_rl.results import RESULT_VERSION, Provenance, write_json

RESULTS = Path(__file__).parent / "results"

_PROVENANCE = [item.name for item in fields(Provenance)]


@dataclass(frozen=True)
class Row:
    """One measured agent, or one measured quantity, of one training seed.

    Attributes:
        suite: name of the suite.
        part: name of the part of the suite.
        agent: whose figures these are.
        provenance: how, on what and when it was measured.
        measure: what `value` is, or which kind of row this is where a suite has several.
        size: of the part, for suites with several sizes.
        value: the figure of rows that hold only one.
        env: Gymnasium id.
        return_mean: over the evaluation episodes.
        return_ci_low: lower end of its 95% bootstrap interval over the episodes.
        return_ci_high: upper end.
        success_rate: share of the evaluation episodes.
        episode_length_mean: in steps.
        episodes: how many evaluation episodes.
        ms_per_decision: milliseconds.
        planner_calls_per_step: per decision.
        trunk_calls_per_step: per decision.
        accepted_per_draft: drafted steps that came true.
        speedup: times as fast as the thing compared with.
        env_steps: real steps trained on.
        wall_seconds: seconds of the evaluation.
        restored: provenance fields that were filled in after measuring -> what from. Empty for rows that a suite wrote.
        extra: figures that only this suite has.

    """

    suite: str
    part: str
    agent: str
    provenance: Provenance
    measure: str = ""
    size: str = ""
    value: float | None = None
    env: str = ""
    return_mean: float | None = None
    return_ci_low: float | None = None
    return_ci_high: float | None = None
    success_rate: float | None = None
    episode_length_mean: float | None = None
    episodes: int | None = None
    ms_per_decision: float | None = None
    planner_calls_per_step: float | None = None
    trunk_calls_per_step: float | None = None
    accepted_per_draft: float | None = None
    speedup: float | None = None
    env_steps: int | None = None
    wall_seconds: float | None = None
    restored: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.provenance, Provenance):
            raise UserError(f"a row of suite={self.suite} has no provenance")
        for name in ("suite", "part", "agent"):
            if not getattr(self, name):
                raise UserError(f"a row needs {name}")

    @property
    def seed(self) -> int:
        """Training seed."""
        return self.provenance.seed

    @property
    def key(self) -> tuple[Any, ...]:
        """Rows of the same key are measurements of the same thing."""
        return self.suite, self.size, self.part, self.agent, self.measure, self.seed

    def figure(self, name: str) -> Any:
        """The field or the extra figure of this name; None if the row has none."""
        return getattr(self, name) if name in _FIGURES else self.extra.get(name)

    def as_dict(self) -> dict[str, Any]:
        """The row as it stands in a file."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "provenance"}
        given = {name: value for name, value in values.items() if value is not None and value not in ("", {})}
        return self.provenance.as_dict() | given


_FIELDS = {item.name for item in fields(Row)} - {"provenance"}
_REQUIRED = ("suite", "part", "agent")
_FIGURES = _FIELDS - {"extra", "restored"}


def make_row(suite: str, part: str, agent: str, provenance: Provenance, values: Mapping[str, Any]) -> Row:
    """A row of the figures that a job of the library printed.

    Args:
        suite: see `Row`.
        part: see `Row`.
        agent: see `Row`.
        provenance: see `Row`; provenance in `values` is left out.
        values: fields of `Row` by name; all others become extra figures.

    """
    taken = {"suite", "part", "agent", "restored", "extra", "version", *_PROVENANCE}
    known = {name: value for name, value in values.items() if name in _FIELDS - taken}
    extra = {name: value for name, value in values.items() if name not in _FIELDS | taken}
    return Row(suite, part, agent, provenance, **known, extra=extra)


def read_rows(file: Path) -> list[Row]:
    """The rows in a file, checked.

    Raises:
        UserError: there is no such file, it is no list of rows, or a row lacks a field or is of another version.

    """
    if not file.is_file():
        raise UserError(f"{file} is not a file of rows; measure a suite first: python -m benchmarks suite=<name>")
    try:
        content = json.loads(file.read_text())
    except ValueError:
        content = None
    if not isinstance(content, list):
        raise UserError(f"{file} is not a JSON list of rows")
    rows = []
    for number, values in enumerate(content):
        try:
            rows.append(_row(values))
        except UserError as error:
            raise UserError(f"{file}, row {number}: {error}") from None
    return rows


def _row(values: Any) -> Row:
    """A row from its JSON object."""
    if not isinstance(values, dict):
        raise UserError("not an object")
    if (version := values.get("version")) != RESULT_VERSION:
        raise UserError(f"version {version} is unknown; this code reads version {RESULT_VERSION}")
    if missing := [name for name in (*_REQUIRED, *_PROVENANCE) if name not in values]:
        raise UserError(f"lacks {', '.join(missing)}")
    if unknown := sorted(set(values) - _FIELDS - {"version", *_PROVENANCE}):
        raise UserError(f"has unknown fields: {', '.join(unknown)}; figures of one suite stand under extra")
    source = Provenance(**{name: values[name] for name in _PROVENANCE})
    return Row(provenance=source, **{name: values[name] for name in values if name in _FIELDS})


def merge_rows(kept: Iterable[Row], measured: Iterable[Row]) -> list[Row]:
    """Both, where a measured row takes the place of a kept one of the same key."""
    merged = {row.key: row for row in kept}
    return list((merged | {row.key: row for row in measured}).values())


def write_rows(file: Path, rows: Iterable[Row]) -> None:
    """Put rows into a file in place of those of the same key; its other rows stay. Written in one piece.

    Raises:
        UserError: the file is there and holds something else.

    """
    kept = read_rows(file) if file.exists() else []
    write_json(file, [row.as_dict() for row in merge_rows(kept, rows)])


def stored_rows(suite: str) -> list[Row]:
    """The rows of a suite that lie in `benchmarks/results`; none if it was never measured."""
    file = RESULTS / f"{suite}.json"
    return read_rows(file) if file.exists() else []
