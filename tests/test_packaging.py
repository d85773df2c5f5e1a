"""The package list in pyproject.toml is written by hand; it must name every package."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {"nextlat_rl"}
    for folder, name in (("nextlat_rl", "nextlat_rl"), ("envs", ""), ("agents", ""), ("configs", "")):
        for init in (ROOT / folder).rglob("__init__.py"):
            if folder == "nextlat_rl" and any(part.is_symlink() for part in init.parents):
                continue
            relative = init.parent.relative_to(ROOT).parts
            found.add(".".join(relative if name else ("nextlat_rl", *relative)))
    assert sorted(listed) == sorted(found)


def test_top_level_folders_are_one_module_each() -> None:
    for name in ("envs", "agents", "configs"):
        module = importlib.import_module(f"nextlat_rl.{name}")
        assert module.__file__ is not None
        assert Path(module.__file__).resolve() == (ROOT / name / "__init__.py").resolve()


def test_core_imports_neither_agents_nor_envs() -> None:
    """Only the commands may; everything else of the core knows tensors and trajectories."""
    core = [p for p in (ROOT / "nextlat_rl").rglob("*.py") if not {"cli", "jobs", "envs", "agents"} & set(p.parts)]
    assert len(core) > 20
    for file in core:
        for line in file.read_text().splitlines():
            if line.strip().startswith(("import ", "from ")):
                assert "nextlat_rl.envs" not in line and "nextlat_rl.agents" not in line, f"{file}: {line}"
