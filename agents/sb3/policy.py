"""An actor-critic policy for SB3 that starts as the world model's own: online training continues where data ended."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from nextlat_rl.envs.sb3.border import SB3Border
from nextlat_rl.errors import UserError
from nextlat_rl.spaces.categorical import DiscreteCodec, FieldsCodec, MultiDiscreteCodec
from nextlat_rl.spaces.scalar import ScalarCodec
from nextlat_rl.world_model import WorldModel


class BeliefPolicy(ActorCriticPolicy):
    """Policy and value on beliefs, before the first update exactly the world model's heads; for PPO, A2C and TRPO.

    Both are the world model's linear heads plus a small network on the belief whose last layer starts at zero. All of
    it is trained but the value head, whose estimate is one more feature of the critic; the world model is not touched:

        PPO(BeliefPolicy, make_belief_env(world_model, n_envs=8), policy_kwargs={"world_model": world_model})

    Args:
        observation_space: beliefs `[D]`; SB3 passes it.
        action_space: Discrete or MultiDiscrete; SB3 passes it.
        lr_schedule: of the optimiser; SB3 passes it.
        world_model: the trained model.
        **kwargs: SB3's, such as `net_arch` of the small network.

    Raises:
        UserError: observations that are not this world model's beliefs, or actions that are not discrete.
    """

    def __init__(
        self,
        observation_space: gym.Space,
        action_space: gym.Space,
        lr_schedule: Schedule,
        world_model: WorldModel,
        **kwargs: Any,
    ) -> None:
        width = world_model.belief_size
        if observation_space.shape != (width,):
            raise UserError(
                f"BeliefPolicy reads this world model's beliefs [{width}], not {observation_space}: "
                "make the environment by make_belief_env(world_model)"
            )
        codec = world_model.action_codec
        if not isinstance(codec, (DiscreteCodec, MultiDiscreteCodec)) or action_space != SB3Border(codec.space).inside:
            raise UserError(
                f"BeliefPolicy starts from a policy over discrete actions, not from {codec.space} for {action_space}: "
                'use "MlpPolicy"'
            )
        self._world_model = world_model
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        """SB3's networks and optimiser, then the world model's weights in place of the random ones."""
        super()._build(lr_schedule)
        codec = self._world_model.action_codec
        assert isinstance(codec, FieldsCodec)
        weight, bias = policy_weights(codec)
        with torch.no_grad():
            for parameter in (*self.action_net.parameters(), *self.value_net.parameters()):
                parameter.zero_()
            self.action_net.get_parameter("weight")[:, : self.features_dim] = weight
            self.action_net.get_parameter("bias").copy_(bias)
            self.value_net.weight[:, 0] = 1.0

    def _build_mlp_extractor(self) -> None:
        super()._build_mlp_extractor()
        latents: Any = _Latents(self.mlp_extractor, self.features_dim, self._world_model.value_codec)
        self.mlp_extractor = latents

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"world_model": self._world_model}


class _Latents(nn.Module):
    """Inputs of SB3's linear heads: the belief, or V(h), joined with the output of a small network on the belief."""

    def __init__(self, network: Any, width: int, value: ScalarCodec) -> None:
        super().__init__()
        self.network = network
        self.value = deepcopy(value).requires_grad_(False)
        self.latent_dim_pi = width + network.latent_dim_pi
        self.latent_dim_vf = 1 + network.latent_dim_vf

    def apply(self, fn: Callable[[nn.Module], None]) -> "_Latents":
        """Spare the value: SB3's policies initialise all linear layers anew through this method."""
        self.network.apply(fn)
        return self

    def forward(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, D]` to the actor's and the critic's latents."""
        return self.forward_actor(belief), self.forward_critic(belief)

    def forward_actor(self, belief: Tensor) -> Tensor:
        """`[B, D]` to `[B, D + L]`."""
        return torch.cat((belief, self.network.forward_actor(belief)), -1)

    def forward_critic(self, belief: Tensor) -> Tensor:
        """`[B, D]` to `[B, 1 + L]`."""
        with torch.no_grad():
            value = self.value.mean(self.value.head(belief))
        return torch.cat((value[:, None], self.network.forward_critic(belief)), -1)


def policy_weights(codec: FieldsCodec) -> tuple[Tensor, Tensor]:
    """Weights `[P, D]` and bias `[P]` of the policy's logits in SB3's order: field after field, class after class."""
    counts, _ = codec.fields(codec.space)
    classes = zip(counts.reshape(-1).tolist(), codec.stored_stride.tolist(), codec.stored_base.tolist(), strict=True)
    order = [k * stride + base for count, stride, base in classes for k in range(count)]
    return codec.logits.weight.detach()[order], codec.logits.bias.detach()[order]
