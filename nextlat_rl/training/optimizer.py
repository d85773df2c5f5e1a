"""The optimiser: Muon for the matrices inside the networks, AdamW for everything else."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from nextlat_rl.training.config import TrainerConfig

# Embeddings, heads, norms and biases are AdamW's, as Muon's author has it.
_HIDDEN = ("trunk.blocks.", "dynamics_net.", "after_net.", "decode_net.", "code.encoder.", "code.context.")

_STATE: dict[type[torch.optim.Optimizer], tuple[str, ...]] = {
    torch.optim.AdamW: ("step", "exp_avg", "exp_avg_sq"),
    torch.optim.Muon: ("momentum_buffer",),
}


class Optimizer:
    """Several optimisers of different weights as one.

    Args:
        parts: the optimisers.
        peaks: the peak learning rate of each.
    """

    def __init__(self, parts: Sequence[torch.optim.Optimizer], peaks: Sequence[float]) -> None:
        self.parts, self.peaks = parts, peaks

    def scale_learning_rate(self, factor: float) -> None:
        """Set the learning rates to `factor` times their peaks."""
        for part, peak in zip(self.parts, self.peaks, strict=True):
            for group in part.param_groups:
                group["lr"] = factor * peak

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def step(self) -> None:
        """One step of all."""
        for part in self.parts:
            part.step()

    def tensors(self) -> dict[str, Tensor]:
        """The whole state by name, for a checkpoint."""
        return {
            f"{i}.{j}.{name}": value.contiguous()
            for i, part in enumerate(self.parts)
            for j, entry in part.state_dict()["state"].items()
            for name, value in entry.items()
        }

    def expected(self, saved: Collection[str], begun: bool) -> dict[str, Tensor]:
        """Tensors of the names, shapes and types that the state has of those weights that are among `saved`.

        Weights that the objective does not use have none.

        Args:
            saved: names, as `tensors` gives them.
            begun: whether a step has been taken; before it there is no state at all.

        Raises:
            ValueError: it is the state of other optimisers.
        """
        numbers = {name.partition(".")[0] for name in saved}
        if numbers != {str(i) for i in range(len(self.parts) if begun else 0)}:
            raise ValueError(f"the state of {len(numbers)} optimisers for {len(self.parts)}: trainer.optimizer differs")
        weights = {name.rpartition(".")[0] for name in saved}
        return {
            f"{i}.{j}.{name}": torch.empty(()) if name == "step" else weight
            for i, part in enumerate(self.parts)
            for j, weight in enumerate(weight for group in part.param_groups for weight in group["params"])
            for name in _STATE[type(part)]
            if f"{i}.{j}" in weights
        }

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave, of the names and shapes of `expected`.

        Raises:
            ValueError: a mean of squares or a count of steps is negative.
        """
        states: list[dict[int, dict[str, Tensor]]] = [{} for _ in self.parts]
        for key, value in tensors.items():
            part, index, name = key.split(".", 2)
            if name in ("step", "exp_avg_sq") and (value < 0).any():
                raise ValueError(f"{key} is negative")
            states[int(part)].setdefault(int(index), {})[name] = value
        for optimizer, state in zip(self.parts, states, strict=True):
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def make_optimizer(model: nn.Module, settings: TrainerConfig) -> Optimizer:
    """The optimiser that `settings.optimizer` names; weight decay is on matrices only.

    `muon` is Muon (Jordan et al. 2024) for matrices inside the networks; AdamW has the betas of arXiv 2511.05963, Table
    5.
    """
    named = list(model.named_parameters())
    muon = settings.optimizer == "muon"
    hidden = [p for name, p in named if muon and p.ndim == 2 and name.startswith(_HIDDEN)]
    chosen = {id(p) for p in hidden}
    groups = [
        {"params": [p for _, p in named if p.ndim >= 2 and id(p) not in chosen], "weight_decay": settings.weight_decay},
        {"params": [p for _, p in named if p.ndim < 2], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.95), fused=True)
    if not hidden:
        return Optimizer([adamw], [settings.learning_rate])
    rate = settings.muon_learning_rate
    return Optimizer(
        [torch.optim.Muon(hidden, lr=rate, weight_decay=settings.weight_decay, momentum=0.95), adamw],
        [rate, settings.learning_rate],
    )
