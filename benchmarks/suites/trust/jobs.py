"""What is killed: a command for each phase, so small that most of its time is spent in that phase."""

from __future__ import annotations

import signal
from dataclasses import dataclass

_SIZES = (
    *("collect.behaviour=random", "collect.steps=200", "collect.workers=1", "runs=runs"),
    *("model.layers=1", "model.heads=1", "model.width=16", "model.dynamics_width=16", "resume=auto"),
    *("trainer.steps=12", "trainer.dynamics_finetune_steps=4", "trainer.batch_size=4", "trainer.length=16"),
    *("trainer.eval_episodes=2", "trainer.eval_every=6", "trainer.diagnosis_episodes=0", "trainer.log_every=1"),
    *("trainer.save_every=3", "trainer.threads=1", "trainer.warmup=1"),
)
_SMALL = ("env=CartPole-v1", *_SIZES)


@dataclass(frozen=True)
class Job:
    """One command.

    Attributes:
        command: name and options; `RUN` in them is the folder of the run.
        window: of the kill, in shares of the time that the whole command takes.
        signal: what kills it.
        done: matches what is there once the command has come to its end.
        after: another command, whose results are there before.

    """

    command: tuple[str, ...]
    window: tuple[float, float] = (0.02, 1.0)
    signal: int = signal.SIGKILL
    done: str = "runs/*/*/results.json"
    after: tuple[str, ...] = ()


JOBS = {
    "train": Job(("train", *_SMALL)),
    "terminated": Job(("train", *_SMALL), signal=signal.SIGTERM),
    "interrupted": Job(("train", *_SMALL), signal=signal.SIGINT),
    "gather": Job(
        ("train", *_SMALL, "collect.workers=2", "collect.steps=3000", "trainer.steps=2", "trainer.eval_every=0"),
        (0.02, 0.8),
    ),
    "store": Job(("train", *_SMALL, "collect.steps=6000", "trainer.steps=2", "trainer.eval_every=0"), (0.02, 0.5)),
    "save": Job(("train", *_SMALL, "trainer.save_every=1", "trainer.eval_every=0", "trainer.steps=40")),
    "rounds": Job(("train", *_SMALL, "rounds=2", "round_steps=100"), done="runs/*/*/rounds.json"),
    "improve": Job(
        (
            *("train", *_SMALL, "improve=imagination", "improve.steps=10", "improve.batch_size=8"),
            *("improve.horizon=2", "improve.beliefs=50"),
        ),
        (0.3, 1.0),
    ),
    "draft": Job(
        ("draft", "checkpoint=RUN", "drafter=medusa", "steps=20", "horizon=8", "rounds=2", "threads=1"),
        done="runs/*/*/draft-*.json",
        after=("train", "env=MiniGrid-Empty-5x5-v0", *_SIZES),  # steps of CartPole cannot be guessed
    ),
    "evaluate": Job(
        ("evaluate", "checkpoint=RUN", "episodes=20", "threads=1"),
        done="runs/*/*/evaluation-*.json",
        after=("train", *_SMALL),
    ),
}
