"""The trust horizon: up to how many steps dreams cannot be told from real episodes.

At each of a ladder of horizons a classifier is trained to tell windows of real episodes from windows of dreams that
began with the same observations (`two_sample_auc`). The trust horizon is the longest horizon at which, and at all
shorter ones, the area under its ROC curve is at most 0.6.

Continuous numbers are read to within a tenth of their standard deviation: noise of that size is added on both sides.
The model's densities are never sharper than a twentieth, so without it every dream of a deterministic world would be
told by noise that no planner minds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from nextlat_rl.metrics.trajectories import Trajectories
from nextlat_rl.metrics.two_sample import two_sample_auc
from nextlat_rl.spaces import Codec
from nextlat_rl.spaces.categorical import FieldsCodec

LADDER = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500)
LARGEST_AUC = 0.6
RESOLUTION = 0.1  # of continuous numbers, in standard deviations
_WINDOWS, _MOST_NUMBERS = 4, 1024  # of a pair and a horizon; of a leaf that is not categorical
_SAMPLE = 10_000  # steps that standard deviations are taken from
_FEWEST_PAIRS = 32


@dataclass(frozen=True)
class HorizonTest:
    """How well real and imagined windows that end at a horizon, or after the last shorter one, are told apart."""

    horizon: int
    auc: float
    pairs: int  # of episodes and dreams that both last that long


@dataclass(frozen=True)
class TrustTest:
    """The tests at all horizons at which there are at least 32 pairs, in ascending order."""

    tests: list[HorizonTest]

    @property
    def trust_horizon(self) -> int | None:
        """Steps; 0 if dreams differ at the first, the longest tested if they never do, None if nothing was tested."""
        trusted = 0
        for test in self.tests:
            if test.auc > LARGEST_AUC:
                return trusted
            trusted = test.horizon
        return trusted if self.tests else None

    @property
    def unlimited(self) -> bool:
        """Whether dreams passed at all horizons that were tested."""
        return bool(self.tests) and all(test.auc <= LARGEST_AUC for test in self.tests)


def trust_test(
    real: Trajectories,
    imagined: Trajectories,
    codecs: Mapping[str, Codec],
    action_codec: Codec,
    *,
    data: Mapping[str, np.ndarray] | None = None,
    extra: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
    on_horizon: Callable[[int], None] = lambda done: None,
) -> TrustTest:
    """Test each horizon of the ladder that both kinds of episodes reach.

    A window is the observations before and after a step, the action, the reward and whether the episode ended. So the
    classifier sees that a step is impossible, or unlikely where it is; what contradicts earlier steps it sees only
    through `extra`.

    Args:
        real: N episodes.
        imagined: N dreams; row n begins with the first observation of real row n.
        codecs: of the observation's leaves.
        action_codec: of the action.
        data: leaf -> `[M, *leaf]` observations that the model was trained on, whose standard deviations count; by
            default those of the real episodes do.
        extra: more numbers for each step, `[N, K, E]` of the real and of the imagined episodes.
        seed: of the classifiers.
        on_horizon: called with the number of horizons done.
    """
    reader = _Reader(real, data, codecs, action_codec, seed)
    both = np.minimum(real.length, imagined.length)
    tests: list[HorizonTest] = []
    before = 0
    for done, horizon in enumerate(LADDER):
        pairs = int((both >= horizon).sum())
        if pairs < _FEWEST_PAIRS:
            break
        row, step = _windows(both, before, horizon)
        parts = [reader.features(part, row, step) for part in (real, imagined)]
        if extra is not None:
            more = [numbers[row, np.minimum(step, numbers.shape[1] - 1)] for numbers in extra]
            parts = [np.concatenate(pair, axis=1) for pair in zip(parts, more, strict=True)]
        tests.append(HorizonTest(horizon, two_sample_auc(parts[0], parts[1], row, seed), pairs))
        before = horizon
        on_horizon(done + 1)
    return TrustTest(tests)


def _windows(both: np.ndarray, before: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs `[S]` and steps `[S]` (0 is the first) of windows that end after `before` and by `horizon` steps."""
    count = min(_WINDOWS, horizon - before)
    steps = np.unique(np.linspace(before + 1, horizon, count).round().astype(int)) - 1
    row, column = np.nonzero(both[:, None] > steps)
    return row, steps[column]


class _Reader:
    """What the classifier sees of a step, continuous numbers in standard deviations and to within `RESOLUTION`."""

    def __init__(
        self,
        real: Trajectories,
        data: Mapping[str, np.ndarray] | None,
        codecs: Mapping[str, Codec],
        action_codec: Codec,
        seed: int,
    ) -> None:
        self.codecs, self.action_codec, self.rng = codecs, action_codec, np.random.default_rng(seed)
        row, step = np.nonzero(real.taken)
        seen = data or {name: leaf[row, step] for name, leaf in real.observation.items()}
        self.std = {name: _numbers(codec, self._some(seen[name])).std(0) for name, codec in codecs.items()}
        self.action_std = _numbers(action_codec, self._some(real.action[row, step])).std(0)
        self.reward_std = real.reward[row, step, None].std(0)

    def features(self, part: Trajectories, row: np.ndarray, step: np.ndarray) -> np.ndarray:
        """`[S, F]` of steps `[S]` in episodes `[S]`."""
        action, reward = _numbers(self.action_codec, part.action[row, step]), part.reward[row, step, None]
        columns = [part.ended[row, step, None], self._read(reward, self.reward_std, False)]
        columns.append(self._read(action, self.action_std, self.action_codec.discrete))
        for name, codec in self.codecs.items():
            both = (_numbers(codec, part.observation[name][row, step + i]) for i in (0, 1))
            old, new = (self._read(numbers, self.std[name], codec.discrete) for numbers in both)
            columns += [old, new, new - old]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _read(self, numbers: np.ndarray, std: np.ndarray, discrete: bool) -> np.ndarray:
        if discrete:
            return numbers
        changes = std > 1e-6  # noise in the others would hide what a dream does to them
        noise = RESOLUTION * changes * self.rng.normal(size=numbers.shape)
        return numbers / np.where(changes, std, 1.0) + noise

    def _some(self, rows: np.ndarray) -> np.ndarray:
        return rows[np.sort(self.rng.permutation(len(rows))[:_SAMPLE])]


@torch.no_grad()
def _numbers(codec: Codec, stored: np.ndarray) -> np.ndarray:
    """`[S, *leaf]` to `[S, F]`: one-hot classes, or the numbers themselves, at most 1024 of them, evenly spread."""
    if isinstance(codec, FieldsCodec):
        device = next(codec.parameters()).device
        return codec.one_hot(torch.from_numpy(stored).to(device)).cpu().numpy()
    flat = stored.reshape(len(stored), -1).astype(np.float32)
    size = flat.shape[1]
    return flat if size <= _MOST_NUMBERS else flat[:, np.linspace(0, size - 1, _MOST_NUMBERS).astype(int)]
