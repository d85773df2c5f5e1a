"""The best episodes come as often as asked for, and batches stay a function of the step."""

import numpy as np

from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.top_return import TopReturnBatcher, top_return_episodes
from tests.helpers.toy_data import numbered_store

EPISODES = np.arange(20)


def test_the_best_tenth_by_return() -> None:
    store = numbered_store([3] * 20)
    store.episode_return[[4, 11, 17]] = [5.0, 9.0, 5.0]
    assert top_return_episodes(store, EPISODES).tolist() == [4, 11]  # of equals the earlier
    assert top_return_episodes(store, np.array([3, 17, 4])).tolist() == [17]  # the order given counts, and at least one
    assert top_return_episodes(store, np.array([0, 1])).tolist() == [0]


def test_some_windows_are_of_the_best_alone() -> None:
    store = numbered_store([3] * 20)
    store.episode_return[[4, 11]] = 1.0
    batches = TopReturnBatcher(store, 8, 6, seed=1, episodes=EPISODES, fraction=0.25)
    for step in range(5):
        batch, again = batches.batch(step), batches.batch(step)
        episode = batch.segment % store.num_episodes
        assert batch.action.shape == (8, 6, 1)
        assert set(episode[6:].flatten().tolist()) == {4, 11}
        plain = Batcher(store, 6, 6, seed=1, episodes=EPISODES).batch(step)
        assert batch.observation["observation"][:6].tolist() == plain.observation["observation"].tolist()
        assert batch.observation["observation"].tolist() == again.observation["observation"].tolist()


def test_both_kinds_are_in_every_batch() -> None:
    store = numbered_store([3] * 20)
    store.episode_return[0] = 1.0
    for share in (0.01, 0.99):
        episode = TopReturnBatcher(store, 2, 3, 0, EPISODES, share).batch(0).segment % store.num_episodes
        assert set(episode[1].tolist()) <= {0, 1}  # the best two
        assert episode.shape == (2, 3)
