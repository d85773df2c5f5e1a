import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given

from nextlat_rl.errors import UserError
from nextlat_rl.spaces import codec_class, flatten, flatten_list, leaves, unflatten
from tests.helpers.space_strategies import SEEDS, nested, samples

BOX = spaces.Box(-1.0, 1.0, (2,))
NESTED = spaces.Dict(image=BOX, inner=spaces.Tuple([spaces.Dict(velocity=BOX), spaces.Discrete(3)]))


def test_leaf_names_are_paths():
    assert list(leaves(NESTED)) == ["image", "inner/0/velocity", "inner/1"]
    assert leaves(BOX) == {"observation": BOX}
    assert leaves(spaces.Dict()) == {}


@given(nested, SEEDS)
def test_round_trip_of_nested_elements(space, seed):
    elements = samples(space, seed)
    flat = flatten_list(space, elements)
    assert list(flat) == list(leaves(space))
    decoded = {}
    for name, leaf in leaves(space).items():
        codec = codec_class(leaf)
        decoded[name] = codec.decode(leaf, codec.encode(leaf, flat[name]))
    back = unflatten(space, decoded)
    assert len(back) == len(elements)
    assert all(space.contains(element) for element in back)
    again = flatten_list(space, back)
    for name, leaf in leaves(space).items():
        codec = codec_class(leaf)
        np.testing.assert_array_equal(codec.encode(leaf, again[name]), codec.encode(leaf, flat[name]))


def test_minari_layout_equals_list_of_elements():
    elements = samples(NESTED, 0)
    minari = {
        "image": np.stack([e["image"] for e in elements]),
        "inner": (
            {"velocity": np.stack([e["inner"][0]["velocity"] for e in elements])},
            np.stack([e["inner"][1] for e in elements]),
        ),
    }
    one, other = flatten(NESTED, minari), flatten_list(NESTED, elements)
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], np.stack(other[name]))


def test_missing_part_is_named():
    with pytest.raises(UserError, match="inner"):
        flatten(NESTED, {"image": np.zeros((1, 2))})
    with pytest.raises(UserError, match="image"):
        flatten_list(NESTED, [{}])


def test_equal_paths_are_refused():
    with pytest.raises(UserError, match="a/b"):
        leaves(spaces.Dict({"a/b": BOX, "a": spaces.Dict(b=BOX)}))
