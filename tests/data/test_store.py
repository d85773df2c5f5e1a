import errno
import json
import warnings

import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from nextlat_rl.data import fingerprint, npy, rows
from nextlat_rl.data.batches import held_out_batch
from nextlat_rl.data.minari_io import load_dataset
from nextlat_rl.data.store import Store, build_store, store_of_episodes
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.errors import UserError
from nextlat_rl.spaces import codec_class, flatten_list, leaves
from tests.helpers.toy_data import Nested, gather, write


def assert_store_equals(store, env, episodes):
    """Every row of the store decodes to what the environment gave (float64 as float32)."""
    assert store.num_episodes == len(episodes)
    for e, episode in enumerate(episodes):
        start, end = store.episode_start[e], store.episode_start[e + 1]
        assert end - start == len(episode.observations)
        for leaf, originals in flatten_list(env.observation_space, episode.observations).items():
            space = leaves(store.observation_space)[leaf]
            stored = np.asarray(store.observation[leaf][start:end])
            decoded = codec_class(space).decode(space, stored)
            assert all(np.array_equal(one, two) for one, two in zip(decoded, originals, strict=True)), leaf
        encoded = codec_class(env.action_space, "action").encode(env.action_space, episode.actions)
        assert np.array_equal(store.action[start : end - 1], encoded)
        assert np.array_equal(store.reward[start : end - 1], np.float32(episode.rewards))
        assert np.array_equal(store.terminated[start : end - 1], episode.terminations)
        assert np.array_equal(store.truncated[start : end - 1], episode.truncations)
        for array in (store.action, store.reward, store.terminated, store.truncated):
            assert not array[end - 1].any()
        assert store.episode_return[e] == pytest.approx(sum(episode.rewards), abs=1e-3)


@pytest.fixture
def nested():
    env = Nested()
    episodes = gather(env, 12)
    return env, episodes, write("toy/nested-v0", env, episodes)


@pytest.mark.parametrize("env_id", ["MiniGrid-FourRooms-v0", "CartPole-v1", "Pendulum-v1"])
def test_store_rows_equal_the_environment(env_id):
    env = make_env(env_id)
    episodes = gather(env, 4)
    write("real/random-v0", env, episodes, env_id=env_id)
    store = build_store(load_dataset("real/random-v0"))
    assert_store_equals(store, env, episodes)
    assert store.statistics["reward"]["kind"] in ("set", "twohot")


@pytest.mark.parametrize("env_id", ["MiniGrid-FourRooms-v0", "CartPole-v1", "Pendulum-v1", "nested"])
def test_a_store_in_memory_equals_the_one_built_of_the_data_set(env_id, monkeypatch):
    monkeypatch.setattr(rows, "CHUNK_ROWS", 50)
    env = Nested() if env_id == "nested" else make_env(env_id)
    episodes = gather(env, 4)
    built = build_store(write("real/random-v0", env, episodes))
    store = store_of_episodes(env.observation_space, env.action_space, iter(episodes))
    assert_store_equals(store, env, episodes)
    for leaf, array in built.observation.items():
        assert array.dtype == store.observation[leaf].dtype and np.array_equal(array, store.observation[leaf])
    for name in ("action", "reward", "terminated", "truncated", "episode_start", "episode_return"):
        ours, theirs = getattr(store, name), getattr(built, name)
        assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
    assert (store.statistics, store.summary) == (built.statistics, built.summary)


def test_a_store_in_memory_holds_the_episodes():
    env = make_env("NextLat/Word-S3-4")
    episodes = list(collect_episodes("NextLat/Word-S3-4", "expert", episodes=5))
    store = store_of_episodes(env.observation_space, env.action_space, episodes)
    assert isinstance(env.action_space, gym.spaces.Discrete)
    assert (store.num_episodes, store.num_transitions) == (5, sum(map(len, episodes)))
    batch = held_out_batch(store, np.arange(5))
    for i, episode in enumerate(episodes):
        steps = len(episode)
        assert batch.observation["observation"][i, : steps + 1].tolist() == episode.observations
        assert batch.action[i, :steps].tolist() == episode.actions
        assert batch.reward[i, :steps].tolist() == episode.rewards == [0.0] * (steps - 1) + [1.0]
        assert batch.terminated[i, :steps].tolist() == episode.terminations
        assert batch.has_action[i].sum() == steps and batch.valid[i].sum() == steps + 1


def test_a_store_in_memory_names_what_is_wrong():
    env = make_env("CartPole-v1")
    with pytest.raises(UserError, match="at least one episode"):
        store_of_episodes(env.observation_space, env.action_space, [])
    episodes = gather(env, 2)
    episodes[1].actions.pop()
    with pytest.raises(UserError, match=r"episode 1 has .* expected T\+1"):
        store_of_episodes(env.observation_space, env.action_space, episodes)
    episodes = gather(env, 2)
    episodes[1].observations[1] = np.full(4, np.nan, np.float32)
    with pytest.raises(UserError, match=r"episodes in memory, episode 1, step 1: 'observation' is .*not finite"):
        store_of_episodes(env.observation_space, env.action_space, episodes)


def test_nested_store_rows_equal_the_environment_in_any_chunking(nested, monkeypatch, tmp_path):
    env, episodes, dataset = nested
    for chunk in (1, 7, 10_000):
        monkeypatch.setattr(rows, "CHUNK_ROWS", chunk)
        sizes = [len(part.reward) for part in rows.read_rows(dataset)]
        assert max(sizes) <= chunk + 8 and sum(sizes) == sum(len(e.observations) for e in episodes)
        progress = []
        store = build_store(dataset, tmp_path / str(chunk), lambda *done, progress=progress: progress.append(done))
        assert_store_equals(store, env, episodes)
        assert progress[-1] == (12, 12)
    assert set(store.observation) == set(store.statistics["observation"]) == set(leaves(env.observation_space))
    returns = [sum(episode.rewards) for episode in episodes]
    assert store.summary["return_mean"] == pytest.approx(np.mean(returns), abs=1e-5)
    assert store.summary["return_median"] == pytest.approx(np.median(returns), abs=1e-5)
    assert store.summary["return_max"] == pytest.approx(np.max(returns), abs=1e-5)
    assert store.summary["return_std"] == pytest.approx(np.std(returns), abs=1e-5)
    assert store.summary["episodes"] == 12 and store.summary["transitions"] == store.num_transitions


def test_data_sets_of_other_people_can_be_read():
    env = gym.make("CartPole-v1")
    image = gym.spaces.Box(0, 255, (32, 32, 3), np.uint8)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    buffers = [
        EpisodeBuffer(
            observations=list(pixels),
            actions=[0, 1, 0, 1, 1],
            rewards=[1, 0, 0, 0, 2],
            terminations=[False] * 5,
            truncations=[False] * 4 + [True],
            infos={"x": np.arange(6)},
        )
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minari.create_dataset_from_buffers(
            "plain-v3", buffers, observation_space=image, action_space=env.action_space
        )  # JPEG
    dataset = load_dataset("plain-v3")
    store = build_store(dataset)
    assert np.array_equal(store.observation["observation"], dataset[0].observations)
    assert store.reward.tolist() == [1, 0, 0, 0, 2, 0] and store.truncated.tolist() == [False] * 4 + [True, False]


def test_filtered_data_set_has_a_store_of_its_own(nested):
    env, episodes, dataset = nested
    whole = build_store(dataset)
    part = build_store(dataset.filter_episodes(lambda episode: episode.id % 2 == 1))
    assert part.path != whole.path
    assert_store_equals(part, env, episodes[1::2])


def test_arrays_are_memory_mapped(nested):
    store = build_store(nested[2])
    per_row = [*store.observation.values(), store.action, store.reward, store.terminated, store.truncated]
    assert all(isinstance(array, np.memmap) and not array.flags.writeable for array in per_row)


def test_second_build_reads_nothing(nested, monkeypatch):
    first = build_store(nested[2])
    for module, name in ((fingerprint, "_digest"), (rows, "stored_episodes")):
        monkeypatch.setattr(module, name, lambda *arguments: pytest.fail("the data was read again"))
    second = build_store(load_dataset("toy/nested-v0"))
    assert second.path == first.path and np.array_equal(second.reward, first.reward)
    assert second.statistics == first.statistics and second.observation_space == first.observation_space


def test_key_follows_the_content(nested):
    first = build_store(nested[2])
    (file,) = nested[2].storage.data_path.glob("*.hdf5")
    content = file.read_bytes()
    file.write_bytes(content)  # touched, not changed
    assert build_store(load_dataset("toy/nested-v0")).path == first.path
    with h5py.File(file, "a") as data:
        data["episode_3/rewards"][0] = 42
    changed = build_store(load_dataset("toy/nested-v0"))
    assert changed.path != first.path and changed.reward[changed.episode_start[3]] == 42


@pytest.mark.parametrize("damage", ["cut meta", "no meta", "cut array", "no array", "old format"])
def test_broken_cache_is_rebuilt_with_a_warning(nested, damage):
    env, episodes, dataset = nested
    path = build_store(dataset).path
    meta, array = path / "meta.json", path / "observation" / "body%2F1%2Fgear.npy"
    if damage == "old format":
        meta.write_text(json.dumps(json.loads(meta.read_text()) | {"format": 0}))
    elif damage.startswith("no"):
        (meta if damage == "no meta" else array).unlink()
    else:
        file = meta if damage == "cut meta" else array
        file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(UserError, match="incomplete or broken"):
        Store.open(path)
    with pytest.warns(UserWarning, match="rebuilding"):
        assert_store_equals(build_store(dataset), env, episodes)
    (path.parent / "hashes.json").write_text("[")
    assert build_store(dataset).path == path


def stores_left(tmp_path) -> list[str]:
    return [path.name for path in (tmp_path / "stores").iterdir() if path.name != "hashes.json"]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("observations/body/_index_0", np.nan, "episode 5, step 1: 'body/0'"),
        ("rewards", np.inf, "episode 5, step 1: 'reward'"),
        ("actions", np.nan, "episode 5, step 1: 'action'"),
        ("observations/place", 9, "episode 5: values outside"),
    ],
)
def test_bad_values_are_user_errors_with_their_place(nested, tmp_path, column, value, message):
    with h5py.File(tmp_path / "datasets/toy/nested-v0/data/main_data.hdf5", "a") as data:
        data[f"episode_5/{column}"][1] = value
    with pytest.raises(UserError, match=f"toy/nested-v0', {message}"):
        build_store(load_dataset("toy/nested-v0"))
    assert stores_left(tmp_path) == []


@pytest.mark.parametrize("column", ["observations/place", "actions", "rewards", "terminations"])
def test_columns_cut_short_are_user_errors_with_the_episode(nested, tmp_path, column):
    with h5py.File(tmp_path / "datasets/toy/nested-v0/data/main_data.hdf5", "a") as data:
        values = data[f"episode_5/{column}"]
        values.resize(len(values) - 1, axis=0)
    with pytest.raises(UserError, match=r"episode 5: .* expected"):
        build_store(load_dataset("toy/nested-v0"))
    assert stores_left(tmp_path) == []


def test_unreadable_episode_is_a_user_error_with_the_episode(nested, tmp_path):
    with h5py.File(tmp_path / "datasets/toy/nested-v0/data/main_data.hdf5", "a") as data:
        del data["episode_7/actions"]
    with pytest.raises(UserError, match="cannot be read at episode 7"):
        build_store(load_dataset("toy/nested-v0"))
    assert stores_left(tmp_path) == []


def test_empty_data_set_is_a_user_error(nested, tmp_path):
    with pytest.raises(UserError, match="no episodes"):
        build_store(nested[2].filter_episodes(lambda episode: False))
    assert stores_left(tmp_path) == []


def test_full_disk_and_interrupt_leave_nothing(nested, tmp_path, monkeypatch):
    for failure, expected in ((OSError(errno.ENOSPC, "full"), UserError), (KeyboardInterrupt(), KeyboardInterrupt)):

        def fail(*arguments, failure=failure):
            raise failure

        monkeypatch.setattr(npy.NpyAppender, "append", fail)
        with pytest.raises(expected):
            build_store(nested[2])
        assert stores_left(tmp_path) == []


def test_npy_appender_writes_what_numpy_reads(tmp_path):
    blocks = [np.random.default_rng(i).random((size, 3, 2)).astype(np.float32) for i, size in enumerate((4, 0, 1000))]
    with npy.NpyAppender(tmp_path / "a.npy", np.dtype(np.float32), (3, 2)) as file:
        for block in blocks:
            file.append(block)
    assert np.array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), np.concatenate(blocks))


def test_two_data_sets_are_one_store(nested):
    dataset = nested[2]
    once, twice = build_store(dataset), build_store([dataset, dataset])
    assert twice.num_episodes == 2 * once.num_episodes
    assert twice.path != once.path and twice.dataset_id == f"{dataset.id}+{dataset.id}"
    assert np.array_equal(twice.reward, np.concatenate([once.reward, once.reward]))
    assert build_store([dataset]).path == once.path
