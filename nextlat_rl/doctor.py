"""`python -m nextlat_rl.doctor env=CartPole-v1`: can the main job work, and what would it take?"""

from nextlat_rl.cli.app import run
from nextlat_rl.jobs.config import TrainConfig


def main() -> None:
    """Entry point."""

    def body(config: TrainConfig, typed: list[str]) -> None:
        from nextlat_rl.cli.doctor import doctor  # loads torch, which --help and bad options do not wait for

        doctor(config)

    run("doctor", TrainConfig, body)


if __name__ == "__main__":
    main()
