"""Run by a Python that has sheeprl: with one latent of two classes all latent sequences can be summed over.

The evidence lower bound that `bits` gives, averaged over its draws, must lie below log p(x_1, x_2 | x_0), where the
latent state of x_0 is drawn from its posterior.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "rivals" / "worlds"))
import sheeprl_script as script

SPEC = {
    "cardinality": np.array([3, 2]),
    "numbers": np.array(1),
    "action_table": np.eye(2, dtype=np.float32),
    "action_dimensions": np.array(1),
    "rewards": np.array(2),
}


def rows() -> dict[str, np.ndarray]:
    """An episode of three rows, `[T, 1]`; the last ends it."""
    action = np.eye(2, dtype=np.float32)[[0, 1, 0]][:, None]
    return {
        "fields": np.array([[0, 1], [2, 0], [1, 1]])[:, None],
        "numbers": np.array([[0.3], [-0.5], [1.2]], np.float32)[:, None],
        "action": action,
        "is_first": np.array([1, 0, 0], np.float32)[:, None],
        "ended": np.array([False, False, True])[:, None],
        "reward_lower": np.array([0, 0, 1])[:, None],
        "reward_weight": np.zeros((3, 1), np.float32),
        "counted": np.array([False, True, True])[:, None],
    }


def answer_log_prob(model: script.Model, batch: dict[str, torch.Tensor], t: int, latent: torch.Tensor) -> torch.Tensor:
    """log p(r, end, o | latent) of row t."""
    decoded = model.decoder(latent)
    fields = model.fields_log_prob(decoded["fields"], batch["fields"][t])
    numbers = model.numbers_log_density(decoded["numbers"], batch["numbers"][t])
    reward = script.two_hot_log_prob(model.reward(latent), batch["reward_lower"][t], batch["reward_weight"][t])
    end = F.logsigmoid(torch.where(batch["ended"][t], -1.0, 1.0) * model.go_on(latent)[..., 0])
    return (fields + numbers + reward + end)[0]


def exact(model: script.Model, batch: dict[str, torch.Tensor]) -> float:
    """log p(x_1, x_2 | x_0), summed over the eight sequences of three latents."""
    embedded = model.embed(batch["fields"], batch["numbers"])
    terms = []
    for latents in itertools.product(range(2), repeat=3):
        recurrent, posterior = model.start(1)
        total = torch.zeros(())
        for t, chosen in enumerate(latents):
            first = batch["is_first"][t : t + 1, :, None]
            recurrent, _, q = model.rssm.dynamic(
                posterior, recurrent, batch["action"][t : t + 1], embedded[t : t + 1], first
            )
            logits = q if t == 0 else model.rssm.prior_logits(recurrent)
            total = total + logits.view(2).log_softmax(-1)[chosen]
            posterior = F.one_hot(torch.tensor(chosen), 2).float().view(1, 1, 1, 2)
            if t:
                total = total + answer_log_prob(model, batch, t, torch.cat([posterior.flatten(-2), recurrent], -1)[0])
        terms.append(total)
    return float(torch.logsumexp(torch.stack(terms), 0))


@torch.no_grad()
def main() -> None:
    """Compare for several models, the last of them sure of its latents."""
    script.GROUPS, script.CLASSES = 1, 2
    for seed in range(4):
        torch.manual_seed(seed)
        server = script.Server()
        server.model = script.Model(SPEC, 16)
        for last in (server.model.rssm.transition_model.model[-1], server.model.rssm.representation_model.model[-1]):
            torch.nn.init.normal_(last.weight, std=0.5)
        torch.nn.init.normal_(server.model.decoder.heads[0].weight, std=0.3)
        arrays = rows()
        repeated = {name: np.repeat(array, 4096, 1) for name, array in arrays.items()}
        bound = -sum(server.bits(**repeated).values()) / 4096
        likelihood = exact(server.model, {name: torch.from_numpy(array) for name, array in arrays.items()})
        print(f"bound {bound:.4f}, log-likelihood {likelihood:.4f}")
        assert bound < likelihood + 1e-3, (bound, likelihood)
        assert likelihood - bound < 5.0, (bound, likelihood)


if __name__ == "__main__":
    main()
