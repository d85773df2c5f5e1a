"""`python -m benchmarks`: measure suites, show their tables, render README and docs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.options import Options, parse
from benchmarks.rows import RESULTS, Row, read_rows, stored_rows, write_rows
from benchmarks.suite import SUITES, Suite, chosen_parts
from nextlat_rl.console import make_console
from nextlat_rl.errors import UserError
from nextlat_rl.results import code_version
from nextlat_rl.torchrun import launched

_HELP = """\
Measure the project's suites of benchmarks.

  python -m benchmarks suite=planner only=FourRooms seeds=3   measure; rows go to runs/benchmarks/planner.json
  python -m benchmarks suite=planner only=speed keep=true     ... rows go to benchmarks/results/planner.json
  python -m benchmarks show suite=planner                     tables and figures of the rows in benchmarks/results
  python -m benchmarks render                                 fill the tables of README and docs, draw figures

Options (name=value):
  suite        which suite
  only         parts, joined with +; default: all but those marked * below
  seeds        how many training seeds (1)
  first_seed   the first of them (0)
  models       of suite=worlds, joined with +: ours, trunk (ours, dreaming by its trunk), cells, dreamer (all)
  size         of suites with several sizes (cpu)
  keep         true: write to benchmarks/results, which needs a checkout without changes (false)
  quick        true: a smoke test of the suite, not a measurement (false)
  runs         folder of training runs and of rows that are not kept (runs)
  json         true: print the rows and nothing else (false)
  d3rlpy       another Python that has d3rlpy, for the rivals that need it
  sheeprl      another Python that has sheeprl, for DreamerV3's world model

Suites and their parts (* measured only when only= names it):"""


def main() -> None:
    """Entry point: bad input prints one line and exits with code 2."""
    try:
        if {"--help", "-h"} & set(sys.argv[1:]):
            _print_help()
            return
        action, options = parse(sys.argv[1:])
        if action == "render":
            from benchmarks.render import render

            render(Path(__file__).parents[1])
        elif action == "show":
            show(options)
        else:
            measure(options)
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the rows measured so far are written", file=sys.stderr)
        sys.exit(130)


def _print_help() -> None:
    print(_HELP)
    for name in SUITES.names():
        suite: Suite = SUITES.load(name)
        print(f"\n  {name}: {suite.about}")
        for size in suite.sizes:
            parts = " ".join(part.name + "*" * part.apart for part in suite.parts(size))
            print(f"    {f'size={size}: ' if len(suite.sizes) > 1 else ''}{parts}")


def measure(options: Options) -> list[Row]:
    """Measure parts of a suite and write every row as soon as it is known.

    Returns:
        The rows.

    Raises:
        UserError: unknown suite or part, or rows are to be kept of code that is not committed.

    """
    suite = _suite(options)
    chosen = chosen_parts(suite, options)
    revision, dirty = code_version()
    if options.keep and (dirty or revision == "unknown"):
        raise UserError("keep=true needs a checkout without changes, so that the revision says what was measured")
    from nextlat_rl.training.distributed import destroy, init, is_main_process

    if launched() and not suite.distributed:
        raise UserError(f"suite={suite.name} runs in one process; start it without torchrun")
    init()
    console = make_console(options.json)
    console.quiet = not is_main_process()
    left_out = [part.name for part in suite.parts(options.size) if part.apart and part.name not in chosen]
    if left_out and not options.only:
        console.print(f"Measured only when only= names them: {', '.join(left_out)}", highlight=False)
    file = (RESULTS if options.keep else Path(options.runs) / "benchmarks") / f"{suite.name}.json"
    rows: list[Row] = []
    for row in suite.measure_all(chosen, options, console):
        rows.append(row)
        if is_main_process():
            write_rows(file, [row])
    writes = is_main_process()
    destroy()
    if not writes:
        return rows
    if options.json:
        print(json.dumps([row.as_dict() for row in rows], indent=1))
        return rows
    known = [row for row in read_rows(file) if row.part in chosen and row.size in ("", options.size)] if rows else []
    _show(suite, known, Path(options.runs) / "benchmarks", options)
    console.print(f"Written to {file}", highlight=False)
    return rows


def show(options: Options) -> None:
    """Tables and figures of the rows in `benchmarks/results`; nothing is measured.

    Raises:
        UserError: unknown suite or part, or there are no rows of it.

    """
    suite = _suite(options)
    names = chosen_parts(suite, options) if options.only else [part.name for part in suite.parts(options.size)]
    rows = [row for row in stored_rows(suite.name) if row.part in names and row.size in ("", options.size)]
    if not rows:
        raise UserError(f"benchmarks/results holds no rows of suite={suite.name} {options.only}; measure it first")
    if options.json:
        print(json.dumps([row.as_dict() for row in rows], indent=1))
        return
    _show(suite, rows, Path(options.runs) / "benchmarks", options)


def _suite(options: Options) -> Suite:
    if not options.suite:
        raise UserError(f"suite= is missing; choose one of: {', '.join(SUITES.names())}")
    suite: Suite = SUITES.load(options.suite)
    return suite


def _show(suite: Suite, rows: Sequence[Row], folder: Path, options: Options) -> None:
    """Print tables and draw figures."""
    console = make_console(options.json)
    for table in suite.tables(rows):
        if table.lines:
            console.print(table.terminal())
    folder.mkdir(parents=True, exist_ok=True)
    if drawn := suite.figures(rows, folder):
        console.print(f"Drawn in {', '.join(map(str, drawn))}", highlight=False)


if __name__ == "__main__":
    main()
