"""Python snippets of README and docs run, page by page, on a tiny model and little data."""

from __future__ import annotations

import pytest

import nextlat_rl

if not hasattr(nextlat_rl, "WorldModel"):
    pytest.skip("the public API is still to come", allow_module_level=True)
