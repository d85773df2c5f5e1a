"""Drawings as arrays."""

from collections.abc import Callable

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_rgb(draw: Callable[[Axes], None], inches: float = 4.0) -> np.ndarray:
    """What `draw` puts on an empty square drawing without frame, `[H, W, 3]` uint8."""
    # The text is data: a dollar sign does not start a formula.
    with matplotlib.rc_context({"text.parse_math": False}):
        figure = Figure(figsize=(inches, inches), layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.axis("off")
        draw(axes)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
