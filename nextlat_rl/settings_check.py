"""Validating settings once, at the edge: one line that names the setting and the remedy."""

from __future__ import annotations

from nextlat_rl.config import (
    CollectConfig,
    DraftConfig,
    EvaluateConfig,
    ImproveConfig,
    ImproveSettings,
    PlanConfig,
    PlannerSettings,
    TrainConfig,
)
from nextlat_rl.errors import UserError

OBJECTIVES = ("nextlat", "gpt", "mtp", "jtp", "bst")
DRAFTERS = ("nextlat", "draft_model", "layerskip", "medusa", "eagle", "ngram", "dflash")


def at_least(config: object, minimum: float, *names: str) -> None:
    """Require the named fields to be numbers of at least `minimum`.

    Raises:
        UserError: naming the first one that is not.

    """
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= minimum:
            raise UserError(f"{name}={value} must be at least {minimum}")


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Require `value` to be one of `allowed`.

    Raises:
        UserError: listing what is allowed.

    """
    if value not in allowed:
        raise UserError(f"{name}={value} is unknown; choose one of: {', '.join(allowed)}")


def check_collect(config: CollectConfig) -> None:
    """Validate the settings of a collection."""
    at_least(config, 1, "steps", "episodes")
    at_least(config, 0, "epsilon", "seed", "workers")
    if config.epsilon > 1:
        raise UserError(f"epsilon={config.epsilon} must be at most 1")


def check_planner(config: PlannerSettings) -> None:
    """Validate the settings of a planner."""
    one_of("planner", config.name, ("none", "auto", "lookahead", "gumbel", "mppi"))
    one_of("planner.rollout", config.rollout, ("open_loop", "argmax", "sample"))
    at_least(
        config,
        1,
        "depth",
        "width",
        "num_simulations",
        "max_considered_actions",
        "horizon",
        "num_samples",
        "num_policy_samples",
    )
    at_least(config, 1, "iterations", "elites")
    at_least(config, 0, "value_scale")
    if not config.temperature > 0:
        raise UserError(f"planner.temperature={config.temperature} must be above 0")


def check_trained(
    objective: str,
    value_weight: float,
    planner: str = "none",
    acting: str = "trunk",
    improve: str = "none",
    speculate: str = "off",
) -> None:
    """Require that what the options use was trained: the value head for planners, the latent dynamics for all.

    Args:
        objective: that the model is trained on.
        value_weight: of the value loss in it.
        planner: looks ahead in imagination, unless `none`.
        acting: by the dynamics alone, unless `trunk`.
        improve: in imagination, unless `none`.
        speculate: drafts with the dynamics, unless `off`.

    Raises:
        UserError: one of the two is untrained.

    """
    if planner != "none" and value_weight == 0:
        raise UserError(
            f"planner={planner} needs a value, and objective.value_weight=0 leaves it untrained: train with "
            "objective.value_weight=0.5, or use planner=none"
        )
    options = (("planner", planner, "none"), ("acting", acting, "trunk"), ("improve", improve, "none"))
    for option, value, without in (*options, ("speculate", speculate, "off")):
        if value != without:
            check_dynamics(objective, option, value, without)


def check_dynamics(objective: str, option: str, value: str, without: str) -> None:
    """Require that `objective` trains the latent dynamics, which `option=value` uses and `option=without` does not."""
    if objective != "nextlat":
        raise UserError(
            f"{option}={value} uses the latent dynamics, which objective={objective} leaves untrained: train with "
            f"objective=nextlat, or use {option}={without}"
        )


def check_improve(config: ImproveSettings) -> None:
    """Validate the settings of an improvement."""
    one_of("improve", config.name, ("none", "imagination", "reanalyse"))
    at_least(config, 1, "steps", "batch_size", "horizon", "beliefs")
    at_least(config, 0, "kl_weight")
    if not config.learning_rate > 0:
        raise UserError(f"improve.learning_rate={config.learning_rate} must be above 0")
    if not 0 <= config.lambda_ <= 1:
        raise UserError(f"improve.lambda_={config.lambda_} must lie between 0 and 1")


def check_train(config: TrainConfig) -> None:
    """Validate the settings of a training run."""
    check_collect(config.collect)
    check_improve(config.improve)
    check_planner(config.planner)
    at_least(config, 1, "rounds", "round_steps")
    if config.resume and config.rounds > 1:
        raise UserError("rounds= does not go with resume=: a round trains anew; leave one of them out")
    one_of("objective.name", config.objective.name, OBJECTIVES)
    one_of("acting", config.acting, ("trunk", "recurrent"))
    objective = config.objective
    check_trained(objective.name, objective.value_weight, config.planner.name, config.acting, config.improve.name)
    at_least(config.model, 1, "layers", "heads", "width", "dynamics_width")
    at_least(config.model, 0, "context")
    at_least(config.objective, 1, "horizon", "min_rollouts")
    at_least(
        config.objective,
        0,
        "latent_weight",
        "kl_weight",
        "open_loop_weight",
        "observation_weight",
        "prompt_weight",
        "value_weight",
        "policy_temperature",
    )
    at_least(
        config.trainer,
        1,
        "steps",
        "batch_size",
        "dynamics_finetune_batch_size",
        "eval_episodes",
        "log_every",
        "save_every",
    )
    at_least(config.trainer, 0, "dynamics_finetune_steps", "length", "weight_decay", "warmup", "cooldown", "threads")
    at_least(config.trainer, 0, "eval_first_seed")
    one_of("objective.policy_baseline", objective.policy_baseline, ("value", "mean"))
    share, windows = config.trainer.top_return_fraction, config.trainer.batch_size
    if not 0 <= share < 1 or (share and windows < 2):
        raise UserError(
            f"trainer.top_return_fraction={share} of trainer.batch_size={windows} windows: use 0 <= share < 1 "
            "and two windows or more"
        )
    for name in ("learning_rate", "dynamics_finetune_learning_rate", "clip"):
        if not getattr(config.trainer, name) > 0:
            raise UserError(f"trainer.{name}={getattr(config.trainer, name)} must be above 0")
    for name in ("discount", "lambda_", "start_fraction", "latent_warmup", "layer_dropout"):
        if not 0 <= getattr(config.objective, name) <= 1:
            raise UserError(f"objective.{name}={getattr(config.objective, name)} must lie between 0 and 1")
    if not config.objective.latent_warmup_power > 0:
        raise UserError(f"objective.latent_warmup_power={config.objective.latent_warmup_power} must be above 0")
    if not 0 < config.objective.pair_fraction <= 1:
        raise UserError(f"objective.pair_fraction={config.objective.pair_fraction} must be above 0 and at most 1")
    if config.model.width % (2 * config.model.heads):
        raise UserError(f"model.width={config.model.width} must be a multiple of 2 * model.heads={config.model.heads}")


def check_evaluate(config: EvaluateConfig) -> None:
    """Validate the settings of an evaluation."""
    if not config.checkpoint:
        raise UserError("checkpoint= is missing; give a run folder such as checkpoint=runs/<env>/<time>")
    one_of("acting", config.acting, ("trunk", "recurrent"))
    one_of("speculate", config.speculate, ("off", "lossless", "tolerant"))
    check_draft_length(config.draft)
    if config.speculate != "off" and config.acting != "trunk":
        raise UserError(f"speculate={config.speculate} falls back on the trunk: use it with acting=trunk")
    if not 0 < config.risk < 1:
        raise UserError(f"risk={config.risk} must lie between 0 and 1")
    check_planner(config.planner)
    at_least(config, 1, "episodes", "n_envs")
    at_least(config, 0, "seed", "first_seed", "threads")


def check_draft(config: DraftConfig) -> None:
    """Validate the settings of a drafter's training and race."""
    if not config.checkpoint:
        raise UserError("checkpoint= is missing; give a run folder such as checkpoint=runs/<env>/<time>")
    one_of("drafter", config.drafter, DRAFTERS)
    check_draft_length(config.draft)
    at_least(config, 1, "horizon", "n_envs", "rounds")
    at_least(config, 0, "steps", "seed", "threads")
    if not config.learning_rate > 0:
        raise UserError(f"learning_rate={config.learning_rate} must be above 0")


def check_draft_length(draft: str) -> None:
    """Require a number of steps, or `adaptive`."""
    if draft != "adaptive" and not draft.isdecimal():
        raise UserError(f"draft={draft} is neither adaptive nor a number of steps of at least 0")


def check_improve_command(config: ImproveConfig) -> None:
    """Validate the settings of an improvement as a command of its own."""
    if not config.checkpoint:
        raise UserError("checkpoint= is missing; give a run folder such as checkpoint=runs/<env>/<time>")
    one_of("acting", config.acting, ("trunk", "recurrent"))
    check_improve(config.improve)
    if config.improve.name == "none":
        raise UserError("improve=none improves nothing; choose improve=imagination or improve=reanalyse")
    check_planner(config.planner)
    at_least(config, 1, "episodes")
    at_least(config, 0, "seed", "first_seed", "threads")


def check_plan(config: PlanConfig) -> None:
    """Validate the settings of one decision."""
    if not config.checkpoint:
        raise UserError("checkpoint= is missing; give a run folder such as checkpoint=runs/<env>/<time>")
    one_of("acting", config.acting, ("trunk", "recurrent"))
    check_planner(config.planner)
    if config.planner.name == "none":
        raise UserError("planner=none plans nothing; choose planner=lookahead, gumbel, mppi or auto")
    at_least(config, 1, "lines")
    at_least(config, 0, "seed", "step")
