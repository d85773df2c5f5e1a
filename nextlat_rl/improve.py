"""`python -m nextlat_rl.improve checkpoint=runs/<env>/<time>`: a better policy from the same data."""

from nextlat_rl.cli.app import run
from nextlat_rl.jobs.commands import ImproveCommand


def main() -> None:
    """Entry point."""

    def body(config: ImproveCommand, typed: list[str]) -> None:
        from nextlat_rl.cli.improve import improve  # loads torch, which --help and bad options do not wait for

        improve(config)

    run("improve", ImproveCommand, body)


if __name__ == "__main__":
    main()
