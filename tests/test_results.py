"""Results say where they come from."""

from __future__ import annotations

from typing import Any

import pytest

from nextlat_rl.errors import UserError
from nextlat_rl.results import RESULT_VERSION, Provenance, code_version, git_revision, provenance, typed_command

_GIVEN: dict[str, Any] = {
    "command": "python -m benchmarks suite=train",
    "git_revision": "abc1234",
    "dirty": False,
    "seed": 0,
    "device": "cpu",
    "cores": 1,
    "date": "2026-01-02T03:04:05+00:00",
}


def test_provenance_is_complete() -> None:
    assert Provenance(**_GIVEN).as_dict() == _GIVEN | {"version": RESULT_VERSION}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, "") for name in _GIVEN if isinstance(_GIVEN[name], str)]
    + [(name, None) for name in _GIVEN]
    + [("cores", 0), ("date", "yesterday"), ("dirty", "no"), ("seed", True)],
)
def test_a_field_that_is_empty_or_no_such_thing_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"a result needs .*{name}"):
        Provenance(**_GIVEN | {name: value})


def test_a_field_that_is_left_out_is_refused() -> None:
    with pytest.raises(TypeError, match="git_revision"):
        Provenance(**{name: value for name, value in _GIVEN.items() if name != "git_revision"})


def test_provenance_of_this_process_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/pytest.py", "a b", "seeds=3"])
    found = provenance(seed=3, device="cpu")
    assert found.command.endswith("'a b' seeds=3") and "/somewhere" not in found.command
    assert (found.seed, found.device) == (3, "cpu")
    assert found.cores >= 1 and found.date.endswith("+00:00")
    assert (found.git_revision, found.dirty) == code_version()
    assert provenance("make it", seed=0, device="cpu", cores=2).command == "make it"


def test_the_command_is_the_module_that_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    class Spec:
        name = "benchmarks.__main__"

    monkeypatch.setattr("sys.argv", ["/somewhere/benchmarks/__main__.py", "suite=planner"])
    monkeypatch.setattr("__main__.__spec__", Spec)
    assert typed_command() == "python -m benchmarks suite=planner"
    monkeypatch.setattr("__main__.__spec__", None)
    monkeypatch.setattr("sys.argv", ["/usr/bin/nextlat-train", "env=CartPole-v1"])
    assert typed_command() == "nextlat-train env=CartPole-v1"
    monkeypatch.setattr("sys.argv", ["examples/quickstart.py"])
    assert typed_command() == "python quickstart.py"


def test_code_outside_a_checkout_has_no_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    code_version.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert code_version() == ("unknown", True)
    assert git_revision() == "unknown"
    code_version.cache_clear()
