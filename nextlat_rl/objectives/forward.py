"""One pass of the trunk and the heads over a batch, which every loss shares."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transition import TransitionParams
from nextlat_rl.spaces.distributions import inverse_cdf
from nextlat_rl.types import Batch


@dataclass
class Forward:
    """What the trunk and the heads give for a batch."""

    action_embedding: Tensor  # [B, L, D] emb(a_t)
    previous_action_embedding: Tensor  # [B, L, D] emb(a_{t-1})
    step_embedding: Tensor  # [B, L, D + N] emb(x_t)
    shared: Tensor  # [B, L, D] input of the trunk's last block
    belief: Tensor  # [B, L, D + N] h_t
    policy: Tensor  # [B, L, P]
    value: Tensor  # [B, L, P]
    afterstate: Tensor  # [B, L, D + N] g_t
    transition: TransitionParams  # [B, L, P] of each part by itself
    code: Tensor  # [B, L, G] z_t drawn from the encoder; meaningless where there is no next step


def forward(
    model: NextLat,
    batch: Batch,
    begin: Tensor | None = None,
    dropped: Collection[int] = (),
    generator: torch.Generator | None = None,
) -> Forward:
    """Run the trunk and every head over the windows of a batch.

    Args:
        model: the network.
        batch: the windows.
        begin: `[B, L, D]`, replaces emb(x_t) at an episode's first step and in column 0.
        dropped: numbers of the trunk's blocks that are skipped.
        generator: of the codes; by default the same ones at every call.
    """
    action_embedding, previous, x = embed_windows(model, batch)
    if begin is not None:
        embedding, numbers = model.split(x)
        x = torch.cat((torch.where(roots(batch)[..., None], begin, embedding), numbers), dim=-1)
    embedding, numbers = model.split(x)
    stream = model.trunk.stream(embedding, batch.segment, dropped=dropped)
    belief = torch.cat((model.trunk.norm(stream[-1]), numbers), dim=-1)
    afterstate = model.after(belief, action_embedding)
    return Forward(
        action_embedding=action_embedding,
        previous_action_embedding=previous,
        step_embedding=x,
        shared=stream[-2],
        belief=belief,
        policy=model.action.head(belief),
        value=model.value.head(belief),
        afterstate=afterstate,
        transition=model.transition(afterstate),
        code=draw_codes(model, batch, x, afterstate, generator),
    )


def embed_windows(model: NextLat, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """emb(a_t) `[B, L, D]`, emb(a_{t-1}) `[B, L, D]` and emb(x_t) `[B, L, D + N]` of a batch."""
    action_embedding = model.embed_action(batch.action)
    previous = torch.cat((model.embed_action(batch.previous_action[:, :1]), action_embedding[:, :-1]), dim=1)
    x = model.embed_step(previous, batch.previous_reward, batch.observation, batch.is_first)
    return action_embedding, previous, x


@torch.no_grad()
def draw_codes(
    model: NextLat, batch: Batch, x: Tensor, afterstate: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Codes `[B, L, G]` of a batch's answers, drawn from the encoder.

    Args:
        model: the network.
        batch: the windows.
        x: `[B, L, D + N]` emb(x_t).
        afterstate: `[B, L, D + N]` g_t.
        generator: of the draws.
    """
    if model.code is None:
        return model.no_code(afterstate)
    following = torch.cat((x[:, 1:], x[:, -1:]), dim=1)
    logits = model.code.posterior(model.split(afterstate)[0], model.split(following)[0], batch.terminated)
    generator = generator or torch.Generator().manual_seed(0)
    noise = torch.rand(logits.shape[:-1], generator=generator, dtype=torch.float32)
    return inverse_cdf(logits, noise.to(logits.device))


def roots(batch: Batch) -> Tensor:
    """Where histories begin, `[B, L]` bool: at an episode's first step and in column 0."""
    starts = batch.is_first.clone()
    starts[:, 0] = True
    return starts
