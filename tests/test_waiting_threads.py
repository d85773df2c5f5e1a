"""Threads of torch that wait do not spin for long, unless the user wants them to."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@pytest.mark.parametrize(
    ("typed", "rounds"), [({}, "2000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")]
)
def test_the_rounds_are_set_before_torch_is_loaded_and_a_users_own_word_counts(
    typed: dict[str, str], rounds: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    script = "import nextlat_rl, sys; assert 'torch' not in sys.modules; import torch"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | {"OMP_DISPLAY_ENV": "verbose"} | typed,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("this torch has another OpenMP, which does not show its settings")
    assert f"GOMP_SPINCOUNT = '{rounds}'" in done.stderr
