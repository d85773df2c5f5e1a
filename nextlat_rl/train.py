"""`python -m nextlat_rl.train env=MiniGrid-FourRooms`: gather data, train, evaluate, keep the result."""

from nextlat_rl.cli.app import run
from nextlat_rl.jobs.config import TrainConfig


def main() -> None:
    """Entry point."""

    def body(config: TrainConfig, typed: list[str]) -> None:
        from nextlat_rl.cli.train import train  # loads torch, which --help and bad options do not wait for

        train(config, typed)

    def follow() -> None:
        from nextlat_rl.jobs.ranks import follow

        follow()

    run("train", TrainConfig, body, follow)


if __name__ == "__main__":
    main()
