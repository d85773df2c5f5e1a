"""`--help` tells what every option means."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from nextlat_rl.cli import help as help_module
from nextlat_rl.cli.help import attribute_docs

COMMANDS = ["train", "collect", "evaluate", "plan", "improve", "draft", "diagnose", "doctor"]


class Shape:
    """A shape.

    Attributes:
        sides: how many,
            at least 3.
        width, height: in `metres`: of the
            box around it.

    Raises:
        ValueError: never.
    """


class Coloured(Shape):
    """A shape with a colour.

    Attributes:
        colour: its name.
    """


def test_meanings_are_those_of_the_docstring_and_of_those_inherited() -> None:
    width = "in metres: of the box around it."
    assert attribute_docs(Shape) == {"sides": "how many, at least 3.", "width": width, "height": width}
    assert attribute_docs(Coloured) == attribute_docs(Shape) | {"colour": "its name."}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_meaning(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: dict[str, str] = {}
    lines = help_module.option_lines

    def watched(cls: type, config: object, prefix: str = "") -> object:
        for option, meaning in lines(cls, config, prefix):  # type: ignore[arg-type]
            shown[option.partition("=")[0]] = meaning
            yield option, meaning

    monkeypatch.setattr(help_module, "option_lines", watched)
    planner = [] if command in ("collect", "diagnose", "draft", "doctor") else ["planner=lookahead"]
    monkeypatch.setattr(sys, "argv", [command, "--help", *planner])
    import_module(f"nextlat_rl.{command}").main()
    assert "== Options (name=value) ==" in capsys.readouterr().out
    assert len(shown) > 5 and not [name for name, meaning in shown.items() if name and not meaning]
