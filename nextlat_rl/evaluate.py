"""`python -m nextlat_rl.evaluate checkpoint=... episodes=500`: the agent's score on fresh seeds."""

from __future__ import annotations

from nextlat_rl.cli.app import run
from nextlat_rl.config import EvaluateConfig


def main() -> None:
    """Entry point."""

    def body(config: EvaluateConfig, typed: list[str]) -> None:
        from nextlat_rl.jobs.evaluation import evaluate

        evaluate(config)

    run("evaluate", EvaluateConfig, body)


if __name__ == "__main__":
    main()
