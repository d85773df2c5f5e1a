"""What `suite=paper` trains at each size (arXiv 2511.05963)."""

from __future__ import annotations

from dataclasses import dataclass

SIZES = ("cpu", "gpu", "full")


@dataclass(frozen=True)
class PaperTask:
    """One task at one size.

    Attributes:
        env: Gymnasium id of the environment to train on.
        episodes: of the data set, which all training seeds share, as in the paper.
        scored: environments whose answers are scored, by the name of the measure; none for a street map.
        objectives: what is trained.
        options: of `nextlat_rl.train`.
        own: more of them for one objective.
        behaviour: gathers the data.
        check_every: score after so many steps each and stop once all answers are right; 0 trains to the end.
        apart: see `Part`.

    """

    env: str
    episodes: int
    scored: dict[str, str]
    objectives: tuple[str, ...]
    options: tuple[str, ...]
    own: dict[str, tuple[str, ...]]
    behaviour: str = "expert"
    check_every: int = 0
    apart: bool = False


def _words(group: str, longest: int, times: tuple[int, ...] = (1, 2, 3)) -> dict[str, str]:
    """Words so many times as long as those trained on."""
    return {f"length {n * longest} ({n}x)": f"NextLat/Word-{group}-{n * longest}" for n in times}


def _model(layers: int, heads: int, width: int, dynamics_width: int) -> tuple[str, ...]:
    sizes = {"layers": layers, "heads": heads, "width": width, "dynamics_width": dynamics_width}
    return tuple(f"model.{name}={value}" for name, value in sizes.items())


def _trainer(**settings: float) -> tuple[str, ...]:
    return tuple(f"trainer.{name}={value}" for name, value in settings.items())


# The paper's objective: no value, no open-loop roll-outs, roll-outs from every position, no phase for the dynamics
# alone; a constant learning rate.
_TO_THE_LETTER = (
    "objective.value_weight=0",
    "objective.start_fraction=1",
    "trainer.dynamics_finetune_steps=0",
    "trainer.cooldown=0",
)
# Not stated in what we know of the paper, and ours: the steps of A5; the steps, the batch and the data of Manhattan.
_A5 = PaperTask(
    env="NextLat/Words-A5-12",
    episodes=1_000_000,
    scored=_words("A5", 12),
    objectives=("gpt", "nextlat"),
    options=(
        *_model(2, 8, 512, 1024),
        *_trainer(steps=20_000, batch_size=1024, length=15, learning_rate=1e-4, weight_decay=0.01, clip=1),
        *_TO_THE_LETTER,
        "objective.kl_weight=0",
        "objective.horizon=1",
    ),
    own={},
)
_PATH_STAR = PaperTask(
    env="NextLat/PathStar-5x5",
    episodes=200_000,
    scored={"solved": "NextLat/PathStar-5x5"},
    objectives=("gpt", "bst", "mtp", "jtp", "nextlat"),
    options=(
        *_model(12, 6, 384, 384),
        *_trainer(steps=20_000, batch_size=512, learning_rate=5e-4, weight_decay=0.1, clip=100),
        *_TO_THE_LETTER,
        "objective.horizon=3",
    ),
    own={},
    check_every=1000,
)
_COUNTDOWN = PaperTask(
    env="NextLat/Countdown-4x100",
    episodes=500_000,
    scored={"accuracy": "NextLat/Countdown-4x100-HeldOut"},
    objectives=("gpt", "bst", "mtp", "jtp", "nextlat"),
    options=(
        *_model(12, 12, 768, 768),
        *_trainer(steps=100_000, batch_size=1024, learning_rate=3e-4),
        *_TO_THE_LETTER,
        "objective.latent_weight=2",
        "objective.horizon=8",
    ),
    own={},
)
_MANHATTAN = PaperTask(
    env="NextLat/StreetMap-Manhattan",
    episodes=1_000_000,
    scored={},
    objectives=("gpt", "mtp", "jtp", "nextlat"),
    options=(
        *_model(48, 8, 384, 1536),
        *_trainer(steps=100_000, batch_size=512, learning_rate=1e-4),
        *_TO_THE_LETTER,
        "objective.kl_weight=0.1",
        "objective.horizon=8",
    ),
    own={},
    behaviour="random_walk",
)

# A few minutes a model on one core: two layers of width 64, six where edges have to be followed back. What takes
# longest comes first, so that no core waits for it at the end.
_SMALL = (*_model(2, 4, 64, 256), "trainer.optimizer=adamw")


def _small_star(
    degree: int,
    arm: int,
    steps: int,
    weight_decay: float = 0.1,
    objectives: tuple[str, ...] = ("gpt", "mtp", "jtp", "nextlat"),
    apart: bool = True,
) -> PaperTask:
    """The first word of the answer lies `arm - 2` edges back from the goal; guessing the arm solves 1 / `degree`."""
    env = f"NextLat/PathStar-{degree}x{arm}-of-10"
    return PaperTask(
        env=env,
        episodes=50_000,
        scored={"solved": env},
        objectives=objectives,
        options=(
            *_model(6, 4, 64, 64),
            *_trainer(steps=steps, batch_size=128, learning_rate=2e-3, weight_decay=weight_decay),
            *_trainer(cooldown=0.2, dynamics_finetune_steps=0),
            f"objective.horizon={arm - 2}",
            "objective.value_weight=0",
            # What is found on the way has to be there before the last blocks, or none is left to use it.
            "objective.layer_dropout=0.3",
        ),
        own={
            "nextlat": (
                # From prompts it would be asked to carry the whole star along.
                "objective.start_fraction=1",
                "objective.start_in_prompts=false",
                # Edges are learned as soon as by GPT only while beliefs need not be predictable yet.
                "objective.kl_weight=6",
                f"objective.latent_warmup={2400 / steps:.2g}",
                "objective.latent_warmup_power=2",
            )
        },
        check_every=500,
        apart=apart,
    )


_SMALL_TASKS = {
    # Over one edge GPT learns to see ahead as well, over two MTP does, over three not in these steps.
    "PathStar": _small_star(2, 4, 5000, weight_decay=0.01, objectives=("gpt", "mtp", "nextlat"), apart=False),
    "PathStar-3x4": _small_star(3, 4, 6000),
    "PathStar-2x5": _small_star(2, 5, 10_000),
    "WordProblem": PaperTask(
        env="NextLat/Running-S3-2",
        episodes=8000,
        scored=_words("S3", 2, (1, 2, 3, 8)),
        objectives=("gpt", "nextlat"),
        options=(
            *_SMALL,
            *_trainer(steps=5000, batch_size=32, length=48, dynamics_finetune_steps=0, learning_rate=2e-3),
            "objective.horizon=4",
            "objective.value_weight=0",
        ),
        # With little weight decay what holds for a state one element old need not hold for an older one.
        own={"nextlat": ("trainer.weight_decay=0.3",)},
    ),
    # So few walks that a map has to be made of them: with 8,000 GPT and NextLat know the way from everywhere.
    "StreetMap": PaperTask(
        env="NextLat/StreetMap-5x5",
        episodes=2000,
        scored={},
        objectives=("gpt", "mtp", "jtp", "nextlat"),
        options=(
            *_SMALL,
            *_trainer(steps=2500, batch_size=24, length=32, dynamics_finetune_steps=0),
            "objective.horizon=4",
        ),
        own={"nextlat": ("objective.kl_weight=0.1",)},
        behaviour="random_walk",
    ),
    "Countdown": PaperTask(
        env="NextLat/Countdown-3x20",
        episodes=10_000,
        scored={"accuracy": "NextLat/Countdown-3x20-HeldOut"},
        objectives=("gpt", "mtp", "nextlat"),
        options=(
            *_SMALL,
            *_trainer(steps=4000, batch_size=24, length=32, dynamics_finetune_steps=0),
            "objective.horizon=4",
        ),
        own={},
        apart=True,
    ),
}

TASKS_BY_SIZE: dict[str, dict[str, PaperTask]] = {
    "cpu": _SMALL_TASKS,
    "gpu": {"WordProblem": _A5, "PathStar": _PATH_STAR},
    "full": {"WordProblem": _A5, "StreetMap": _MANHATTAN, "PathStar": _PATH_STAR, "Countdown": _COUNTDOWN},
}

# The models that a training step is timed with, by part: the main job's default, and the paper's for Path-Star.
COST_MODELS: dict[str, tuple[str, ...]] = {"step-cost": (), "step-cost-12x384": _model(12, 6, 384, 384)}
