"""Settings validate themselves, whoever builds them, and say what is wrong in one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Literal

import pytest

from nextlat_rl.errors import UserError
from nextlat_rl.registry import Registry
from nextlat_rl.settings import above_zero, at_least, from_dict, literals, path_component, share


@dataclass
class Inner:
    count: int = 1
    rate: float | None = None
    kind: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        literals("inner.", self)
        at_least("inner.", self, 1, "count")


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    name: str = ""
    flag: bool = False
    extra: dict[str, object] = field(default_factory=dict)


def test_nested_settings_are_built_from_plain_dictionaries() -> None:
    built = from_dict(Outer, {"inner": {"count": 3, "rate": 2}, "flag": True, "extra": {"x": 1}})
    assert built == Outer(Inner(3, 2), "", True, {"x": 1})


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"innner": {}}, "unknown option 'innner'; did you mean inner"),
        ({"inner": {"cuont": 2}}, "unknown option 'inner.cuont'; did you mean inner.count"),
        ({"inner": {"count": "many"}}, "inner.count=many must be a whole number"),
        ({"inner": {"count": True}}, "inner.count=True must be a whole number"),
        ({"inner": {"count": 1.5}}, "inner.count=1.5 must be a whole number"),
        ({"inner": {"rate": "fast"}}, "inner.rate=fast must be a number"),
        ({"inner": {"count": 0}}, "inner.count=0 must be at least 1"),
        ({"inner": {"kind": "c"}}, "inner.kind=c is unknown; choose one of: a, b"),
        ({"flag": 1}, "flag=1 must be true or false"),
        ({"name": 3}, "name=3 must be a text"),
        ({"inner": 3}, "inner=3 must be settings by name"),
        ({"extra": "x"}, "extra=x must be settings by name"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, object], line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}"):
        from_dict(Outer, values)


@pytest.mark.parametrize("value", ["a/b", "..\\b", "../x", "a\0b", "a\nb", "x" * 151, "ü" * 76])
def test_a_name_is_no_path(value: str) -> None:
    path_component("name", "lr+wd [ü] 1.5")
    with pytest.raises(UserError, match=r"^name=.* must be a name of at most 150 bytes"):
        path_component("name", value)


def test_ranges() -> None:
    for check in (above_zero, share):
        with pytest.raises(UserError, match=r"x\.count=-1 must"):
            check("x.", SimpleNamespace(count=-1), "count")


def test_members_of_a_family_are_the_modules_of_its_package() -> None:
    registry = Registry("nextlat_rl.agents.planning.planners", "planner", "PLANNER")
    assert registry.names() == ["gumbel", "lookahead", "mppi"]
    assert registry.load("mppi").__name__ == "MPPIPlanner"
    with pytest.raises(UserError, match="planner=chess is unknown; choose one of: gumbel, lookahead, mppi"):
        registry.load("chess")
    assert "mppi" not in Registry(registry.package, "planner", "PLANNER", frozenset({"mppi"})).names()
