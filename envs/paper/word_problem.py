"""Word problem of a finite group: read elements, then write their product (arXiv 2511.05963, A5 experiment)."""

from nextlat_rl.envs.paper.groups import GROUPS, multiplication_table
from nextlat_rl.envs.paper.token_task import TokenTask
from nextlat_rl.errors import UserError


class WordProblemEnv(TokenTask):
    """The prompt is a word of `shortest..longest` uniform elements and a question mark, the answer its product.

    For A5 and S5 (not solvable groups) no transformer of constant depth can compute the product of words of every
    length; a recurrent state can.

    With `asked` the product runs on through an episode's problems: after each element the product of all elements so
    far is asked for with this probability, and always after `longest` elements without a question. Frequent questions
    make the state easier to learn than a single product at the end.
    """

    def __init__(
        self,
        group: str = "S3",
        longest: int = 12,
        shortest: int = 1,
        problems: int = 1,
        asked: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        if group not in GROUPS:
            raise UserError(f"unknown group '{group}'; known: {', '.join(GROUPS)}")
        if not 1 <= shortest <= longest:
            raise UserError(f"words of {shortest} to {longest} elements do not exist; set 1 <= shortest <= longest")
        self.table = multiplication_table(group)
        elements = len(self.table)
        if not 0 <= asked <= 1:
            raise UserError(f"asked={asked} is no probability; set it between 0 (lengths are uniform) and 1")
        super().__init__(tokens=elements + 1, words=elements, problems=problems, render_mode=render_mode)
        self.group, self.question = group, elements
        self.shortest, self.longest, self.asked = shortest, longest, asked

    def draw(self) -> list[int]:
        """A word and the question mark."""
        if self.asked:
            length = min(self.shortest - 1 + int(self.np_random.geometric(self.asked)), self.longest)
        else:
            length = int(self.np_random.integers(self.shortest, self.longest + 1))
        word = self.np_random.integers(len(self.table), size=length).tolist()
        if not self.asked or self.solved == 0:
            self.product = 0
        for element in word:
            self.product = int(self.table[self.product, element])
        return [*word, self.question]

    def next_word(self, written: list[int]) -> int | None:
        """The product, once."""
        return None if written else self.product
