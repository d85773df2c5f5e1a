"""The world model's promises: shapes, modes, noise keyed by row, and the noise itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from nextlat_rl.drafting.token import Token, embed_token
from nextlat_rl.imagination import RolloutMode, look
from nextlat_rl.noise import uniform
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import tiny_model


@pytest.fixture
def world_model() -> WorldModel:
    return WorldModel(tiny_model(), "none")


@pytest.mark.parametrize("rollout", ["argmax", "sample"])
def test_imagine_shapes(world_model: WorldModel, rollout: RolloutMode) -> None:
    imagined = world_model.imagine(torch.randn(5, 16), torch.randint(3, (5, 4)), rollout=rollout)
    assert imagined.belief.shape == (5, 5, 16)
    assert imagined.value.shape == (5, 5)
    assert imagined.reward.shape == imagined.alive.shape == imagined.action.shape == (5, 4)
    assert imagined.observation["place"].shape == (5, 4)
    assert imagined.observation["speed"].shape == (5, 4, 2)
    assert imagined.running.shape == (5,)
    assert (imagined.alive[:, 0] == 1).all()


def test_imagination_in_code_reads_the_codes_embedding(world_model: WorldModel) -> None:
    model, belief = world_model.model, torch.randn(4, 16)
    action = torch.tensor([0, 1, 2, 1])
    with torch.no_grad():
        embedded = model.embed_action(action)
        code = model.likely_code(model.after(belief, embedded))
        expected = model.dynamics(belief, embedded + model.code.embed(code))  # type: ignore[union-attr]
    dream = world_model.imagine(belief, action[:, None], rollout="argmax")
    torch.testing.assert_close(dream.belief[:, 1], expected)
    assert set(dream.observation) == set(model.observation)


def test_imagined_return_stops_with_the_episode(world_model: WorldModel) -> None:
    imagined = world_model.imagine(torch.randn(1, 16), torch.zeros(1, 3, dtype=torch.long))
    imagined.reward, imagined.alive = torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    assert imagined.imagined_return().tolist() == [3.0]
    assert imagined.imagined_return(0.5).tolist() == [2.0]


def test_sampled_imagination_does_not_depend_on_other_rows(world_model: WorldModel) -> None:
    belief = torch.randn(6, 16)
    together = world_model.imagine(belief, horizon=5, rollout="sample", seed=3)
    first = world_model.imagine(belief[:2], horizon=5, rollout="sample", seed=3)
    assert torch.equal(together.action[:2], first.action)
    assert torch.equal(together.observation["place"][:2], first.observation["place"])
    other = world_model.imagine(belief, horizon=5, rollout="sample", seed=4)
    assert not torch.equal(together.action, other.action)


def test_imagine_needs_a_horizon(world_model: WorldModel) -> None:
    with pytest.raises(ValueError, match="horizon of at least 1"):
        world_model.imagine(torch.randn(1, 16))


def test_encoding_round_trip(world_model: WorldModel) -> None:
    space = world_model.model.spaces.observation
    observations = [space.sample() for _ in range(4)]
    decoded = world_model.decode_observations(world_model.encode_observations(observations))
    assert [int(o["place"]) for o in decoded] == [int(o["place"]) for o in observations]
    assert world_model.decode_actions(world_model.encode_actions([0, 2, 1])) == [0, 2, 1]


def test_noise_is_uniform_and_keyed() -> None:
    stream, step = torch.arange(2000), torch.arange(2000) % 7
    noise = uniform(0, stream, step, 50)
    assert noise.min() >= 0 and noise.max() < 1
    counts = torch.histc(noise, bins=20, min=0, max=1)
    expected = noise.numel() / 20
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < 43.8  # 99.9% quantile with 19 degrees of freedom
    assert abs(float(torch.corrcoef(noise.T[:2])[0, 1])) < 0.08
    assert torch.equal(uniform(0, stream[5:6], step[5:6], 50), noise[5:6])
    for changed in (uniform(1, stream, step, 50), uniform(0, stream + 1, step, 50), uniform(0, stream, step + 1, 50)):
        assert (changed != noise).float().mean() > 0.99


def test_reward_is_drawn_given_the_end() -> None:
    """A world that pays exactly when it ends, at random: every imagined episode is paid once."""
    model = tiny_model()
    with torch.no_grad():
        model.end.weight.zero_()
        model.end.bias.zero_()  # ends with probability a half
        model.ending.fill_(100.0)
        model.reward.logits.weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(2, 16))
        model.reward.logits.bias.copy_(torch.tensor([50.0, -50.0]))
    world_model = WorldModel(model, "none")
    imagined = world_model.imagine(0.1 * torch.randn(500, 16), horizon=30, rollout="sample")
    ended = 1 - imagined.running
    assert torch.equal((imagined.alive * imagined.reward).sum(1), ended)
    assert ended.mean() > 0.99


def test_deterministic_imagination_takes_the_most_likely_actions(world_model: WorldModel) -> None:
    imagined = world_model.imagine(torch.randn(6, 16), horizon=4, rollout="sample", deterministic=True)
    assert torch.equal(imagined.action, world_model.policy(imagined.belief[:, :-1]))


@pytest.mark.parametrize("rollout", ["argmax", "sample"])
def test_all_ways_to_take_a_step_are_one_step(world_model: WorldModel, rollout: RolloutMode) -> None:
    """Planners take expectations, imagination draws; the belief that follows is the same."""
    belief, action = torch.randn(4, 16), torch.tensor([0, 1, 2, 1])
    noise = torch.rand(4, world_model.transition_num_uniforms, generator=torch.Generator().manual_seed(0))
    step = world_model.imagine_step(belief, action, rollout, noise)
    after, reward, go_on = world_model.expected_step(belief, action, rollout, noise)
    assert torch.equal(after, step.belief)
    assert ((go_on > 0) & (go_on < 1)).all() and ((reward > 0) & (reward < 1)).all()
    assert ((step.go_on == 0) | (step.go_on == 1)).all()


def test_a_drafted_step_is_the_most_likely_one(world_model: WorldModel) -> None:
    belief, action = torch.randn(4, 16), torch.tensor([0, 1, 2, 1])
    after, x, code, reward, end, *leaves = world_model.draft_step(belief, action)
    likely = world_model.imagine_step(belief, action, "argmax", torch.zeros(4, world_model.transition_num_uniforms))
    assert torch.equal(after, likely.belief)
    assert torch.equal(reward, likely.reward) and torch.equal(end, likely.go_on == 0)
    seen = look(world_model.model, likely.features, None) | likely.followed
    for name, leaf in zip(world_model.observation_codecs, leaves, strict=True):
        assert torch.equal(leaf, seen[name])
    token = Token(action, code, reward, end, dict(zip(world_model.observation_codecs, leaves, strict=True)))
    assert torch.equal(x, embed_token(world_model.model, token))


def test_nothing_reaches_past_the_world_model_into_the_network() -> None:
    root = Path(__file__).parents[1]
    folders = (
        "agents",
        "envs",
        "benchmarks",
        "examples",
        *(f"nextlat_rl/{name}" for name in ("jobs", "cli", "metrics")),
    )
    reached = [
        f"{path.relative_to(root)}:{number}"
        for folder in (*folders, "nextlat_rl/plotting")
        for path in (root / folder).rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"\b(world_model|wm)\.model\.", line)
    ]
    assert not reached
