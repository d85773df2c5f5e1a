"""Limits of size and repetition that keep the library readable."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = sorted(path for folder in ("nextlat_rl", "agents", "envs") for path in (ROOT / folder).rglob("*.py"))
# Lines: of the library, of its longest file, of its longest function.
TOTAL, FILE, FUNCTION = 23_120, 300, 50
RUN = 8  # equal lines that count as a repetition


def test_files_and_the_whole_are_short() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in LIBRARY}
    assert len(lines) > 100
    assert not {name: count for name, count in lines.items() if count > FILE}
    assert sum(lines.values()) <= TOTAL


def test_functions_are_short() -> None:
    found = {}
    for path in LIBRARY:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION:
                    found[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = length
    assert not found


def test_no_run_of_lines_stands_twice() -> None:
    places = defaultdict(list)
    for path in LIBRARY:
        lines = list(code_lines(path.read_text()))
        for i in range(len(lines) - RUN + 1):
            run = tuple(text for _, text in lines[i : i + RUN])
            places[run].append(f"{path.relative_to(ROOT)}:{lines[i][0]}")
    assert not [where for where in places.values() if len(where) > 1]


def code_lines(source: str) -> Iterator[tuple[int, str]]:
    """(line number, code) without white space, for lines that are not blank, comment, import or docstring."""
    skipped = set[int]()
    for node in ast.walk(ast.parse(source)):
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if docstring or isinstance(node, ast.Import | ast.ImportFrom):
            skipped.update(range(node.lineno, (node.end_lineno or 0) + 1))
    by_line = defaultdict[int, list[str]](list)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT and token.string.strip():
            by_line[token.start[0]].append(token.string)
    for number, tokens in sorted(by_line.items()):
        if number not in skipped:
            yield number, " ".join(tokens)


def test_code_lines_leave_out_what_may_repeat() -> None:
    source = '"""Docs."""\nimport os\n\n# a comment\ndef f(a,  b):  # another\n    """More."""\n    return  a\n'
    assert [text for _, text in code_lines(source)] == ["def f ( a , b ) :", "return a"]


def test_imports_go_one_way() -> None:
    cli = pytest.importorskip("importlinter.cli")
    assert cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0
