"""Drafters and their weights by name."""

import torch

from nextlat_rl.drafting.config import DRAFTERS
from nextlat_rl.drafting.drafter import Drafter
from nextlat_rl.drafting.net import DrafterNet
from nextlat_rl.errors import UserError
from nextlat_rl.world_model import WorldModel


def needs_training(name: str) -> bool:
    """Whether the drafter has weights of its own.

    Raises:
        UserError: there is no such drafter.
    """
    return DRAFTERS.load(name).net_class is not None


def make_net(world_model: WorldModel, name: str) -> DrafterNet:
    """Untrained weights of a drafter that needs training, of a size that fits the trunk; `train_drafter` trains them.

    Raises:
        UserError: there is no such drafter, or it has no weights.
    """
    net_class = DRAFTERS.load(name).net_class
    if net_class is None:
        raise UserError(f"drafter={name} has no weights to train: use it as it is")
    model = world_model.model
    net: DrafterNet = net_class(model).to(world_model.device, torch.float32)
    return net


def make_drafter(world_model: WorldModel, name: str, net: DrafterNet | None = None) -> Drafter:
    """A drafter for the trunk of `world_model`.

    Args:
        world_model: its network is the trunk.
        name: a module of `drafting/drafters`.
        net: trained weights, from `train_drafter` or `load_net`, of a drafter that needs them.

    Raises:
        UserError: there is no such drafter, its weights are missing, it does not fit the observations, or the latent
            dynamics that it uses were not trained.
    """
    drafter_class = DRAFTERS.load(name)
    if drafter_class.net_class is not None and not isinstance(net, drafter_class.net_class):
        raise UserError(
            f"drafter={name} needs trained weights: train them with python -m nextlat_rl.draft checkpoint=<run> "
            f"drafter={name}, and load them with load_net"
        )
    if drafter_class.uses_dynamics:
        world_model.check_dynamics(f"drafter={name}", ", or use drafter=eagle")
    made: Drafter = drafter_class(world_model.model, net)
    return made
