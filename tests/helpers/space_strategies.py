"""Random spaces for property tests, and what the tests do with every codec."""

from inspect import signature

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from hypothesis import settings
from hypothesis import strategies as st

from nextlat_rl.spaces import Codec, build_codec, codec_class

torch.set_num_threads(1)
settings.register_profile("spaces", max_examples=25, deadline=None, derandomize=True)
settings.load_profile("spaces")

WIDTH = 12
SEEDS = st.integers(0, 2**31 - 1)
_SHAPES = st.lists(st.integers(1, 3), max_size=2).map(tuple)
_NO_SCALARS = st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple)


@st.composite
def discrete(draw):
    dtype = draw(st.sampled_from([np.int64, np.int32, np.uint8]))
    start = draw(st.integers(0 if dtype is np.uint8 else -5, 5))
    typed = {"dtype": dtype} if "dtype" in signature(spaces.Discrete).parameters else {}  # not in Gymnasium 1.0
    return spaces.Discrete(draw(st.integers(1, 9)), start=start, **typed)


@st.composite
def multi_discrete(draw, shapes=_NO_SCALARS, largest=5):
    shape = draw(shapes)
    size = int(np.prod(shape))
    nvec = np.reshape(draw(st.lists(st.integers(1, largest), min_size=size, max_size=size)), shape)
    start = np.reshape(draw(st.lists(st.integers(-3, 3), min_size=size, max_size=size)), shape)
    return spaces.MultiDiscrete(nvec, start=start)


@st.composite
def multi_binary(draw):
    return spaces.MultiBinary(draw(st.one_of(st.integers(1, 5), _NO_SCALARS)))


_EDGES = st.floats(-5, 5, width=16).map(float)


@st.composite
def box(draw, bounded=None):
    shape = draw(_SHAPES)
    dtype = draw(st.sampled_from([np.float32, np.float64, np.float16, np.int32, np.uint8, np.int64]))
    low, extent = draw(_EDGES), draw(st.floats(0.25, 3, width=16))
    if np.issubdtype(dtype, np.integer):
        low, high = int(abs(low)), int(abs(low)) + int(np.ceil(extent))
    else:
        high = low + extent
        unbounded = False if bounded else draw(st.sampled_from([(), ("low",), ("high",), ("low", "high")]))
        low = -np.inf if unbounded and "low" in unbounded else low
        high = np.inf if unbounded and "high" in unbounded else high
    return spaces.Box(low, high, shape, dtype)


@st.composite
def image(draw):
    height, width, channels = draw(st.integers(16, 40)), draw(st.integers(16, 70)), draw(st.sampled_from([1, 3, 4]))
    layouts = [(height, width, channels), (channels, height, width), (height, width)]
    shape = draw(st.sampled_from(layouts))
    return draw(st.sampled_from([spaces.Box(0, 255, shape, np.uint8), spaces.Box(0.0, 1.0, shape, np.float32)]))


@st.composite
def text(draw):
    longest = draw(st.integers(1, 20))
    charset = draw(st.sampled_from(["abc", "zé ñ0", "abcdefghijklmnopqrstuvwxyz ,."]))
    return spaces.Text(longest, min_length=draw(st.integers(0, longest)), charset=charset)


class Grid(spaces.Box):
    """A symbolic grid whose samples are MiniGrid cells."""

    def sample(self, mask=None, probability=None):
        return self.np_random.integers(0, [11, 6, 4], self.shape).astype(np.uint8)


@st.composite
def grid(draw):
    return Grid(0, 255, (draw(st.integers(1, 8)), draw(st.integers(1, 8)), 3), np.uint8)


observation_leaves = st.one_of(discrete(), multi_discrete(), multi_binary(), box(), image(), text(), grid())
action_spaces = st.one_of(discrete(), multi_discrete(), multi_binary(), box())
small_leaves = st.one_of(discrete(), box(), text())
nested = st.recursive(
    small_leaves,
    lambda children: st.one_of(
        st.dictionaries(st.sampled_from("abcd"), children, min_size=1, max_size=3).map(spaces.Dict),
        st.lists(children, min_size=1, max_size=3).map(spaces.Tuple),
    ),
    max_leaves=6,
)


def samples(space: gym.Space, seed: int, count: int = 5) -> list:
    space.seed(seed)
    return [space.sample() for _ in range(count)]


def fitted(space: gym.Space, seed: int, role: str = "observation") -> tuple[Codec, torch.Tensor, list]:
    """A codec with statistics of samples, the samples stored, and the samples."""
    elements = samples(space, seed)
    kind = codec_class(space, role)
    stored = kind.encode(space, elements)
    torch.manual_seed(seed)
    return build_codec(space, WIDTH, kind.measure(space, stored), role), torch.from_numpy(stored), elements


def parameters_of(codec: Codec, *batch: int, scale: float = 2.0) -> torch.Tensor:
    """Varied parameters, as a trained head would give."""
    return codec.head(scale * torch.randn(*batch, WIDTH)).detach()


def grid_of_uniforms(count: int) -> torch.Tensor:
    """Stratified uniforms `[count]`: inverse-CDF frequencies are exact within 1 / count."""
    return (torch.arange(count) + 0.5) / count
