"""`python -m nextlat_rl.collect env=MiniGrid-FourRooms`: gather a data set."""

from nextlat_rl.cli.app import run
from nextlat_rl.jobs.commands import CollectCommand


def main() -> None:
    """Entry point."""

    def body(config: CollectCommand, typed: list[str]) -> None:
        from nextlat_rl.cli.collect import collect  # loads torch, which --help and bad options do not wait for

        collect(config, typed)

    run("collect", CollectCommand, body)


if __name__ == "__main__":
    main()
