import resource

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlat_rl.data.batches import Batcher, held_out_batch, split
from nextlat_rl.errors import UserError
from tests.helpers.toy_data import numbered_store

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=12)


def check_row(store, batch, b, chosen):
    """One window against plain Python."""
    start = store.episode_start
    rows = batch.observation["observation"][b].tolist()
    episode_of = [int(np.searchsorted(start, row, side="right")) - 1 for row in rows]
    ring = [row for e in chosen for row in range(start[e], start[e + 1])]
    for t, (row, e) in enumerate(zip(rows, episode_of, strict=True)):
        first, last = row == start[e], row == start[e + 1] - 1
        assert e in chosen and batch.valid[b, t]
        assert batch.is_first[b, t] == first
        assert batch.has_action[b, t] == (not last)
        assert batch.has_next[b, t] == (not last and t + 1 < len(rows))
        assert batch.action[b, t, 0] == (0 if last else row + 1000)
        assert batch.reward[b, t] == (0 if last else row + 2000)
        assert batch.terminated[b, t] == store.terminated[row]
        assert batch.previous_action[b, t, 0] == (0 if first else row - 1 + 1000)
        assert batch.previous_reward[b, t] == (0 if first else row - 1 + 2000)
        assert batch.segment[b, t] % store.num_episodes == e
        if t > 0:
            assert row == ring[(ring.index(rows[t - 1]) + 1) % len(ring)]
            assert (batch.segment[b, t] == batch.segment[b, t - 1]) == (not first)
    stretches = [segment for t, segment in enumerate(batch.segment[b].tolist()) if t == 0 or batch.is_first[b, t]]
    assert len(set(stretches)) == len(stretches)
    size = start[episode_of[0] + 1] - start[episode_of[0]]
    assert rows[0] == start[episode_of[0]] or size > len(rows)


@settings(max_examples=60, deadline=None)
@given(lengths=LENGTHS, length=st.integers(1, 30), seed=st.integers(0, 2**63), step=st.integers(0, 2**40))
def test_packing_matches_plain_python(lengths, length, seed, step):
    store = numbered_store(lengths)
    chosen = np.flatnonzero(np.random.default_rng(step).random(len(lengths)) < 0.7)
    chosen = chosen if len(chosen) else np.array([0])
    batch = Batcher(store, 4, length, seed, chosen).batch(step)
    for b in range(4):
        check_row(store, batch, b, chosen.tolist())


@settings(max_examples=40, deadline=None)
@given(lengths=LENGTHS, length=st.integers(1, 15))
def test_held_out_batch_is_whole_episodes(lengths, length):
    store = numbered_store(lengths)
    episodes = np.arange(len(lengths))[::-1]
    for limit in (None, length):
        batch = held_out_batch(store, episodes, limit)
        columns = min(max(lengths), limit or max(lengths))
        assert batch.segment.shape == (len(lengths), columns)
        for b, e in enumerate(episodes):
            size = min(lengths[e], columns)
            start = store.episode_start[e]
            assert batch.valid[b].tolist() == [t < size for t in range(columns)]
            assert batch.is_first[b].tolist() == [t == 0 for t in range(columns)]
            assert batch.has_action[b].tolist() == [t < lengths[e] - 1 for t in range(columns)]
            assert batch.has_next[b].tolist() == [t < lengths[e] - 1 and t + 1 < columns for t in range(columns)]
            assert batch.observation["observation"][b, :size].tolist() == list(range(start, start + size))
            assert batch.previous_reward[b, 1:size].tolist() == [start + t + 2000 for t in range(size - 1)]
            assert (batch.previous_reward[b, size:] == 0).all()
            assert batch.segment[b].tolist() == [e if t < size else -1 for t in range(columns)]


def counts(store, length):
    """How often each row starts a window, and how often it is in one, relative to the mean row."""
    batcher = Batcher(store, 2048, length, seed=3)
    rows = np.concatenate([batcher.batch(step).observation["observation"] for step in range(40)])
    starts = np.bincount(rows[:, 0], minlength=store.num_rows) / len(rows)
    return starts, np.bincount(rows.ravel(), minlength=store.num_rows) * store.num_rows / rows.size


def test_windows_start_as_often_as_enumerated():
    lengths, length = [3, 40, 1, 7, 12, 25], 8
    store = numbered_store(lengths)
    expected = np.zeros(store.num_rows)
    for first, size in zip(store.episode_start, lengths, strict=False):
        for row in range(first, first + size):
            expected[first if size <= length else row] += 1 / store.num_rows
    starts, coverage = counts(store, length)
    assert np.array_equal(starts > 0, expected > 0)
    np.testing.assert_allclose(starts, expected, atol=0.005)
    assert coverage.min() > 0.2 and coverage.max() < 2


def test_coverage_is_uniform_when_episodes_are_longer_than_windows():
    _, coverage = counts(numbered_store([9, 40, 12, 25]), 8)
    np.testing.assert_allclose(coverage, 1, atol=0.05)


def test_batch_is_a_pure_function_of_seed_and_step():
    store = numbered_store([5, 9, 30, 2])
    first, second = Batcher(store, 8, 16, seed=1), Batcher(store, 8, 16, seed=1)
    late = second.batch(7)  # no call before it
    for step in range(8):
        early = first.batch(step)
    for name in ("action", "previous_reward", "segment", "has_next"):
        assert torch.equal(getattr(early, name), getattr(late, name))
    rows = {
        (seed, step): tuple(Batcher(store, 8, 16, seed).batch(step).observation["observation"].flatten().tolist())
        for seed in (1, 2)
        for step in (0, 1, 2)
    }
    assert len(set(rows.values())) == 6


def test_wrapped_window_does_not_connect_repeats_of_an_episode():
    batch = Batcher(numbered_store([3]), 1, 7, seed=0).batch(0)
    assert batch.observation["observation"][0].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert batch.segment[0].tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert batch.has_next[0].tolist() == [True, True, False, True, True, False, False]


def test_gather_reads_only_the_rows_it_needs(tmp_path):
    rows, width = 4096, 1 << 20  # 4 GiB on paper, a sparse file on disk
    store = numbered_store([64] * (rows // 64))
    big = np.lib.format.open_memmap(tmp_path / "big.npy", mode="w+", dtype=np.uint8, shape=(rows, width))
    store.observation["observation"] = big
    batcher = Batcher(store, 4, 8, seed=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert batcher.batch(0).observation["observation"].shape == (4, 8, width)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024  # 32 rows are 32 MiB


def test_split_is_a_partition_and_repeats():
    store = numbered_store([2] * 40)
    train, held_out = split(store, 0.1, seed=5)
    assert sorted([*train, *held_out]) == list(range(40)) and len(held_out) == 4
    assert np.array_equal(split(store, 0.1, seed=5)[1], held_out)
    assert not np.array_equal(split(store, 0.1, seed=6)[1], held_out)
    assert [len(part) for part in split(store, 0.0, 0)] == [40, 0]
    assert [len(part) for part in split(store, 0.001, 0)] == [39, 1]
    assert [len(part) for part in split(numbered_store([4]), 0.5, 0)] == [1, 0]


def test_impossible_requests_are_user_errors():
    store = numbered_store([4])
    for arguments in ((0, 4, 0), (1, 0, 0), (1, 4, -1), (1, 4, 0, np.array([], int))):
        with pytest.raises(UserError, match="cannot draw batches"):
            Batcher(store, *arguments)
    with pytest.raises(UserError, match="hold out"):
        split(store, 1.0, 0)


def test_to_moves_every_tensor():
    batch = Batcher(numbered_store([4, 4]), 2, 4, seed=0).batch(0).to("meta")
    assert batch.observation["observation"].is_meta and batch.action.is_meta and batch.valid.is_meta
