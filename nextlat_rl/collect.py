"""`python -m nextlat_rl.collect env=... behaviour=...`: gather trajectories into a Minari data set."""

from __future__ import annotations

from nextlat_rl.cli.app import run
from nextlat_rl.config import CollectCommand


def main() -> None:
    """Entry point."""

    def body(config: CollectCommand, typed: list[str]) -> None:
        from nextlat_rl.jobs.collection import collect

        collect(config)

    run("collect", CollectCommand, body)


if __name__ == "__main__":
    main()
