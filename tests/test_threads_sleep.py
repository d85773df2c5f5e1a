"""Threads of torch that wait do not spin, unless the user wants them to."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("typed", "policy"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_the_wait_policy_is_set_before_torch_is_loaded_and_a_users_own_one_is_kept(
    typed: str | None, policy: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "true"} | ({} if typed is None else {"OMP_WAIT_POLICY": typed})
    script = "import nextlat_rl, sys; assert 'torch' not in sys.modules; import torch"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    if "OPENMP DISPLAY ENVIRONMENT" not in done.stderr:
        pytest.skip("this torch has another OpenMP, which does not show its settings")
    assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr
