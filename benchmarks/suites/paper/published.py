"""The paper's own figures (arXiv 2511.05963; tables 1-5, figures read off), by part, model and measure."""

from __future__ import annotations

_STREET_MAP = ("valid trajectories", "compression", "effective rank", "detour robustness")
# Path-Star G(2, 10) and G(5, 5): two and five arms.
_TWO_ARMS = {"gpt": "0.49", "bst": "0.99", "mtp": "0.66", "jtp": "0.70", "nextlat": "0.97"}
_FIVE_ARMS = {"gpt": "0.19", "bst": "1.0", "mtp": "0.21", "jtp": "0.47", "nextlat": "1.0"}
# Countdown at d = 4 and d = 8, the horizons of the small and of the full size.
_COUNTDOWN = {
    "cpu": {"gpt": "0.331", "bst": "0.423", "mtp": "0.497", "jtp": "0.494", "nextlat": "0.576"},
    "full": {"gpt": "0.331", "bst": "0.423", "mtp": "0.573", "jtp": "0.550", "nextlat": "0.587"},
}

_ANY_SIZE: dict[str, dict[str, dict[str, str]]] = {
    "StreetMap": {
        model: dict(zip(_STREET_MAP, figures, strict=True))
        for model, figures in {
            "gpt": ("0.970", "0.65", "160.1", "0.85"),
            "mtp": ("0.981", "0.64", "57.7", "0.95"),
            "jtp": ("0.971", "0.32", "215.8", "0.87"),
            "nextlat": ("0.987", "0.71", "52.7", "0.95"),
        }.items()
    },
    # The paper's words are of A5, and three times as long as those trained on.
    "WordProblem": {"nextlat, recurrent": {"length 36 (3x)": "> 0.95", "length 6 (3x)": "> 0.95"}},
}

# Seconds of a training step beside GPT's at d = 1, 2, 8, from the paper's steps per second (Table 4); BST has no d.
STEP_COST = {
    "nextlat": {1: 1.00, 2: 1.11, 8: 1.79},
    "mtp": {1: 1.10, 2: 1.20, 8: 1.82},
    "jtp": {1: 0.98, 2: 1.06, 8: 1.53},
    "bst": {1: 3.47},
}


def cost_name(objective: str, horizon: int) -> str:
    """The model of a row of the cost of a step."""
    return objective if objective == "bst" else f"{objective}, d = {horizon}"


def published(part: str, size: str, model: str, measure: str) -> str:
    """The paper's figure of its nearest task; empty where it has none."""
    if part.startswith("step-cost"):
        costs = {cost_name(name, d): cost for name, by_horizon in STEP_COST.items() for d, cost in by_horizon.items()}
        return f"{costs[model]:.2f}"
    if part == "Countdown":
        return _COUNTDOWN[size].get(model, "")
    if part.startswith("PathStar"):
        arms = _FIVE_ARMS if size != "cpu" else _TWO_ARMS if part in ("PathStar", "PathStar-2x5") else {}
        return arms.get(model, "")
    return _ANY_SIZE.get(part, {}).get(model, {}).get(measure, "")
