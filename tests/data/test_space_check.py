import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple

from nextlat_rl.data.space_check import check_spaces
from nextlat_rl.errors import UserError

ACTION = Discrete(3)


def test_equal_spaces_pass_whatever_the_texts():
    first = Dict(a=Tuple([Box(-np.inf, np.inf, (2,)), MultiBinary([3])]), b=Text(10), c=MultiDiscrete([2, 3]))
    second = Dict(a=Tuple([Box(-np.inf, np.inf, (2,)), MultiBinary((3,))]), b=Text(99, charset="x"), c=first["c"])
    check_spaces(first, ACTION, second, ACTION)


def test_box_bounds_are_compared_with_a_tolerance():
    low = np.array([-4.8, -np.inf], np.float32)
    check_spaces(Box(low, -low), ACTION, Box(low * np.float32(1 + 1e-7), -low), ACTION)


@pytest.mark.parametrize(
    "other",
    [
        Box(-1, 2, (2,)),
        Box(-1, np.inf, (2,)),
        Box(-1, 1, (3,)),
        Box(-1, 1, (2,), np.int32),
        Discrete(2),
        Text(3),
    ],
)
def test_difference_names_leaf_and_both_spaces(other: gym.Space):
    here = Box(-1, 1, (2,))
    with pytest.raises(UserError) as error:
        check_spaces(Dict(x=Dict(y=here)), ACTION, Dict(x=Dict(y=other)), ACTION)
    assert "'x/y'" in str(error.value) and str(here) in str(error.value) and str(other) in str(error.value)


def test_missing_and_additional_leaves_are_named():
    with pytest.raises(UserError, match=r"'b' is Discrete\(2\) in the data set and nothing"):
        check_spaces(Dict(a=ACTION, b=Discrete(2)), ACTION, Dict(a=ACTION), ACTION)
    with pytest.raises(UserError, match="'b' is nothing in the data set"):
        check_spaces(Dict(a=ACTION), ACTION, Dict(a=ACTION, b=Discrete(2)), ACTION)


def test_actions_are_checked():
    with pytest.raises(UserError, match=r"action is Discrete\(3\) in the data set and Discrete\(3, start=1\)"):
        check_spaces(ACTION, ACTION, ACTION, Discrete(3, start=1))
