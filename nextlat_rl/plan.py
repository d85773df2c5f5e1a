"""`python -m nextlat_rl.plan checkpoint=...`: one decision, drawn: what was compared and why the best won."""

from __future__ import annotations

from nextlat_rl.cli.app import run
from nextlat_rl.config import PlanConfig


def main() -> None:
    """Entry point."""

    def body(config: PlanConfig, typed: list[str]) -> None:
        from nextlat_rl.cli.plan import plan

        plan(config)

    run("plan", PlanConfig, body)


if __name__ == "__main__":
    main()
