"""A text as a task: read the beginning of a window, write its continuation."""

from nextlat_rl.envs.paper.corpus import load_corpus
from nextlat_rl.envs.paper.token_task import TokenTask
from nextlat_rl.errors import UserError


class TextEnv(TokenTask):
    """The prompt is `prompt` tokens from a random place of the text, the answer the `length` tokens that follow.

    Every right token brings `1 / (problems * length)`, the first wrong one ends the episode: the return is the share of
    the continuation before the first mistake. Training windows lie in the first nine tenths of the text, windows with
    `held_out` in the last tenth. `file` is any UTF-8 text, by default the King James Bible; its byte-pair tokenizer has
    up to `vocabulary` tokens.
    """

    def __init__(
        self,
        file: str | None = None,
        vocabulary: int = 512,
        prompt: int = 32,
        length: int = 32,
        held_out: bool = False,
        problems: int = 1,
        render_mode: str | None = None,
    ) -> None:
        if prompt < 1 or length < 1:
            raise UserError(
                f"a window has at least 1 token to read and 1 to write, got prompt={prompt}, length={length}"
            )
        corpus = load_corpus(file, vocabulary)
        self.tokenizer = corpus.tokenizer
        self.text = corpus.held_out if held_out else corpus.train
        if len(self.text) < prompt + length:
            raise UserError(
                f"the {'held-out tenth' if held_out else 'training part'} of the text '{file or 'King James'}' has "
                f"{len(self.text)} tokens, a window {prompt + length}; give a longer text or lower prompt and length"
            )
        tokens = len(self.tokenizer)
        super().__init__(tokens=tokens, words=tokens, problems=problems, render_mode=render_mode)
        self.prompt_length, self.length = prompt, length

    def draw(self) -> list[int]:
        """A window's beginning."""
        start = int(self.np_random.integers(len(self.text) - self.prompt_length - self.length + 1))
        window = self.text[start : start + self.prompt_length + self.length].tolist()
        self.answer = window[self.prompt_length :]
        return window[: self.prompt_length]

    def next_word(self, written: list[int]) -> int | None:
        """The window's next token."""
        return self.answer[len(written)] if len(written) < self.length else None

    def reward(self) -> float:
        """The same for each token."""
        return 1 / (self.problems * self.length)

    def token_name(self, token: int) -> str:
        """The token's text, in quotes."""
        return repr(self.tokenizer.decode([token]))
