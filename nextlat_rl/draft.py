"""`python -m nextlat_rl.draft checkpoint=runs/<env>/<time>`: a drafter, trained and raced."""

from nextlat_rl.cli.app import run
from nextlat_rl.jobs.commands import DraftCommand


def main() -> None:
    """Entry point."""

    def body(config: DraftCommand, typed: list[str]) -> None:
        from nextlat_rl.cli.draft import draft  # loads torch, which --help and bad options do not wait for

        draft(config)

    run("draft", DraftCommand, body)


if __name__ == "__main__":
    main()
