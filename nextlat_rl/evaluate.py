"""`python -m nextlat_rl.evaluate checkpoint=runs/<env>/<time>`: score a trained agent on fresh seeds."""

from nextlat_rl.cli.app import run
from nextlat_rl.jobs.commands import EvaluateCommand


def main() -> None:
    """Entry point."""

    def body(config: EvaluateCommand, typed: list[str]) -> None:
        from nextlat_rl.cli.evaluate import evaluate  # loads torch, which --help and bad options do not wait for

        evaluate(config)

    run("evaluate", EvaluateCommand, body)


if __name__ == "__main__":
    main()
