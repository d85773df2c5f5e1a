"""SIGTERM ends a command with 143 within seconds, whatever it is doing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

COMMAND = """
import signal, sys, time
from nextlat_rl import signals
signals.GRACE = 1.0
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
try:
    with signals.sigterm_raises():
        {body}
except KeyboardInterrupt as error:
    print("cleaned up", flush=True)
    sys.exit(signals.exit_code(error))
"""
SWALLOWS = """
        while True:
            try:
                print("ready", flush=True)
                time.sleep(60)
            except BaseException:
                pass
"""


def ended(body: str, number: int) -> tuple[int, str, float]:
    process = subprocess.Popen([sys.executable, "-c", COMMAND.format(body=body)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    sent = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    return process.returncode, output, time.monotonic() - sent


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_an_exception_with_a_code_of_its_own(number: int, code: int) -> None:
    assert ended('print("ready", flush=True); time.sleep(60)', number)[:2] == (code, "cleaned up\n")


def test_sigterm_ends_even_what_swallows_the_exception() -> None:
    code, output, seconds = ended(SWALLOWS.strip(), signal.SIGTERM)
    assert (code, output) == (143, "ready\n") and seconds < 15


DRAWS = """
import time
from nextlat_rl.agents.episodes import _make
env = _make("CartPole-v1", drawn=True)
env.reset(seed=0)
env.render()
print("ready", flush=True)
for _ in range(100):
    time.sleep(0.1)
    env.render()
"""


def test_drawing_with_sdl_does_not_swallow_sigterm() -> None:
    process = subprocess.Popen([sys.executable, "-c", DRAWS], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and "ready\n" in iter(process.stdout.readline, "")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == -signal.SIGTERM
