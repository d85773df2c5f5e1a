"""Constraints of the lowest versions that pyproject.toml allows: of `name>=1.2,<2` it prints `name==1.2`."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
for wanted in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
    found = re.match(r"([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)", wanted)
    assert found, f"{wanted} has no lowest version"
    print(f"{found[1]}=={found[2]}")
