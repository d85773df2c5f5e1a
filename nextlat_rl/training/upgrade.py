"""Configs of older checkpoints in today's layout."""

from __future__ import annotations

from typing import Any

FORMAT = 3


def upgraded(config: Any) -> dict[str, Any]:
    """A checkpoint's config in format `FORMAT`; a new dictionary unless it is in that format already.

    Args:
        config: what its config.json holds; format 2 or 3.

    Raises:
        ValueError: another format.
        KeyError, TypeError, AttributeError: it is not a checkpoint's config at all.

    """
    if config["format"] == FORMAT:
        return dict(config)
    if config["format"] != 2:
        raise ValueError(f"format {config['format']}")
    model = dict(config["model"])
    name, horizon = model.pop("baseline"), model.pop("horizon")
    modules = {"name": name, "horizon": horizon} if name else None
    return config | {"format": FORMAT, "model": model, "training_modules": modules}
