"""`python -m nextlat_rl.draft checkpoint=...`: train a drafter and race it against drawing one step at a time."""

from __future__ import annotations

from nextlat_rl.cli.app import run
from nextlat_rl.config import DraftConfig


def main() -> None:
    """Entry point."""

    def body(config: DraftConfig, typed: list[str]) -> None:
        from nextlat_rl.cli.draft import draft

        draft(config)

    run("draft", DraftConfig, body)


if __name__ == "__main__":
    main()
