"""The baseline objectives: losses and gradients equal plain, slow ones; nothing leaks; resuming is exact."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nextlat_rl.errors import UserError
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transformer import Attention, Block
from nextlat_rl.objectives.bst import Backward, draw_pairs
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import forward
from nextlat_rl.training import checkpoint
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Batch
from tests.helpers.tiny import assert_same_losses, compute_losses, double, make_batch, tiny_model

LENGTHS = [[5, 4, 3], [12], [2, 2, 8], [1, 11]]
NAMES = ("mtp", "jtp", "bst")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


# A slow reference, written position by position on single episodes.


def slow_attention(attention: Attention, x: Tensor) -> Tensor:
    """Causal attention over `x: [n, D]`, head by head, with rotary positions 0..n-1."""
    n, width = x.shape
    size = width // attention.heads
    q, k, v = (part.view(n, attention.heads, size) for part in (x @ attention.qkv.weight.T).split(width, dim=1))

    def turn(vector: Tensor, position: int) -> Tensor:
        out = []
        for pair in range(size // 2):
            angle = torch.tensor(position * 10_000.0 ** (-2 * pair / size))
            a, b = vector[2 * pair], vector[2 * pair + 1]
            out += [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()]
        return torch.stack(out)

    rows = []
    for t in range(n):
        heads = []
        for head in range(attention.heads):
            score = torch.stack([turn(q[t, head], t) @ turn(k[s, head], s) / size**0.5 for s in range(t + 1)])
            heads.append((score.softmax(0)[:, None] * v[: t + 1, head]).sum(0))
        rows.append(torch.cat(heads))
    return torch.stack(rows) @ attention.out.weight.T


def slow_block(block: Block, x: Tensor) -> Tensor:
    x = x + slow_attention(block.attention, block.norm1(x))
    return x + block.mlp(block.norm2(x))


def slow_token_loss(model: NextLat, batch: Batch, state: Tensor, b: int, c: int, weight: float) -> Tensor:
    """What predicting x_{c+1} of window b from `state: [D]` costs."""
    answer = model.transition(model.after(state, model.embed_action(batch.action[b, c])))
    ended = bool(batch.terminated[b, c])
    p_end = torch.sigmoid(answer.end)
    loss = -model.action.log_prob(model.action.head(state), batch.action[b, c])
    loss = loss - model.reward.log_prob(answer.reward[int(ended)], batch.reward[b, c])
    loss = loss - torch.log(p_end if ended else 1 - p_end)
    if batch.has_next[b, c]:
        for name, codec in model.observation.items():
            loss = loss + weight * codec.loss(answer.observation[name], batch.observation[name][b, c + 1])
    return loss


def episodes(batch: Batch) -> list[tuple[int, int, int]]:
    """Window, first and last column of every episode."""
    found = []
    for b, window in enumerate(batch.segment.tolist()):
        for episode in dict.fromkeys(s for s in window if s >= 0):
            columns = [t for t, s in enumerate(window) if s == episode]
            found.append((b, columns[0], columns[-1]))
    return found


def slow_mtp(model: NextLat, batch: Batch, config: ObjectiveConfig) -> dict[str, Tensor]:
    x = forward(model, batch).step_embedding
    by_offset: list[list[Tensor]] = [[] for _ in range(config.horizon)]
    for b, first, last in episodes(batch):
        shared = x[b, first : last + 1]
        for block in model.trunk.blocks[:-1]:
            shared = slow_block(block, shared)
        for i, block in enumerate(model.baseline.blocks, start=1):
            state = model.trunk.norm(slow_block(block, shared))
            for t in range(first, last + 1 - i):
                if batch.has_action[b, t + i]:
                    loss = slow_token_loss(model, batch, state[t - first], b, t + i, config.observation_weight)
                    by_offset[i - 1].append(loss)
    return {"ahead": sum(torch.stack(losses).mean() for losses in by_offset if losses)}


def slow_jtp(model: NextLat, batch: Batch, config: ObjectiveConfig) -> dict[str, Tensor]:
    out, fetch = forward(model, batch), model.baseline
    by_offset: list[list[Tensor]] = [[] for _ in range(config.horizon)]
    weight = torch.cat((fetch.from_belief.weight, fetch.from_step.weight), dim=1)
    for b, first, last in episodes(batch):
        for t in range(first, last):
            for i in range(1, config.horizon + 1):
                if t + i > last or not batch.has_action[b, t + i]:
                    continue
                read = [torch.cat((out.belief[b, t], out.step_embedding[b, t + j])) for j in range(1, i + 1)]
                e = torch.stack(read) @ weight.T + fetch.from_belief.bias
                state = model.trunk.norm(e + slow_attention(fetch.attention, fetch.norm(e)))[-1]
                loss = slow_token_loss(model, batch, state, b, t + i, config.observation_weight)
                by_offset[i - 1].append(loss)
    return {"ahead": sum(torch.stack(losses).mean() for losses in by_offset if losses)}


def slow_bst(model: NextLat, batch: Batch, config: ObjectiveConfig) -> dict[str, Tensor]:
    out, baseline = forward(model, batch), model.baseline
    suffix = torch.zeros_like(out.belief)
    for b, first, last in episodes(batch):
        y = out.step_embedding[b, first : last + 1].flip(0)
        for block in baseline.encoder.blocks:
            y = slow_block(block, y)
        for k in range(last + 1 - first):
            suffix[b, last - k] = baseline.encoder.norm(y[k])
    pairs = [
        (b, t, s) for b, first, last in episodes(batch) for t in range(first, last) for s in range(t + 2, last + 1)
    ]
    chosen = torch.randperm(len(pairs), generator=generator())[: round(config.pair_fraction * len(pairs))]
    pairs = [pairs[i] for i in chosen]
    losses: dict[str, list[Tensor]] = {"pair_next": [], "pair_previous": []}
    for b, t, s in pairs:
        h, z, width = out.belief[b, t], suffix[b, s], out.belief.shape[-1]
        joined = baseline.join(torch.cat((h, z)))
        ends = (("pair_next", h + joined[:width], t), ("pair_previous", z + joined[width:], s - 2))
        for name, state, column in ends:
            losses[name].append(slow_token_loss(model, batch, state, b, column, config.observation_weight))
    return {name: torch.stack(parts).mean() for name, parts in losses.items()}


SLOW = {"mtp": slow_mtp, "jtp": slow_jtp, "bst": slow_bst}


@pytest.mark.parametrize("name", NAMES)
def test_losses_and_gradients_equal_slow_reference(name: str) -> None:
    config = ObjectiveConfig(name=name, horizon=3, pair_fraction=0.5)
    model, batch = double(tiny_model(width=8, baseline=name, horizon=3, answer="product"), make_batch(LENGTHS))
    torch.manual_seed(1)
    for parameter in model.parameters():  # away from the initialisation, where heads are zero
        torch.nn.init.normal_(parameter, std=0.3)
    fast = compute_losses(model, batch, config, generator())
    slow = compute_losses(model, batch, dataclasses.replace(config, name="gpt"), generator())
    slow |= SLOW[name](model, batch, config)
    gradients = assert_same_losses(model, fast, slow, config, atol=1e-5, rtol=1e-5)
    assert all(gradient is not None for key, gradient in gradients.items() if key.startswith("baseline."))


@pytest.mark.parametrize("name", NAMES)
def test_a_window_shorter_than_the_horizon_and_lonely_steps_cost_nothing(name: str) -> None:
    """No pair, no step ahead: the added losses are 0 and their gradients finite."""
    model = tiny_model(baseline=name, horizon=4)
    losses = compute_losses(model, make_batch([[1, 1]]), ObjectiveConfig(name=name, horizon=4), generator())
    added = [value for key, value in losses.items() if key in ("ahead", "pair_next", "pair_previous")]
    assert added and all(float(value.detach()) == 0 for value in added)
    torch.stack(added).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def scrambled(batch: Batch, row: int, columns: list[int]) -> Batch:
    """The same windows with other tokens x_t = (a_{t-1}, r_{t-1}, o_t) at some columns t."""
    place, speed = batch.observation["place"].clone(), batch.observation["speed"].clone()
    action, reward = batch.action.clone(), batch.reward.clone()
    for t in columns:
        place[row, t] = (place[row, t] + 1) % 5
        speed[row, t] *= -1
        if t > 0 and batch.has_action[row, t - 1]:
            action[row, t - 1] = (action[row, t - 1] + 1) % 3
            reward[row, t - 1] = 1 - reward[row, t - 1]
    previous = torch.cat((batch.previous_action[:, :1], action[:, :-1]), 1).masked_fill(batch.is_first, 0)
    received = torch.cat((batch.previous_reward[:, :1], reward[:, :-1]), 1).masked_fill(batch.is_first, 0)
    changes = {"action": action, "reward": reward, "previous_action": previous, "previous_reward": received}
    return dataclasses.replace(batch, observation={"place": place, "speed": speed}, **changes)


def pair_states(model: NextLat, batch: Batch, row: int, t: int, s: int) -> Tensor:
    out = forward(model, batch)
    assert isinstance(model.baseline, Backward)
    suffix = model.baseline.suffixes(out.step_embedding, batch.segment)
    return torch.stack(model.baseline.states(out.belief[row, t], suffix[row, s]))


def test_bst_sees_nothing_between_prefix_and_suffix_and_nothing_of_other_episodes() -> None:
    """And it does see the outermost tokens of both sides."""
    model, batch = tiny_model(baseline="bst"), make_batch([[3, 8, 4]])  # the episode is columns 3..10
    for t, s in ((3, 5), (4, 8), (3, 10), (8, 10)):
        states = pair_states(model, batch, 0, t, s)
        hidden = [*range(t + 1, s), 0, 1, 2, 11, 12, 13, 14]
        assert torch.equal(pair_states(model, scrambled(batch, 0, hidden), 0, t, s), states)
        for seen in (t, s, 3, 10):
            assert not torch.allclose(pair_states(model, scrambled(batch, 0, [seen]), 0, t, s), states, atol=1e-4)


def test_bst_draws_every_pair_of_an_episode_and_no_other() -> None:
    batch = make_batch([[4, 3], [1, 6]])
    valid = batch.valid.clone()
    segment = batch.segment.clone()
    valid[1, 5:], segment[1, 5:] = False, -1  # filling at the end of a window
    batch = dataclasses.replace(batch, valid=valid, segment=segment)
    pairs = set(zip(*(x.tolist() for x in draw_pairs(batch, 1.0, generator())), strict=True))
    first = {(0, 0, 2), (0, 0, 3), (0, 1, 3), (0, 4, 6)}
    assert pairs == first | {(1, 1, 3), (1, 1, 4), (1, 2, 4)}
    some = list(zip(*(x.tolist() for x in draw_pairs(batch, 0.43, generator())), strict=True))
    assert len(some) == 3 and set(some) < pairs


@pytest.mark.parametrize("name", NAMES)
def test_added_losses_do_not_cross_an_episode_boundary(name: str) -> None:
    """The gradient of an episode's part of the losses does not reach the tokens of its neighbour."""
    model, batch = tiny_model(baseline=name, horizon=3), make_batch([[6, 6]])
    alone = dataclasses.replace(batch, has_action=batch.has_action.clone(), has_next=batch.has_next.clone())
    alone.has_action[:, 6:], alone.has_next[:, 6:] = False, False
    if name == "bst":
        alone.valid[:, 6:] = False
    config = ObjectiveConfig(name=name, horizon=3, pair_fraction=1.0)
    first = compute_losses(model, alone, config, generator())
    second = compute_losses(model, scrambled(alone, 0, list(range(6, 12))), config, generator())
    for key in first:
        torch.testing.assert_close(first[key], second[key], msg=key)
    inside = compute_losses(model, scrambled(alone, 0, [3]), config, generator())
    added = first.keys() & {"ahead", "pair_next", "pair_previous"}
    assert all(abs(float((inside[key] - first[key]).detach())) > 1e-5 for key in added)


SETTINGS = TrainerConfig(steps=5, dynamics_finetune_steps=3, warmup=2, learning_rate=1e-2)


class Batches:
    def batch(self, step: int) -> Batch:
        return make_batch([[6, 6], [12]], seed=step)


@pytest.mark.parametrize("name", NAMES)
def test_resume_continues_bit_for_bit(tmp_path: Path, name: str) -> None:
    """The modules that only training needs are part of the checkpoint, and all of them learn."""
    objective = ObjectiveConfig(name=name, horizon=2, pair_fraction=0.5)
    straight = Trainer(tiny_model(baseline=name, horizon=2), Batches(), objective, SETTINGS, seed=0)
    assert straight.total_steps == SETTINGS.steps
    before = {key: value.clone() for key, value in straight.model.state_dict().items()}
    for _ in range(5):
        straight.train_step()
    assert all(
        not torch.equal(value, before[key])
        for key, value in straight.model.state_dict().items()
        if key.startswith("baseline.")
    )
    first = Trainer(tiny_model(baseline=name, horizon=2), Batches(), objective, SETTINGS, seed=0)
    for _ in range(3):
        first.train_step()
    checkpoint.save(tmp_path, first.step, first.model, first.optimizer, {})
    model, config = checkpoint.load_model(tmp_path, torch.device("cpu"))
    second = Trainer(model, Batches(), objective, SETTINGS, seed=0)
    checkpoint.load_optimizer(tmp_path, second.optimizer)
    second.step = config["step"]
    while second.step < 5:
        second.train_step()
    for key, value in straight.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[key], value), key


@pytest.mark.parametrize("name", NAMES)
def test_trunk_and_heads_start_as_gpts(name: str) -> None:
    gpt, baseline = tiny_model().state_dict(), tiny_model(baseline=name, horizon=2).state_dict()
    assert all(torch.equal(value, baseline[key]) for key, value in gpt.items())


def test_a_model_of_another_objective_is_refused() -> None:
    for model in (tiny_model(), tiny_model(baseline="mtp")):
        with pytest.raises(UserError, match=r"not built for objective.name=bst"):
            compute_losses(model, make_batch([[12]]), ObjectiveConfig(name="bst"), generator())
