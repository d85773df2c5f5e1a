from collections import Counter

import torch
from gymnasium import spaces

from nextlat_rl.spaces import build_codec, codec_class
from tests.helpers.space_strategies import WIDTH, grid_of_uniforms, parameters_of

SPACE = spaces.Text(200, charset="abcdefghijklmnopqrstuvwxyz ")
TEXTS = ["reach the goal", "open the door", "pick up the ball"]


def codec_of(texts=TEXTS):
    return build_codec(SPACE, WIDTH, {"texts": texts})


def stored(texts):
    return torch.from_numpy(codec_class(SPACE).encode(SPACE, texts))


def test_texts_are_measured_most_frequent_first():
    data = ["b"] * 3 + ["a"] * 5 + ["c"]
    assert codec_class(SPACE).measure(SPACE, stored(data).numpy()) == {"texts": ["a", "b", "c"]}


def test_long_texts_are_cut():
    assert codec_class(SPACE).decode(SPACE, stored(["ab" * 100]).numpy()) == ["ab" * 64]


def test_probabilities_of_known_and_other_sum_to_one():
    codec = codec_of()
    x = stored([*TEXTS, "never seen"])
    parameters = parameters_of(codec, 1).expand(len(x), -1)
    torch.testing.assert_close(codec.log_prob(parameters, x), parameters[0].log_softmax(-1))
    torch.testing.assert_close(codec.log_prob(parameters, x).exp().sum(), torch.tensor(1.0))


def test_other_stands_for_the_most_frequent_text():
    codec = codec_of()
    mode = codec.mode(torch.tensor([[0.0, 0.0, 0.0, 9.0], [0.0, 9.0, 0.0, 0.0]]))
    assert codec.decode(SPACE, mode.numpy()) == ["reach the goal", "open the door"]


def test_sample_frequencies_are_the_probabilities():
    codec, count = codec_of(), 1000
    parameters = parameters_of(codec, 1)
    drawn = codec.decode(SPACE, codec.sample(parameters.expand(count, -1), grid_of_uniforms(count)[:, None]).numpy())
    probabilities = parameters[0].softmax(-1)
    probabilities[0] += probabilities[3]
    frequencies = Counter(drawn)
    for text, probability in zip(TEXTS, probabilities, strict=False):
        assert abs(frequencies[text] / count - probability) <= 2 / count + 1e-6


def test_kl_equals_enumeration():
    codec = codec_of()
    p, q = parameters_of(codec, 3), parameters_of(codec, 3)
    log_p, log_q = p.log_softmax(-1), q.log_softmax(-1)
    torch.testing.assert_close(codec.kl(p, q), (log_p.exp() * (log_p - log_q)).sum(-1))


def test_embedding_of_repeated_texts_equals_one_by_one():
    codec = codec_of()
    texts = [*TEXTS, "never seen", TEXTS[1], "never seen", TEXTS[0], "a"]
    together = codec.embed(stored(texts).view(2, 4, -1)).flatten(0, 1)
    alone = torch.cat([codec.embed(stored([text])) for text in texts])
    torch.testing.assert_close(together, alone)
    assert len(torch.unique(together.round(decimals=3), dim=0)) == len(set(texts))


def test_no_statistics_give_a_valid_text():
    space = spaces.Text(4, min_length=2, charset="xy")
    codec = build_codec(space, WIDTH, {})
    assert all(space.contains(text) for text in codec.decode(space, codec.mode(parameters_of(codec, 3)).numpy()))
