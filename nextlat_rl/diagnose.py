"""`python -m nextlat_rl.diagnose checkpoint=runs/<env>/<time>`: compare a world model's dreams with reality."""

from nextlat_rl.cli.app import run
from nextlat_rl.jobs.commands import DiagnoseCommand


def main() -> None:
    """Entry point."""

    def body(config: DiagnoseCommand, typed: list[str]) -> None:
        from nextlat_rl.cli.diagnose import diagnose  # loads torch, which --help and bad options do not wait for

        diagnose(config)

    run("diagnose", DiagnoseCommand, body)


if __name__ == "__main__":
    main()
