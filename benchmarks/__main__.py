"""`python -m benchmarks suite=train`: the figures of the README, measured."""

from __future__ import annotations

from nextlat_rl.cli.app import run
from nextlat_rl.config import BenchmarkConfig


def main() -> None:
    """Entry point."""

    def body(config: BenchmarkConfig, typed: list[str]) -> None:
        from benchmarks.run import benchmark

        benchmark(config)

    run("benchmark", BenchmarkConfig, body)


if __name__ == "__main__":
    main()
