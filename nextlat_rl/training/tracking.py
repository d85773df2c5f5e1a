"""The folder of a run and its TensorBoard events."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from nextlat_rl.errors import UserError
from nextlat_rl.notices import costs_only

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_run_folder(runs: str, env_id: str, name: str) -> Path:
    """Create `runs/<env>/<time>[-name]`."""
    stamp = time.strftime("%Y%m%d-%H%M%S") + (f"-{name}" if name else "")
    folder = Path(runs) / re.sub(r"[^\w.-]", "-", env_id) / stamp
    number = 1
    while True:
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:  # another run that began in this second
            if not folder.exists():
                raise
            number += 1
            folder = folder.with_name(f"{stamp}-{number}")
        except OSError as error:
            raise UserError(
                f"cannot create the run folder {folder} ({error.strerror}); choose another with runs="
            ) from None


class Tracker:
    """TensorBoard events of one run; what cannot be drawn or written costs that alone, with one warning."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: SummaryWriter | None = None
        with costs_only(f"TensorBoard's record in {folder}"):
            self.writer = SummaryWriter(str(folder))

    def scalars(self, values: dict[str, float], step: int) -> None:
        """Add a point to each of the named curves."""
        if self.writer is None:
            return
        with costs_only("a curve in TensorBoard"):
            for tag, value in values.items():
                self.writer.add_scalar(tag, value, step)

    def histogram(self, tag: str, counts: Sequence[int], step: int) -> None:
        """Add a histogram, from how often the numbers 0, 1, .. occurred."""
        if self.writer is not None and any(counts):
            with costs_only(f"the histogram {tag}"):
                self.writer.add_histogram(tag, np.repeat(np.arange(len(counts)), counts), step)

    def text(self, tag: str, markdown: str, step: int = 0) -> None:
        """Add Markdown."""
        if self.writer is None:
            return
        with costs_only(f"the text {tag} in TensorBoard"):
            self.writer.add_text(tag, markdown, step)

    def figure(self, tag: str, figure: Figure, step: int) -> None:
        """Add a figure; it is also saved as PNG in the run folder."""
        with costs_only(f"the picture {tag}"):
            figure.savefig(self.folder / f"{tag.replace('/', '-')}.png", dpi=110)
            if self.writer is not None:
                self.writer.add_figure(tag, figure, step)

    def animation(self, tag: str, frames: Sequence[np.ndarray], step: int, milliseconds: int = 150) -> None:
        """Add RGB frames `[H, W, 3]` as an animated GIF, which is also saved in the run folder.

        TensorBoard's video summaries need an encoder that is rarely installed; an image summary can hold a GIF.
        """
        with costs_only(f"the film {tag}"):
            self._animation(tag, frames, step, milliseconds)

    def _animation(self, tag: str, frames: Sequence[np.ndarray], step: int, milliseconds: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        images = [Image.fromarray(frame) for frame in frames]
        buffer = io.BytesIO()
        images[0].save(buffer, format="GIF", save_all=True, append_images=images[1:], duration=milliseconds, loop=0)
        (self.folder / f"{tag.replace('/', '-')}.gif").write_bytes(buffer.getvalue())
        if self.writer is None:
            return
        height, width = frames[0].shape[:2]
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=buffer.getvalue())
        self.writer._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)

    def hparams(self, settings: dict[str, Any], metrics: dict[str, float]) -> None:
        """Add the run's settings and final metrics to TensorBoard's HPARAMS tab."""
        if self.writer is None:
            return
        plain = {k: v if isinstance(v, (bool, int, float, str)) else str(v) for k, v in settings.items()}
        with costs_only("TensorBoard's table of settings"):
            self.writer.add_hparams(plain, metrics, run_name=".")

    def close(self) -> None:
        """Write out everything."""
        if self.writer is None:
            return
        with costs_only("the end of TensorBoard's events"):
            self.writer.close()
