"""Every setting of the commands, typed. Hydra fills these in, `settings_check` validates them, the rest is plain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import II


@dataclass
class EnvConfig:
    """Which environment, and what suits it: the defaults of the options named in brackets.

    Attributes:
        id: any Gymnasium id, the version may be left out.
        behaviour: who gathers its data (`collect.behaviour`).
        data_steps: how much of it (`collect.steps`).
        sb3: hyper-parameters of the `sb3` behaviour; `+env.sb3.n_envs=4` adds one.
        context: how many steps the trunk looks back, 0 for an episode up to 128 (`model.context`).
        train_steps: optimiser steps (`trainer.steps`).
        dynamics_finetune_steps: more of them for the latent dynamics alone (`trainer.dynamics_finetune_steps`).
        batch_size: windows per batch (`trainer.batch_size`).
        learning_rate: its peak (`trainer.learning_rate`).
        horizon: steps that the latent dynamics is rolled out in training (`objective.horizon`).
        prompt_weight: of forced tokens in the losses (`objective.prompt_weight`).
        policy_temperature: 0 clones, above 0 prefers what went well (`objective.policy_temperature`).
        deterministic: act by the most likely action (`deterministic`).
        planner: looks ahead where that was measured to pay (`planner`).
        eval_episodes: episodes of the final evaluation (`trainer.eval_episodes`).

    """

    id: str = "MiniGrid-FourRooms"
    behaviour: str = "auto"
    data_steps: int = 100_000
    sb3: dict[str, Any] = field(default_factory=dict)
    context: int = 0
    train_steps: int = 1000
    dynamics_finetune_steps: int = 100
    batch_size: int = 32
    learning_rate: float = 3e-3
    horizon: int = 12
    prompt_weight: float = 1.0
    policy_temperature: float = 0.0
    deterministic: bool = False
    planner: str = "none"
    eval_episodes: int = 500


@dataclass
class CollectConfig:
    """How a data set is gathered.

    Attributes:
        behaviour: `random`, `expert`, `explorer`, `sb3`, `sb3:model.zip`, `agent:runs/...`, or a mixture of them such
            as `explorer:0.9+random:0.1`; `auto` picks one that fits the environment.
        steps: environment steps to gather at least.
        episodes: number of episodes instead of steps.
        epsilon: probability of a uniformly random action at each step.
        seed: seed of the first episode; episode i uses seed + i.
        workers: processes that gather; 0 takes one per core, at most 8.

    """

    behaviour: str = II("env.behaviour")
    steps: int = II("env.data_steps")
    episodes: int | None = None
    epsilon: float = 0.0
    seed: int = 0
    workers: int = 0


@dataclass
class ModelSettings:
    """Size of the networks; `context` 0 takes the episode's length up to 128."""

    layers: int = 4
    heads: int = 4
    width: int = 128
    context: int = II("env.context")
    dynamics_width: int = 256


@dataclass
class ObjectiveSettings:
    """The losses; see `nextlat_rl.objectives.objective.ObjectiveConfig`."""

    name: str = "nextlat"
    horizon: int = II("env.horizon")
    latent_weight: float = 1.0
    kl_weight: float = 1.0
    latent_warmup: float = 0.0
    latent_warmup_power: float = 1.0
    open_loop_weight: float = 0.1
    start_fraction: float = 0.08
    min_rollouts: int = 160
    pair_fraction: float = 0.1
    observation_weight: float = 0.1
    prompt_weight: float = II("env.prompt_weight")
    start_in_prompts: bool = True
    value_weight: float = 0.5
    layer_dropout: float = 0.0
    policy_temperature: float = II("env.policy_temperature")
    policy_baseline: str = "value"
    discount: float = 0.99
    lambda_: float = 0.95


@dataclass
class TrainerConfig:
    """The optimisation.

    Attributes:
        steps: optimiser steps.
        batch_size: windows per batch.
        top_return_fraction: share of the windows taken from the tenth of the episodes with the highest returns.
        length: steps per window; 0 takes the longest episode's, up to 128.
        learning_rate: peak, after `warmup` steps; falls linearly to a tenth over the last `cooldown` share of steps.
        dynamics_finetune_steps: steps after these in which the latent dynamics alone learns to follow whole windows.
        dynamics_finetune_batch_size: windows per batch in them.
        dynamics_finetune_learning_rate: its peak in them, falls linearly to a tenth.
        eval_episodes: episodes of the final evaluation.
        eval_first_seed: of these episodes; no data is gathered from 10,000,000 on. Tune on others.
        log_every: steps between scalars in TensorBoard.
        save_every: steps between checkpoints.
        threads: torch threads; 0 takes the cores at hand, at most 8.

    """

    steps: int = II("env.train_steps")
    batch_size: int = II("env.batch_size")
    top_return_fraction: float = 0.0
    length: int = 0
    learning_rate: float = II("env.learning_rate")
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup: int = 100
    cooldown: float = 0.4
    dynamics_finetune_steps: int = II("env.dynamics_finetune_steps")
    dynamics_finetune_batch_size: int = 32
    dynamics_finetune_learning_rate: float = 3e-3
    eval_episodes: int = II("env.eval_episodes")
    eval_first_seed: int = 10_000_000
    log_every: int = 50
    save_every: int = 250
    threads: int = 0


@dataclass
class PlannerSettings:
    """Look-ahead in imagination; each planner reads the settings named after it.

    Attributes:
        name: `lookahead` or `gumbel` for discrete actions, `mppi` for continuous ones, `auto` picks `lookahead` or
            `mppi`, `none` follows the policy.
        rollout: lookahead, gumbel: `open_loop` imagines the expected next belief, `argmax` the most likely observation,
            `sample` a drawn one, which prices information.
        depth: lookahead: imagined steps ahead.
        width: lookahead: sequences kept at each step.
        value_scale: lookahead: nats of preference for a difference of the whole range of returns.
        num_simulations: gumbel: network calls for each decision.
        max_considered_actions: gumbel: root actions that sequential halving starts with.
        horizon: mppi: imagined steps ahead.
        num_samples: mppi: action sequences in each iteration.
        num_policy_samples: mppi: sequences drawn from the policy.
        iterations: mppi: refits of the Gaussian.
        elites: mppi: best sequences that it is fitted to.
        temperature: mppi: how evenly the elites count.

    """

    name: str = "none"
    rollout: str = "open_loop"
    depth: int = 8
    width: int = 16
    value_scale: float = 20.0
    num_simulations: int = 64
    max_considered_actions: int = 16
    horizon: int = 3
    num_samples: int = 32
    num_policy_samples: int = 16
    iterations: int = 3
    elites: int = 12
    temperature: float = 1.0


@dataclass
class ImproveSettings:
    """Improvement of the policy and value heads in imagination, offline; the world model stays as it is.

    Attributes:
        name: `imagination` (actor-critic on drawn roll-outs), `reanalyse` (towards what the planner finds at the
            data's beliefs), `none`.
        steps: optimiser steps.
        batch_size: roll-outs, or plans, in each.
        horizon: imagination: steps of a roll-out.
        learning_rate: Adam's.
        kl_weight: price of a nat of divergence from the policy that was trained on the data. Lower where the data is
            mostly random and the policy has far to go, higher where the data is good.
        lambda_: imagination: mix of the value's targets, 0 one-step, 1 the whole roll-out.
        beliefs: how many of the data's beliefs to start from.

    """

    name: str = "none"
    steps: int = 200
    batch_size: int = 512
    horizon: int = 20
    learning_rate: float = 1e-3
    kl_weight: float = 0.1
    lambda_: float = 0.95
    beliefs: int = 100_000


@dataclass
class TrainConfig:
    """`python -m nextlat_rl.train`.

    Attributes:
        env: the environment, any Gymnasium id.
        data: a Minari data set id, or several joined with "+"; `auto` is the environment's own, gathered if it is not
            there.
        rounds: how often to train; before each further round the agent gathers `round_steps` itself, and the round
            trains anew on everything gathered so far.
        round_steps: environment steps that the agent gathers for each further round.
        collect: how `data=auto` is gathered.
        improve: improves the policy after training; its scores are more rows of the final table.
        planner: acts in one more row of the final table; also the planner of `improve=reanalyse`.
        seed: of weights and batches.
        device: `auto`, `cpu`, `cuda`, ...
        runs: folder of the run folders.
        name: suffix of the run folder.
        resume: a run folder to continue.
        json: print the result as JSON and nothing else.

    """

    env: EnvConfig = field(default_factory=EnvConfig)
    data: str = "auto"
    rounds: int = 1
    round_steps: int = 20_000
    collect: CollectConfig = field(default_factory=CollectConfig)
    model: ModelSettings = field(default_factory=ModelSettings)
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    improve: ImproveSettings = field(default_factory=ImproveSettings)
    planner: PlannerSettings = field(default_factory=PlannerSettings)
    acting: str = "trunk"
    deterministic: bool = II("env.deterministic")
    seed: int = 0
    device: str = "auto"
    runs: str = "runs"
    name: str = ""
    resume: str | None = None
    json: bool = False


@dataclass
class CollectCommand(CollectConfig):
    """`python -m nextlat_rl.collect`: `id` names the data set; empty derives a name from the settings."""

    env: EnvConfig = field(default_factory=EnvConfig)
    id: str = ""


@dataclass
class EvaluateConfig:
    """`python -m nextlat_rl.evaluate`.

    Attributes:
        checkpoint: a run folder or checkpoint folder.
        env: the environment; by default the one that the checkpoint was trained for.
        planner: looks ahead from the beliefs; without one the policy acts.
        acting: `trunk` (exact beliefs) or `recurrent` (the latent dynamics alone).
        speculate: `lossless` drafts steps ahead and decides in all of them at once; the actions stay the same.
            `tolerant` also takes a decision made ahead where reality is only near the draft.
        risk: of `tolerant`: the share of decisions made ahead that may differ, calibrated on fresh episodes.
        draft: how many steps: a number, or `adaptive`.
        episodes: how many.
        first_seed: of the episodes; no data is gathered from 10,000,000 on. Tune on others.
        deterministic: most likely actions instead of drawn ones.
        n_envs: environments stepped side by side.
        seed: of the action noise.

    """

    checkpoint: str = ""
    env: EnvConfig = field(default_factory=EnvConfig)
    planner: PlannerSettings = field(default_factory=PlannerSettings)
    acting: str = "trunk"
    speculate: str = "off"
    draft: str = "adaptive"
    risk: float = 0.01
    episodes: int = 500
    first_seed: int = 10_000_000
    deterministic: bool = False
    n_envs: int = 64
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    json: bool = False


@dataclass
class ImproveConfig:
    """`python -m nextlat_rl.improve`.

    Attributes:
        checkpoint: a run folder or checkpoint folder.
        data: a Minari data set id; by default the one that the checkpoint was trained on.
        improve: how.
        planner: of `improve=reanalyse`.
        acting: `trunk` (exact beliefs) or `recurrent` (the latent dynamics alone), of the evaluation.
        deterministic: most likely actions in the evaluation; by default as the run was evaluated.
        episodes: of the evaluation before and after.
        first_seed: of these episodes, see `evaluate`.
        seed: of starts and noise.

    """

    checkpoint: str = ""
    data: str = ""
    improve: ImproveSettings = field(default_factory=ImproveSettings)
    planner: PlannerSettings = field(default_factory=PlannerSettings)
    acting: str = "trunk"
    deterministic: bool | None = None
    episodes: int = 500
    first_seed: int = 10_000_000
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    json: bool = False


@dataclass
class PlanConfig:
    """`python -m nextlat_rl.plan`.

    Attributes:
        checkpoint: a run folder or checkpoint folder.
        env: the environment; by default the one that the checkpoint was trained for.
        planner: as in `evaluate`.
        seed: of the episode.
        step: the decision to show, counted from the episode's first; the planner itself plays until then.
        lines: how many of the lines compared to show.
        out: the picture; empty writes `plan-<time>.png` into the run folder.

    """

    checkpoint: str = ""
    env: EnvConfig = field(default_factory=EnvConfig)
    planner: PlannerSettings = field(default_factory=PlannerSettings)
    acting: str = "trunk"
    seed: int = 0
    step: int = 0
    lines: int = 5
    out: str = ""
    device: str = "auto"
    json: bool = False


@dataclass
class DraftConfig:
    """`python -m nextlat_rl.draft`.

    Attributes:
        checkpoint: a run folder or checkpoint folder: the trunk.
        drafter: `nextlat` or `ngram`, which need no training, or `draft_model`, `layerskip`, `medusa`, `eagle`,
            `dflash`, which are trained first unless they have been.
        data: a Minari data set id; by default the one that the trunk was trained on.
        steps: optimiser steps of the drafter's training; 0 takes the drafter that lies beside the trunk.
        learning_rate: its peak.
        draft: how many steps to draft: `adaptive`, `entropy` (until the draft grows unsure), or a number.
        horizon: steps of an imagined trajectory.
        n_envs: trajectories imagined side by side.
        rounds: of the race against drawing one step at a time.
        seed: of training and noise.

    """

    checkpoint: str = ""
    drafter: str = "nextlat"
    data: str = ""
    steps: int = 300
    learning_rate: float = 2e-3
    draft: str = "adaptive"
    horizon: int = 40
    n_envs: int = 1
    rounds: int = 20
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    json: bool = False


@dataclass
class BenchmarkConfig:
    """`python -m benchmarks`.

    Attributes:
        suite: `train` (the main job), `planner`, `speculation`, `sb3` or `paper` (the NextLat paper's experiments).
        only: rows or parts to run, joined with `+`; empty runs all of them.
        size: of `suite=paper`: `cpu` is small, `gpu` takes the paper's settings for Path-Star G(5,5) and A5, `full` for
            all of its tasks.
        seeds: how many training seeds.
        first_seed: the first of them.
        show: a file of rows that the benchmark wrote: its tables are printed and nothing is measured.
        d3rlpy: a Python in whose environment d3rlpy is installed, for its rows of `suite=planner`.
        quick: a smoke test of the suite itself, not a measurement.

    """

    suite: str = "train"
    only: str = ""
    size: str = "cpu"
    seeds: int = 1
    first_seed: int = 0
    show: str = ""
    d3rlpy: str = ""
    quick: bool = False
    runs: str = "runs"
    json: bool = False
