"""`python -m nextlat_rl.plan checkpoint=runs/<env>/<time>`: one decision of a planner, drawn."""

from nextlat_rl.cli.app import run
from nextlat_rl.jobs.commands import PlanCommand


def main() -> None:
    """Entry point."""

    def body(config: PlanCommand, typed: list[str]) -> None:
        from nextlat_rl.cli.plan import plan  # loads torch, which --help and bad options do not wait for

        plan(config)

    run("plan", PlanCommand, body)


if __name__ == "__main__":
    main()
