"""`python -m nextlat_rl.train env=MiniGrid-FourRooms`: gather data, train, evaluate, keep the result."""

from __future__ import annotations

from nextlat_rl.cli import run
from nextlat_rl.config import TrainConfig


def main() -> None:
    """Entry point."""
    run("train", TrainConfig, train)


def train(config: TrainConfig) -> None:
    """Run the main job."""
    print(config)


if __name__ == "__main__":
    main()
