"""What is minimised: the next-token losses, and on top of them NextLat's two latent losses.

`objective=gpt` is the next-token part alone: the policy, value, reward, termination and observation heads on a causal
transformer. `objective=mtp|jtp|bst` add what `nextlat_rl/models/baselines` says. `objective=nextlat` adds, over
roll-outs of the latent dynamics from a random subset of positions,
`lambda_h * SmoothL1(sg[h_{t+i}], h^_{t+i}) + lambda_KL * KL(p(. | sg[h_{t+i}]) || p(. | h^_{t+i}))` (arXiv 2511.05963,
eqs. 3-5), once with the observations in the roll-out (grounded) and once without them (open loop).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nextlat_rl.errors import UserError
from nextlat_rl.models.nextlat import NextLat, TransitionParams
from nextlat_rl.models.transformer import dropped_layers
from nextlat_rl.objectives.returns import lambda_returns
from nextlat_rl.objectives.weights import prompts, token_weights, weighted_mean
from nextlat_rl.types import Batch

_FULL_HORIZON = 12


@dataclass
class ObjectiveConfig:
    """Weights of the losses.

    Attributes:
        name: `nextlat`, `gpt` for the next-token losses alone, or a baseline: `mtp`, `jtp`, `bst`.
        horizon: d, how many steps the latent dynamics is rolled out in training. `mtp` and `jtp` predict as many tokens
            beyond the next one; the model is built for it.
        latent_weight: lambda_h of eq. 3.
        kl_weight: lambda_KL of eq. 3.
        latent_warmup: share of training over which both rise to these from 0. What is learned in stages is learned
            sooner while beliefs need not be predictable yet.
        latent_warmup_power: 1 rises linearly, 2 with the square: longer next to nothing, then quickly.
        open_loop_weight: both latent losses' weight, once more, on open-loop roll-outs: what an observation would have
            told can't be predicted, and at full weight that noise drowns the grounded roll-outs.
        start_fraction: share of a batch's positions from which the dynamics is rolled out; beyond a horizon of 12
            proportionally fewer, so that a longer horizon does not make a training step slower.
        min_rollouts: roll out from at least so many, as small batches need.
        pair_fraction: bst: share of an episode's pairs of prefix and suffix that a step draws.
        observation_weight: weight of the observation's loss, a sum over its parts.
        prompt_weight: weight in every token loss of a token whose action is the last of a Discrete space. In the
            paper's tasks that is `wait`, and the token is a prompt's: 0 masks prompts as the paper does.
        start_in_prompts: whether the dynamics is rolled out from prompts, too, as in the paper. There a belief is asked
            to be ready for every question that may follow.
        value_weight: weight of the value loss.
        layer_dropout: chance that a step does without the trunk's last block, falling to 0 at the first: for a trunk
            that `drafter=layerskip` will leave early, or one in which the last blocks are to use what the first find.
        policy_temperature: behaviour cloning weights each step by exp(advantage / temperature), in units of the
            batch's advantage spread; 0 clones without weights.
        policy_baseline: what the advantage is over: the `value` of the belief, or the batch's `mean` return. A belief
            knows from its past which of several behaviours acts, and then its value leaves a good one no advantage.
        discount: per-step discount of the value.
        lambda_: mix of the value's targets, 0 one-step, 1 Monte Carlo.

    """

    name: str = "nextlat"
    horizon: int = 12
    latent_weight: float = 1.0
    kl_weight: float = 1.0
    latent_warmup: float = 0.0
    latent_warmup_power: float = 1.0
    open_loop_weight: float = 0.1
    start_fraction: float = 0.08
    min_rollouts: int = 160
    pair_fraction: float = 0.1
    observation_weight: float = 0.1
    prompt_weight: float = 1.0
    start_in_prompts: bool = True
    value_weight: float = 0.5
    layer_dropout: float = 0.0
    policy_temperature: float = 0.0
    policy_baseline: str = "value"
    discount: float = 0.99
    lambda_: float = 0.95

    def after(self, progress: float) -> ObjectiveConfig:
        """The weights once a share `progress` of training is done."""
        if progress >= self.latent_warmup:
            return self
        come_in = (progress / self.latent_warmup) ** self.latent_warmup_power
        return replace(self, latent_weight=self.latent_weight * come_in, kl_weight=self.kl_weight * come_in)


@dataclass
class Forward:
    """One pass of the trunk and the heads over a batch, reused by every loss."""

    action_embedding: Tensor  # [B, L, D] emb(a_t)
    previous_action_embedding: Tensor  # [B, L, D] emb(a_{t-1})
    step_embedding: Tensor  # [B, L, D] emb(x_t)
    shared: Tensor  # [B, L, D] what the trunk's last block reads
    belief: Tensor  # [B, L, D] h_t
    policy: Tensor  # [B, L, P]
    value: Tensor  # [B, L, P]
    transition: TransitionParams  # [B, L, P]


def forward(model: NextLat, batch: Batch, begin: Tensor | None = None, dropped: Collection[int] = ()) -> Forward:
    """Run the trunk and every head over the windows of a batch.

    `begin: [B, L, D]`, if given, stands in place of emb(x_t) at an episode's first step and in column 0. The trunk does
    without the blocks whose numbers are among `dropped`.
    """
    action_embedding = model.embed_action(batch.action)
    previous = torch.cat((model.embed_action(batch.previous_action[:, :1]), action_embedding[:, :-1]), dim=1)
    x = model.embed_step(previous, batch.previous_reward, batch.observation, batch.is_first)
    if begin is not None:
        x = torch.where(roots(batch)[..., None], begin, x)
    stream = model.trunk.stream(x, batch.segment, dropped=dropped)
    belief = model.trunk.norm(stream[-1])
    return Forward(
        action_embedding=action_embedding,
        previous_action_embedding=previous,
        step_embedding=x,
        shared=stream[-2],
        belief=belief,
        policy=model.action.head(belief),
        value=model.value.head(belief),
        transition=model.transition(model.after(belief, action_embedding)),
    )


def roots(batch: Batch) -> Tensor:
    """Where a window's histories begin, `[B, L]` bool: at an episode's first step and in column 0."""
    starts = batch.is_first.clone()
    starts[:, 0] = True
    return starts


def next_token_losses(model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig) -> dict[str, Tensor]:
    """Mean negative log-likelihood of every part of the next token, and the value loss; scalars, unweighted."""
    answered = batch.has_next
    acted = token_weights(model, batch, config.prompt_weight)
    seen = torch.where(answered, acted, 0.0)
    value = model.value.mean(out.value.detach())
    target = lambda_returns(batch.reward, batch.terminated, value, answered, config.discount, config.lambda_)
    baseline = value if config.policy_baseline == "value" else weighted_mean(target, answered)
    weight = policy_weights(target - baseline, answered, config.policy_temperature)
    policy = -(weight * model.action.log_prob(out.policy, batch.action))
    # Shifting the observations, with filling in the last column, is cheaper than cutting a column off the predictions.
    following = {name: torch.cat((leaf[:, 1:], leaf[:, -1:]), dim=1) for name, leaf in batch.observation.items()}
    return {
        "policy": weighted_mean(policy, acted),
        "value": weighted_mean(-model.value.log_prob(out.value, target), answered),
        "reward": weighted_mean(-model.reward_log_prob(out.transition, batch.reward, batch.terminated), acted),
        "end": weighted_mean(-model.end_log_prob(out.transition, batch.terminated), acted),
        "observation": weighted_mean(model.observation_loss(out.transition, following), seen),
    }


def policy_weights(advantage: Tensor, known: Tensor, temperature: float) -> Tensor:
    """Advantage weights of behaviour cloning, `[B, L]`, mean 1 over the `known` steps (AWR, arXiv 1910.00177).

    The advantage is measured in standard deviations of the batch, so one temperature fits every reward scale.
    """
    if temperature == 0:
        return torch.ones_like(advantage)
    scale = advantage[known].std().clamp_min(1e-6) if known.sum() > 1 else advantage.new_ones(())
    weight = torch.where(known, (advantage / (temperature * scale)).clamp(-10, 3).exp(), 1.0)
    return weight / weighted_mean(weight, known).clamp_min(1e-6)


def latent_losses(
    model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Smooth-L1 and KL of the grounded and the open-loop roll-outs, means over steps that stay inside an episode.

    The heads cost more than the dynamics, so the KL's mean is estimated on a random subset of the rolled-out steps, as
    many as there are roll-outs. With a `open_loop_weight` of 0, as in the paper, nothing is rolled out open loop.
    """
    may_start = batch.has_next
    if not config.start_in_prompts:
        may_start = may_start & ~prompts(model, batch, "start_in_prompts=false")
    row, column = rollout_starts(may_start, start_count(batch.has_next.numel(), config), generator)
    last = batch.has_next.shape[1] - 1
    columns = column + torch.arange(1, config.horizon + 1, device=column.device)[:, None]  # [H, S]
    alive = ((columns <= last) & batch.has_next[row, (columns - 1).clamp_max(last)]).cumprod(0)
    at = (row.expand_as(columns), columns.clamp_max(last))
    # One look-up for all steps: each has a backward pass over a whole batch of embeddings.
    steps = out.step_embedding[at][:, None]  # [H, 1, S, D]
    start = out.belief[row, column]
    belief = start[None]
    if config.open_loop_weight:
        # Open-loop roll-outs start from a detached belief: they learn to predict its mean future without asking the
        # belief itself to forget what only an observation can tell.
        belief = torch.stack((start, start.detach()))
        steps = torch.cat((steps, model.embed_open_loop(out.previous_action_embedding[at])[:, None]), dim=1)
    beliefs = []
    for step_embedding in steps.unbind():
        belief = model.dynamics(belief, step_embedding)
        beliefs.append(belief)
    inside = alive.flatten().nonzero().squeeze(1)
    at = (at[0].flatten()[inside], at[1].flatten()[inside])
    rolled = torch.cat(beliefs, 1)[:, inside]  # [1 or 2, R, D], grounded and open loop
    smooth_l1 = F.smooth_l1_loss(rolled, out.belief[at].detach().expand_as(rolled), reduction="none").mean(2)
    chosen = random_subset(inside.numel(), row.numel(), generator).to(row.device)
    kl = head_kl(model, batch, out, (at[0][chosen], at[1][chosen]), rolled[:, chosen], config)
    return {
        f"{name}{kind}": loss.sum() / max(loss.numel(), 1)  # 0 where nothing was rolled out
        for name, losses in (("latent", smooth_l1), ("kl", kl))
        for kind, loss in zip(("", "_open_loop"), losses, strict=False)
    }


def start_count(positions: int, config: ObjectiveConfig) -> int:
    """From how many of a batch's positions the dynamics is rolled out."""
    wanted = max(config.start_fraction * positions, config.min_rollouts)
    return max(1, round(wanted * min(1.0, _FULL_HORIZON / config.horizon)))


def rollout_starts(may_start: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows and columns `[S]` of up to `count` random positions among those that `may_start: [B, L]`."""
    candidates = may_start.flatten().nonzero().squeeze(1)
    chosen = candidates[random_subset(candidates.numel(), count, generator).to(candidates.device)]
    return chosen // may_start.shape[1], chosen % may_start.shape[1]


def random_subset(total: int, count: int, generator: torch.Generator) -> Tensor:
    """Up to `count` different numbers below `total`, in random order."""
    return torch.randperm(total, generator=generator)[:count]


def head_kl(
    model: NextLat, batch: Batch, out: Forward, at: tuple[Tensor, Tensor], belief: Tensor, config: ObjectiveConfig
) -> Tensor:
    """KL between what the heads say of the true beliefs at `at` (`[R]` rows, columns) and of `belief: [*, R, D]`.

    The sum over the policy, the value, and the answer to the action that was really taken, where there was one;
    `[*, R]`. The heads' own weights are frozen.
    """

    def target(parameters: Tensor) -> Tensor:
        chosen = parameters.detach()[at]
        return chosen.expand(*belief.shape[:-2], *chosen.shape)

    true = TransitionParams(
        target(out.transition.end),
        target(out.transition.reward),
        {name: target(parameters) for name, parameters in out.transition.observation.items()},
    )
    with model.frozen_heads():
        guess = model.transition(model.after(belief, target(out.action_embedding)))
        policy = model.action.kl(target(out.policy), model.action.head(belief))
        value = model.value.kl(target(out.value), model.value.head(belief))
        observation = config.observation_weight * model.observation_kl(true, guess)
        answer = model.reward_and_end_kl(true, guess) + observation
    return torch.where(batch.has_action[at], policy + answer, 0.0) + config.value_weight * value


def total_loss(losses: dict[str, Tensor], config: ObjectiveConfig) -> Tensor:
    """The weighted sum that is minimised."""
    weights = {
        "policy": 1.0,
        "value": config.value_weight,
        "reward": 1.0,
        "end": 1.0,
        "observation": config.observation_weight,
        "latent": config.latent_weight,
        "latent_open_loop": config.open_loop_weight * config.latent_weight,
        "kl": config.kl_weight,
        "kl_open_loop": config.open_loop_weight * config.kl_weight,
        "latent_finetune": config.latent_weight,
        "kl_finetune": config.kl_weight,
        "ahead": 1.0,
        "pair_next": 1.0,
        "pair_previous": 1.0,
    }
    return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()


def compute_losses(
    model: NextLat, batch: Batch, config: ObjectiveConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Every loss of `config.name` on a batch, as unweighted scalars.

    Raises:
        UserError: the objective is a baseline that the model was not built for.

    """
    rate = config.layer_dropout
    dropped = dropped_layers(len(model.trunk.blocks), rate, generator) if rate else ()
    out = forward(model, batch, dropped=dropped)
    losses = next_token_losses(model, batch, out, config)
    if config.name == "nextlat":
        losses |= latent_losses(model, batch, out, config, generator)
    elif config.name != "gpt":
        if model.baseline is None or model.config.baseline != config.name:
            raise UserError(f"the model was not built for objective.name={config.name}: train anew, without resume=")
        losses |= model.baseline.losses(model, batch, out, config, generator)
    return losses
