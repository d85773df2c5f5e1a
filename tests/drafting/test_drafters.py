"""Every drafter changes speed and nothing else, learns something, and is found again only with its own trunk."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor

from nextlat_rl.drafting.config import DRAFTERS
from nextlat_rl.drafting.drafter import CachedDrafter, Drafter
from nextlat_rl.drafting.drafters.nextlat import NextLatDrafter
from nextlat_rl.drafting.drafters.ngram import step_names
from nextlat_rl.drafting.exactness import check_drafted
from nextlat_rl.drafting.fit import train_drafter
from nextlat_rl.drafting.length import FixedLength
from nextlat_rl.drafting.make import make_drafter, make_net, needs_training
from nextlat_rl.drafting.rollout import SpeculativeRollout
from nextlat_rl.drafting.token import Token, embed_token, same_token, sample_token, token_num_uniforms
from nextlat_rl.drafting.weights import load_net, save_net
from nextlat_rl.errors import UserError
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training import checkpoint
from nextlat_rl.types import Spaces
from nextlat_rl.world_model import WorldModel
from tests.drafting.test_rollout import BATCH, chi_square, enumerable_model, exact_distribution, keys, start
from tests.helpers.tiny import STATISTICS, make_batch, tiny_model

TRAINED = [name for name in DRAFTERS.names() if needs_training(name)]


class SameBatch:
    def batch(self, step: int):  # type: ignore[no-untyped-def]
        return make_batch([[9, 7], [4, 12], [16]])


def drafter_for(name: str, model: NextLat) -> Drafter:
    torch.manual_seed(1)
    world_model = WorldModel(model, "none")
    return make_drafter(world_model, name, make_net(world_model, name).eval() if needs_training(name) else None)


@pytest.mark.parametrize("name", [name for name in DRAFTERS.names() if name != "nextlat"])
def test_any_drafter_leaves_the_distribution_alone(name: str) -> None:
    world_model = WorldModel(enumerable_model(), "none")
    batch = 2000 if name == "ngram" else BATCH  # it goes through its rows one by one
    exact = exact_distribution(world_model, 3)
    seen: Counter[tuple[int, ...]] = Counter()
    alone = SpeculativeRollout(world_model, None, FixedLength(0))
    draw = alone.drafting(drafter_for(name, world_model.model), FixedLength(2))
    for seed in range(2):
        rollout = draw(start(world_model, batch, 2), 3, seed)
        seen.update(keys(rollout))
    assert abs(chi_square(seen, exact, 2 * batch)) < 4
    assert 0 < rollout.statistics.accepted_per_draft < 2


@pytest.mark.parametrize("name", TRAINED)
def test_training_lowers_the_losses_and_leaves_the_trunk_alone(name: str) -> None:
    model = tiny_model()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    world_model = WorldModel(model, "none")
    net = make_net(world_model, name)
    history: list[float] = []
    settings = ObjectiveConfig(min_rollouts=32)
    train_drafter(
        net,
        world_model,
        SameBatch(),
        settings,
        60,
        3e-3,
        on_step=lambda step, losses: history.append(sum(losses.values())),
    )
    assert sum(history[-5:]) < 0.9 * sum(history[:5])
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", ["eagle", "draft_model", "dflash"])
def test_what_a_drafter_remembers_does_not_depend_on_how_the_steps_came(name: str) -> None:
    """The guess after one round in which all was kept equals the guess after reading the same steps two by two."""
    world_model = WorldModel(enumerable_model(), "none")
    model = world_model.model
    memory = start(world_model, 5, 3)
    noise = torch.rand(5, 3, token_num_uniforms(model), generator=torch.Generator().manual_seed(0))
    first, second = drafter_for(name, model), drafter_for(name, model)
    hidden = torch.randn(5, 4, 16, generator=torch.Generator().manual_seed(1))
    chunk = sample_token(model, hidden, torch.rand(5, 4, token_num_uniforms(model)))
    token = sample_token(model, hidden[:, 0], torch.rand(5, token_num_uniforms(model)))
    with torch.no_grad():
        first.begin(memory)
        first.draft(memory.belief, token, noise)  # a guess of which nothing is kept
        first.advance(memory.belief, chunk, hidden, torch.full((5,), 3))
        second.begin(memory)
        belief = memory.belief
        for k in (0, 2):
            steps = chunk.map(lambda x, k=k: x[:, k : k + 2])  # type: ignore[misc]
            second.advance(belief, steps, hidden[:, k : k + 2], torch.ones(5, dtype=torch.long))
            belief = hidden[:, k + 1]
        one, other = first.draft(belief, token, noise), second.draft(belief, token, noise)
    assert same_token(one, other).all()


def song_of(model: NextLat, action: list[list[int]], reward: list[list[float]]) -> tuple[Token, Tensor]:
    """Steps `[B, K]` of `enumerable_model` that end nowhere, and beliefs `[B, K, D]` to go with them."""
    hidden = torch.zeros(len(action), len(action[0]), 16)
    song = sample_token(model, hidden, torch.zeros(*hidden.shape[:2], token_num_uniforms(model)))
    song.action.copy_(torch.tensor(action))
    song.reward.copy_(torch.tensor(reward))
    song.end.zero_()
    return song, hidden


def test_lookahead_repeats_what_followed() -> None:
    world_model = WorldModel(enumerable_model(), "none")
    drafter = drafter_for("ngram", world_model.model)
    memory = start(world_model, 1, 3)
    song, hidden = song_of(world_model.model, [[0, 1, 1, 0, 1, 0]], [[0.0, 0.0, 1.0, 1.0, 1.0, 0.0]])
    drafter.begin(memory)
    drafter.advance(memory.belief, song, hidden, torch.tensor([5]))
    drafter.begin(memory)
    guess = drafter.draft(memory.belief, song.map(lambda x: x[:, 1]), torch.zeros(1, 3, 1))
    assert guess.action.tolist() == [[1, 0, 1]]
    assert guess.reward.tolist() == [[1.0, 1.0, 1.0]]


def test_lookahead_knows_which_steps_it_would_have_guessed() -> None:
    world_model = WorldModel(enumerable_model(), "none")
    drafter = drafter_for("ngram", world_model.model)
    memory = start(world_model, 2, 3)
    song, hidden = song_of(world_model.model, [[0, 1, 0, 1, 0, 0], [1, 1, 1, 0, 0, 1]], [6 * [0.0], 6 * [0.0]])
    drafter.begin(memory)
    seen = []
    for k in range(6):
        running = torch.tensor([0, 0 if k < 5 else -1])
        drafter.advance(memory.belief, song.map(lambda x, k=k: x[:, k : k + 1]), hidden[:, :1], running)  # type: ignore[misc]
        seen.append(drafter.foreseen)
    # By hand; the second row's steps come after the first's in the same pool. A step with no follower repeats itself.
    assert seen == [
        [],  # nothing went before
        [False, True],  # 0 repeats, came 1; 1 repeats
        [False, False],  # 1 was followed by 1 in the second row; and then, in the first, by 0
        [True, False],  # (1, 0) is new and 0 was followed by 1; (1, 1) was followed by 1
        [True, False],  # (0, 1) was followed by 0; (1, 0) was followed by 1 in the first row
        [True],  # (1, 0) was followed by 0 in the second row, which has finished
    ]


def world_model_of(observation: gym.Space, action: gym.Space) -> WorldModel:
    """Untrained."""
    statistics = {"observation": {"observation": {}}, "action": {}, "reward": STATISTICS["reward"]}
    spaces = Spaces(observation, action, statistics | {"value": STATISTICS["value"]})
    return WorldModel(NextLat(spaces, ModelConfig(2, 2, 16, 8, 16)).eval(), "none")


@pytest.mark.parametrize(
    ("observation", "action"),
    [
        (gym.spaces.Box(0, 255, (16, 16, 3), np.uint8), gym.spaces.Discrete(2)),
        (gym.spaces.Discrete(4), gym.spaces.Box(-1, 1, (1,))),
    ],
    ids=["image", "continuous action"],
)
def test_what_cannot_be_guessed_exactly_is_drawn_one_at_a_time(observation: gym.Space, action: gym.Space) -> None:
    world_model = world_model_of(observation, action)
    for name in DRAFTERS.names():
        with pytest.raises(UserError, match=f"drafter={name} guesses whole steps.*one step at a time"):
            check_drafted(name, world_model.model)
    memory = world_model.memory(1, "trunk", 2)
    world_model.observe(world_model.first_step([observation.sample()]), memory)
    alone = SpeculativeRollout(world_model, None, FixedLength(0))
    with pytest.raises(ValueError, match="exactly right"):
        alone.drafting(NextLatDrafter(world_model.model), FixedLength(2))(memory, 2)
    assert int(alone(memory, 2).length) > 0


def test_lookahead_forgets_what_its_pool_has_no_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextlat_rl.drafting.drafters.ngram._CAPACITY", 8)
    statistics = STATISTICS | {"observation": {"observation": {}}}
    spaces = Spaces(gym.spaces.Discrete(1000), gym.spaces.Discrete(3), statistics)
    world_model = WorldModel(NextLat(spaces, ModelConfig(2, 2, 16, 8, 16)).eval(), "none")
    drafter = drafter_for("ngram", world_model.model)
    memory = world_model.memory(1, "trunk", 3)
    hidden = torch.zeros(1, 30, 16)
    noise = torch.rand(1, 30, token_num_uniforms(world_model.model), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        song = sample_token(world_model.model, hidden, noise)
    song.observation["observation"][0] = torch.arange(30)  # thirty different steps
    drafter.begin(memory)
    drafter.advance(memory.belief, song, hidden, torch.tensor([29]))

    def followed(k: int) -> bool:
        drafter.begin(memory)
        guess = drafter.draft(memory.belief, song.map(lambda x: x[:, k]), torch.zeros(1, 1, 1))
        return bool(same_token(guess.map(lambda x: x[:, 0]), song.map(lambda x: x[:, k + 1])))

    assert [followed(k) for k in range(18, 29)] == 3 * [False] + 8 * [True]


def test_equal_steps_and_only_these_have_equal_names() -> None:
    model = tiny_model()
    noise = torch.rand(500, token_num_uniforms(model), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        token = sample_token(model, torch.zeros(500, 16), noise)
    # The same steps, whichever batch they are in. (Drawn anew in a smaller one they could differ in the last bit:
    # matrix products round by their shape, on some processors.)
    token = token.map(lambda part: part.unflatten(0, (100, 5)))
    assert step_names(token)[:3] == step_names(token.map(lambda part: part[:3]))
    assert len({name for row in step_names(token) for name in row}) == 500  # continuous parts: all are different


def full(*_: object) -> None:
    raise UserError("the disk is full")


def test_a_drafter_of_another_trunk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world_model = WorldModel(tiny_model(), "none")
    for seed in (0, 1):
        checkpoint.save(tmp_path / f"run{seed}" / "checkpoints", 1, tiny_model(seed=seed), None, {"env_id": "none"})
    runs = [tmp_path / "run0", tmp_path / "run1"]
    with pytest.raises(UserError, match=r"not trained.*nextlat_rl\.draft"):
        load_net(world_model, "medusa", runs[0])
    net = make_net(world_model, "medusa")
    torch.nn.init.normal_(net.weight)  # type: ignore[arg-type]
    folder = save_net("medusa", net, runs[0], {"steps": 1})
    assert torch.equal(load_net(world_model, "medusa", runs[0]).weight, net.weight)  # type: ignore[arg-type]
    (weights,) = folder.glob("*.safetensors")
    written = weights.read_bytes()
    weights.write_bytes(written[:-1] + bytes([written[-1] ^ 1]))
    with pytest.raises(UserError, match="not the file that was written"):
        load_net(world_model, "medusa", runs[0])
    weights.write_bytes(written)
    with monkeypatch.context() as patch:
        patch.setattr("nextlat_rl.drafting.weights.write_json", full)
        with pytest.raises(UserError, match="disk"):
            save_net("medusa", make_net(world_model, "medusa"), runs[0], {"steps": 2})
    assert torch.equal(load_net(world_model, "medusa", runs[0]).weight, net.weight)  # type: ignore[arg-type]
    save_net("medusa", net, runs[0], {"steps": 2})
    assert [file.name for file in folder.iterdir() if file.suffix != ".json"] == [weights.name]
    weights.rename(folder / "drafter.safetensors")  # as older versions named it
    assert torch.equal(load_net(world_model, "medusa", runs[0]).weight, net.weight)  # type: ignore[arg-type]
    (tmp_path / "run1" / "drafters").mkdir()
    folder.rename(tmp_path / "run1" / "drafters" / "medusa")
    with pytest.raises(UserError, match="another trunk"):
        load_net(world_model, "medusa", runs[1])


@pytest.mark.parametrize("name", ["draft_model", "eagle"])
def test_a_drafter_that_rests_reads_nothing_and_begins_anew(name: str) -> None:
    world_model = WorldModel(enumerable_model(), "none")
    model = world_model.model
    drafter, fresh = drafter_for(name, model), drafter_for(name, model)
    assert isinstance(drafter, CachedDrafter) and isinstance(fresh, CachedDrafter)
    noise = torch.rand(2, 3, token_num_uniforms(model), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        memory = start(world_model, 2, 3)
        step = sample_token(model, memory.belief, noise[:, 0])
        drafter.begin(memory)
        drafter.draft(memory.belief, step, noise)
        chunk = step.map(lambda x: x[:, None])
        hidden = model.trunk.extend(embed_token(model, chunk), memory.cache)
        read = drafter.read.clone()
        drafter.advance(memory.belief, chunk, hidden, torch.zeros(2, dtype=torch.long))
        assert torch.equal(drafter.read, read)
        memory.belief = hidden[:, 0]
        fresh.begin(memory)
        for mine, other in zip(
            drafter.draft(memory.belief, step, noise).parts(),
            fresh.draft(memory.belief, step, noise).parts(),
            strict=True,
        ):
            assert torch.equal(mine, other)
        assert not drafter.behind


def test_dflash_looks_at_nothing_while_it_rests_and_begins_anew() -> None:
    world_model = WorldModel(enumerable_model(), "none")
    model = world_model.model
    drafter, fresh = drafter_for("dflash", model), drafter_for("dflash", model)
    noise = torch.rand(2, 3, token_num_uniforms(model), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        memory = start(world_model, 2, 3)
        drafter.begin(memory)
        step = sample_token(model, memory.belief, noise[:, 0])
        chunk = step.map(lambda x: x[:, None])
        memory.belief = model.trunk.extend(embed_token(model, chunk), memory.cache)[:, 0]
        drafter.advance(memory.belief, chunk, memory.belief[:, None], torch.zeros(2, dtype=torch.long))
        fresh.begin(memory)
        mine, other = (some.draft(memory.belief, step, noise) for some in (drafter, fresh))
    assert same_token(mine, other).all()
