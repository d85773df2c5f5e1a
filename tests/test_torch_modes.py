"""What a program has set in torch changes nothing: its default type, and inference mode around some of the calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.improvement.config import ImproveConfig
from nextlat_rl.agents.improvement.imagination import ImaginationImprover
from nextlat_rl.agents.planning.planner import make_planner
from nextlat_rl.agents.speculative import SpeculativeAgent
from nextlat_rl.drafting.config import DRAFTERS
from nextlat_rl.drafting.fit import train_drafter
from nextlat_rl.drafting.length import FixedLength
from nextlat_rl.drafting.make import make_drafter, make_net, needs_training
from nextlat_rl.drafting.rollout import SpeculativeRollout
from nextlat_rl.jobs.evaluation import evaluate_agent
from nextlat_rl.metrics.imagined_return import imagined_returns
from nextlat_rl.metrics.trajectories import dreams
from nextlat_rl.metrics.two_sample import two_sample_auc
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training import checkpoint
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Batch
from nextlat_rl.world_model import WorldModel
from tests.drafting.test_rollout import coded_model
from tests.helpers.tiny import OBSERVATION, cartpole_model, make_batch, pendulum_model, tiny_model


@contextmanager
def default_type(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def built(make: Callable[[], Any]) -> Any:
    """Weights are drawn in the default type, whose draws are others; files hold float32."""
    before = torch.get_default_dtype()
    with default_type(torch.float32):
        made = make()
    torch.set_default_dtype(before)
    return made


class SameBatch:
    def batch(self, step: int) -> Batch:
        return make_batch([[9, 7], [4, 12], [16]])


def observations(count: int) -> list[Any]:
    OBSERVATION.seed(0)
    return [OBSERVATION.sample() for _ in range(count)]


def acted(agent: Any, steps: int = 5) -> list[Any]:
    return [agent.act([o, o], [0.0, 1.0], [t == 0] * 2, [0, 1]) for t, o in enumerate(observations(steps))]


def acting() -> Any:
    world_model = WorldModel(built(tiny_model), "none")
    found: list[Any] = [acted(Agent(world_model, 2, acting)) for acting in ("trunk", "recurrent")]
    for name in ("lookahead", "gumbel"):
        found.append(acted(Agent(world_model, 2, planner=make_planner(world_model, name)), 1))
    for tolerance in (None, 1e9):
        found.append(acted(SpeculativeAgent(world_model, 2, FixedLength(3), tolerance=tolerance)))
    pendulum = WorldModel(built(pendulum_model), "Pendulum-v1")
    seen = [np.zeros(3, np.float32)]
    planned = Agent(pendulum, 1, planner=make_planner(pendulum, "mppi")).act(seen, [0.0], [True], [0])
    return found, planned


def imagining() -> Any:
    world_model = WorldModel(built(tiny_model), "none")
    belief = world_model.observe(world_model.first_step(observations(4)), world_model.memory(4))
    dream = world_model.imagine(belief, horizon=5)
    dreamt = dreams(world_model, observations(4), 4)
    returns = imagined_returns(world_model, observations(4), horizon=4)
    return dream.belief, dream.observation, dream.imagined_return(0.9), vars(dreamt), returns


def training() -> Any:
    found = []
    for name in ("nextlat", "bst", "jtp", "mtp"):
        model = built(lambda name=name: tiny_model(baseline=name, horizon=2))
        settings = TrainerConfig(steps=1, dynamics_finetune_steps=1, batch_size=3)
        trainer = Trainer(model, SameBatch(), ObjectiveConfig(name, horizon=2), settings, seed=0)
        trainer.run(lambda losses: False)
        assert all(p.dtype == torch.float32 for p in model.parameters())
        found.append(dict(model.state_dict()))
    return found


def drafting() -> Any:
    world_model, found = WorldModel(built(tiny_model), "none"), []
    for name in DRAFTERS.names():
        torch.manual_seed(0)
        if needs_training(name):
            net = built(lambda name=name: make_net(world_model, name))
            train_drafter(net, world_model, SameBatch(), ObjectiveConfig(), 2, 1e-3, 0, lambda *_: None)
            found.append(list(net.parameters()))
        found.append(drafted(name))
    return found


def drafted(name: str) -> tuple[torch.Tensor, ...]:
    """Steps that an untrained drafter guessed and the trunk of a discrete world drew."""
    world_model = WorldModel(built(coded_model), "none")
    net = built(lambda: make_net(world_model, name)).eval() if needs_training(name) else None
    memory = world_model.memory(3, draft=2)
    world_model.observe(world_model.first_step(3 * [np.array([1, 2])]), memory)
    drawn = SpeculativeRollout(world_model, make_drafter(world_model, name, net), FixedLength(2))
    return drawn(memory, 4).token.parts()


def measuring_and_improving() -> Any:
    world_model = WorldModel(built(cartpole_model), "CartPole-v1")
    row = evaluate_agent(Agent(world_model, 2), 2, quiet=True)
    rng = np.random.default_rng(0)
    auc = two_sample_auc(rng.normal(size=(40, 3)), rng.normal(size=(40, 3)), np.arange(40))
    improver = ImaginationImprover(
        WorldModel(built(tiny_model), "none"),
        torch.ones(8, 16, dtype=torch.float32),
        ImproveConfig("imagination"),
        seed=0,
    )
    return row["return_mean"], auc, improver.improve_step()


PARTS = [acting, imagining, training, drafting, measuring_and_improving]


def flat(found: Any) -> Iterator[Any]:
    if isinstance(found, dict | list | tuple):
        for part in found.values() if isinstance(found, dict) else found:
            yield from flat(part)
    else:
        yield found


@pytest.mark.parametrize("part", PARTS)
def test_torchs_default_type_changes_nothing(part: Callable[[], Any]) -> None:
    with default_type(torch.float64):
        wide = list(flat(part()))
    usual = list(flat(part()))
    assert len(wide) == len(usual) > 0
    for a, b in zip(wide, usual, strict=True):
        if isinstance(a, Tensor):
            assert a.dtype == b.dtype
            torch.testing.assert_close(a, b)
        elif a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-5)


def half_inside(agent: Any, inside: slice) -> list[Any]:
    """Actions of one episode, of which some steps are taken in inference mode."""
    seen, found = observations(6), []
    for t, observation in enumerate(seen):
        with torch.inference_mode() if t in range(6)[inside] else nullcontext():
            found.append(agent.act([observation] * 2, [0.5, 1.0], [t == 0] * 2, [0, 1]))
    return found


AGENTS: dict[str, Callable[[WorldModel], Any]] = {
    "trunk": lambda wm: Agent(wm, 2),
    "recurrent": lambda wm: Agent(wm, 2, "recurrent"),
    "tolerant": lambda wm: SpeculativeAgent(wm, 2, FixedLength(3), tolerance=1e9),
}


@pytest.mark.parametrize("kind", AGENTS)
def test_an_episode_begun_in_inference_mode_goes_on_outside_and_the_other_way_round(kind: str) -> None:
    model = tiny_model()
    usual = half_inside(AGENTS[kind](WorldModel(model, "none")), slice(0))
    for inside in (slice(4), slice(4, 6)):
        with torch.inference_mode():
            agent = AGENTS[kind](WorldModel(model, "none"))
        assert half_inside(agent, inside) == usual


def test_a_memory_begun_in_inference_mode_can_be_written_to_and_its_model_trained() -> None:
    model = tiny_model()
    world_model = WorldModel(model, "none")
    step = world_model.first_step(observations(3))
    rows, other = torch.tensor([0, 2]), torch.tensor([True, False, True])
    for acting in ("trunk", "recurrent"):
        with torch.inference_mode():
            memory = world_model.memory(3, acting, draft=2)
            for _ in range(5):
                belief = world_model.observe(step, memory)
            part = memory.index_select(rows)
        memory.index_copy(rows, part)
        assert torch.equal(memory.belief, belief)
        memory.belief[other] = 0.0
        world_model.observe(world_model.first_step(observations(3)), memory)
        assert world_model.imagine(memory.belief, horizon=2).reward.shape == (3, 2)
    assert drafted("nextlat")[0].shape == (3, 4)
    trainer = Trainer(model, SameBatch(), ObjectiveConfig(), TrainerConfig(steps=1, batch_size=3), seed=0)
    trainer.train_step()
    assert trainer.fault() is None


def test_a_model_loaded_in_inference_mode_can_be_improved(tmp_path: Path) -> None:
    trained = WorldModel(tiny_model(), "none")
    checkpoint.save(tmp_path / "checkpoints", 1, trained.model, None, {"env_id": "none", "discount": 0.99})
    with torch.inference_mode():
        world_model = WorldModel.load(tmp_path, "cpu")
    belief = torch.ones(8, world_model.belief_size)
    before, value = {k: v.clone() for k, v in world_model.model.state_dict().items()}, "value.logits.weight"
    ImaginationImprover(world_model, belief, ImproveConfig("imagination"), seed=0).improve_step()
    assert not torch.equal(world_model.model.state_dict()[value], before[value])
