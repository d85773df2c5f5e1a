"""Arithmetic of Countdown: legal equations, solvability, and random problems."""

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

import numpy as np

OPERATORS = "+-*/"


class Equation(NamedTuple):
    """`left operator right = result`; `operator` is an index into `OPERATORS`."""

    left: int
    operator: int
    right: int
    result: int


def compute(left: int, operator: int, right: int) -> int | None:
    """The result; None for a negative one and for a division that leaves a remainder."""
    if operator == 0:
        return left + right
    if operator == 1:
        return left - right if left >= right else None
    if operator == 2:
        return left * right
    return left // right if right and left % right == 0 else None


def legal_equations(numbers: tuple[int, ...], limit: int) -> Iterator[Equation]:
    """Every equation over two of `numbers` whose result is at most `limit`."""
    for left, right in sorted(set(permutations(numbers, 2))):
        for operator in range(len(OPERATORS)):
            result = compute(left, operator, right)
            if result is not None and result <= limit:
                yield Equation(left, operator, right, result)


def after(numbers: tuple[int, ...], equation: Equation) -> tuple[int, ...]:
    """The numbers that are left once `equation` has replaced two of them by its result."""
    left = list(numbers)
    left.remove(equation.left)
    left.remove(equation.right)
    return (*left, equation.result)


def leads_to(numbers: tuple[int, ...], equation: Equation, target: int, limit: int) -> bool:
    """Whether `equation`, or further ones over the numbers that it leaves, reach `target`."""
    left = after(numbers, equation)
    return equation.result == target or any(leads_to(left, e, target, limit) for e in legal_equations(left, limit))


def draw_problem(
    rng: np.random.Generator, target: int, count: int, largest: int, limit: int, tries: int = 2000
) -> tuple[list[int], list[Equation]] | None:
    """`count` numbers of `1..largest` and equations over all of them, of which only the last one gives `target`.

    Works backwards: splits the target in two, then one of the parts, and so on. None if all `tries` failed.
    """
    for _ in range(tries):
        numbers, equations = [target], list[Equation]()
        while len(equations) < count - 1:
            whole = numbers.pop(int(rng.integers(len(numbers))))
            equation = _split(rng, whole, largest)
            if equation is None or max(equation) > limit:
                break
            numbers += [equation.left, equation.right]
            equations.append(equation)
            if target in numbers:
                break
        else:
            if max(numbers) <= largest:
                return numbers, equations[::-1]
    return None


def _split(rng: np.random.Generator, whole: int, largest: int) -> Equation | None:
    """An equation with the result `whole` and one part uniform in `1..largest`; None if that part does not fit."""
    operator, part = int(rng.integers(len(OPERATORS))), int(rng.integers(1, largest + 1))
    if operator == 1:
        return Equation(whole + part, operator, part, whole)
    if operator == 3:
        return Equation(whole * part, operator, part, whole)
    other, rest = (whole - part, 0) if operator == 0 else divmod(whole, part)
    if other < 1 or rest:
        return None
    return Equation(*((part, operator, other) if rng.random() < 0.5 else (other, operator, part)), whole)
