"""What the wheel is made of; `make build` compares the wheel itself with the files that git tracks."""

from __future__ import annotations

import importlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAPPED = ("envs", "agents", "configs")


def test_every_folder_with_code_is_a_package() -> None:
    """A folder without `__init__.py` would be a namespace package, which the import contracts do not see."""
    folders = {file.parent for name in ("nextlat_rl", *MAPPED) for file in (ROOT / name).rglob("*.py")}
    assert len(folders) > 15
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").exists()]


def test_top_level_folders_are_one_module_each() -> None:
    for name in MAPPED:
        module = importlib.import_module(f"nextlat_rl.{name}")
        assert module.__file__ is not None
        assert Path(module.__file__).resolve() == (ROOT / name / "__init__.py").resolve()
