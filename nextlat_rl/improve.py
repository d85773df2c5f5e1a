"""`python -m nextlat_rl.improve checkpoint=...`: a better policy from the same data."""

from __future__ import annotations

from nextlat_rl.cli.app import run
from nextlat_rl.config import ImproveConfig


def main() -> None:
    """Entry point."""

    def body(config: ImproveConfig, typed: list[str]) -> None:
        from nextlat_rl.cli.improve import improve

        improve(config)

    run("improve", ImproveConfig, body)


if __name__ == "__main__":
    main()
