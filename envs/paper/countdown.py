"""Countdown: reach a target from a few numbers by arithmetic, one equation after the other (arXiv 2511.05963)."""

import numpy as np

from nextlat_rl.envs.paper import countdown_rules as rules
from nextlat_rl.envs.paper.countdown_rules import OPERATORS, Equation
from nextlat_rl.envs.paper.token_task import TokenTask
from nextlat_rl.errors import UserError

HELD_OUT_SHARE = 0.1
EQUATION = 5  # words of an equation


class CountdownEnv(TokenTask):
    """The prompt is `numbers` numbers of `1..largest`, the target and `pauses` pause tokens; the answer is equations.

    An equation is five words, `a + b = c`, over two of the numbers that are left; its result replaces them. The problem
    is solved once a result is the target; any such sequence of equations counts. Each number `0..limit` is one token.
    Differences are not negative, divisions leave no remainder and no result exceeds `limit` (by default 10 `largest`).

    A tenth of the targets `1..highest` (by default `largest`) is held out: they occur with `held_out` only.
    """

    def __init__(
        self,
        numbers: int = 3,
        largest: int = 20,
        highest: int | None = None,
        limit: int | None = None,
        pauses: int = 8,
        held_out: bool = False,
        problems: int = 1,
        render_mode: str | None = None,
    ) -> None:
        self.limit = 10 * largest if limit is None else limit
        highest = largest if highest is None else highest
        if numbers < 2 or largest < 1 or pauses < 0 or not 2 <= highest <= self.limit or self.limit < largest:
            raise UserError(
                f"Countdown with numbers={numbers}, largest={largest}, highest={highest}, limit={self.limit} is "
                "impossible; it needs numbers >= 2, largest >= 1, highest >= 2 and a limit that is no smaller than both"
            )
        self.equals = self.limit + 1 + len(OPERATORS)
        self.pause = self.equals + 1
        super().__init__(tokens=self.pause + 1, words=self.pause, problems=problems, render_mode=render_mode)
        self.count, self.largest, self.pauses = numbers, largest, pauses
        self.targets = target_split(highest)[held_out]
        self._check_targets()

    def draw(self) -> list[int]:
        """The numbers in random order, the target and the pauses."""
        target = int(self.np_random.choice(self.targets))
        problem = rules.draw_problem(self.np_random, target, self.count, self.largest, self.limit)
        assert problem is not None
        numbers, equations = problem
        self.numbers, self.target = tuple(self.np_random.permutation(numbers).tolist()), target
        self.solution = [word for equation in equations for word in self.words(equation)]
        return [*self.numbers, target, *[self.pause] * self.pauses]

    def words(self, equation: Equation) -> list[int]:
        """The five words of an equation."""
        return [equation.left, self.limit + 1 + equation.operator, equation.right, self.equals, equation.result]

    def next_word(self, written: list[int]) -> int | None:
        """Next word of the drawn solution while it is followed, else one that still leads to the target, if any."""
        if self._reached(written):
            return None
        place = len(written) % EQUATION
        if len(written) < len(self.solution) and written == self.solution[: len(written)]:
            return self.solution[len(written)]
        numbers, fitting = self._fitting(written)
        good = (e for e in fitting if rules.leads_to(numbers, e, self.target, self.limit))
        return self.words(next(good, fitting[0]))[place]

    def legal(self, word: int) -> bool:
        """Whether `word` continues a legal equation, whatever its result."""
        place = len(self.written) % EQUATION
        return any(self.words(e)[place] == word for e in self._fitting(self.written)[1])

    def accepts(self, word: int) -> bool:
        """Whether `word` continues a legal equation; the last result has to be the target."""
        place = len(self.written) % EQUATION
        last = place == EQUATION - 1 and len(self._fitting(self.written)[0]) == 2
        return self.legal(word) and (not last or word == self.target)

    def finished(self) -> bool:
        """Whether the last equation gave the target."""
        return self._reached(self.written)

    def token_name(self, token: int) -> str:
        """The number, one of `+ - * / =`, or `_` for a pause."""
        return str(token) if token <= self.limit else (OPERATORS + "=_")[token - self.limit - 1]

    def _reached(self, written: list[int]) -> bool:
        return bool(written) and len(written) % EQUATION == 0 and written[-1] == self.target

    def _fitting(self, written: list[int]) -> tuple[tuple[int, ...], list[Equation]]:
        """The numbers that are left, and the legal equations that begin like the one being written."""
        numbers = self.numbers
        whole = len(written) // EQUATION * EQUATION
        for i in range(0, whole, EQUATION):
            left, operator, right, _, result = written[i : i + EQUATION]
            numbers = rules.after(numbers, Equation(left, operator - self.limit - 1, right, result))
        begun = written[whole:]
        equations = rules.legal_equations(numbers, self.limit)
        return numbers, [e for e in equations if self.words(e)[: len(begun)] == begun]

    def _check_targets(self) -> None:
        rng = np.random.default_rng(0)
        for target in self.targets:
            if rules.draw_problem(rng, target, self.count, self.largest, self.limit) is None:
                raise UserError(
                    f"Countdown: found no {self.count} numbers up to {self.largest} that reach the target {target}; "
                    "lower highest, or give more or larger numbers"
                )


def target_split(highest: int) -> tuple[list[int], list[int]]:
    """The targets of `1..highest` to train on and those held out, a tenth and at least one."""
    order = np.random.default_rng(0x636F756E74).permutation(np.arange(1, highest + 1)).tolist()
    held_out = max(1, round(HELD_OUT_SHARE * highest))
    return sorted(order[held_out:]), sorted(order[:held_out])
