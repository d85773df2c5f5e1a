"""Path-Star (arXiv 2403.06963): find the arm of a star that leads to the goal; the first step decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nextlat_rl.envs.paper.token_task import TokenTask
from nextlat_rl.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PathStarEnv(TokenTask):
    """`degree` arms of `arm` nodes leave a centre; the prompt lists the edges in random order, the centre and the goal.

    The goal is the end of one arm, the answer the nodes from the centre's neighbour to the goal. A graph's nodes are
    drawn from `nodes` names. With `graphs` there are only so many different graphs, as in the paper's fixed data.
    """

    def __init__(
        self,
        degree: int = 2,
        arm: int = 5,
        nodes: int = 100,
        graphs: int | None = None,
        problems: int = 1,
        render_mode: str | None = None,
    ) -> None:
        used = degree * (arm - 1) + 1
        if degree < 1 or arm < 2 or nodes < used:
            raise UserError(f"a star of {degree} arms of {arm} nodes needs at least {used} names, got nodes={nodes}")
        super().__init__(tokens=nodes, words=nodes, problems=problems, render_mode=render_mode)
        self.degree, self.arm, self.nodes, self.graphs = degree, arm, nodes, graphs

    def draw(self) -> list[int]:
        """Edges as pairs of tokens, then the centre and the goal."""
        rng = self.np_random
        if self.graphs is not None:
            rng = np.random.default_rng([int(rng.integers(self.graphs)), 0x737461])
        names = rng.permutation(self.nodes)[: self.degree * (self.arm - 1) + 1].tolist()
        centre, rest = names[0], names[1:]
        length = self.arm - 1
        self.centre = centre
        self.arms = arms = [rest[i * length : (i + 1) * length] for i in range(self.degree)]
        edges = [edge for nodes in arms for edge in zip([centre, *nodes], nodes, strict=False)]
        self.path = arms[int(rng.integers(self.degree))]
        order = rng.permutation(len(edges))
        return [token for i in order for token in edges[i]] + [centre, self.path[-1]]

    def next_word(self, written: list[int]) -> int | None:
        """The next node on the way to the goal."""
        return self.path[len(written)] if len(written) < len(self.path) else None

    def picture(self, axes: Axes) -> None:
        """The star, the written part of the answer in red, the goal in gold."""
        for i, arm in enumerate(self.arms):
            angle = 2 * np.pi * i / self.degree
            x, y = np.cos(angle) * np.arange(self.arm), np.sin(angle) * np.arange(self.arm)
            axes.plot(x, y, color="0.7", zorder=1)
            if arm == self.path:
                axes.plot(x[: len(self.written) + 1], y[: len(self.written) + 1], color="tab:red", zorder=2)
            for node, at_x, at_y in zip([self.centre, *arm], x, y, strict=True):
                goal = node == self.path[-1] and self.read == len(self.prompt)
                box = {"boxstyle": "circle", "facecolor": "gold" if goal else "white"}
                axes.text(at_x, at_y, str(node), ha="center", va="center", bbox=box, zorder=3)
        axes.set(xlim=(-self.arm, self.arm), ylim=(-self.arm, self.arm), aspect="equal")
