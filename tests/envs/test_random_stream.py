"""Random actions carry no information about what the environment drew on the same seed."""

from __future__ import annotations

from tests.helpers.worlds import recall_episodes


def test_actions_are_independent_of_the_environment() -> None:
    episodes = recall_episodes(400)
    for t in range(3):
        counts = {(cue, action): 0 for cue in (1, 2) for action in (0, 1)}
        for episode in episodes:
            counts[episode.observations[0], episode.actions[t]] += 1
        assert min(counts.values()) > 65, counts  # 100 each is expected, 65 is four standard deviations away
