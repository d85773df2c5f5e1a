"""Settings of the objectives."""

from __future__ import annotations

from dataclasses import dataclass


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
