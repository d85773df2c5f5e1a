"""The folder of a run and its TensorBoard events."""

from __future__ import annotations

import io
import logging
import re
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from nextlat_rl.durable import replaced, sync
from nextlat_rl.locks import filled, sweep_unfinished
from nextlat_rl.notices import costs_only

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_usual_hook = threading.excepthook


def _without_writers(args: threading.ExceptHookArgs) -> None:
    """No traceback of the thread that writes events: `Tracker` says in one line what is lost."""
    if type(args.thread).__name__ != "_AsyncWriterThread":
        _usual_hook(args)


threading.excepthook = _without_writers
_STAMP = "%Y%m%d-%H%M%S"
OF_A_STEP = ("loss/", "train/", "time/")  # curves with points of training steps alone


def runs_of(runs: str, env_id: str) -> Path:
    """The folder of an environment's run folders."""
    return Path(runs) / re.sub(r"[^\w.-]", "-", env_id)


def run_folder(runs: str, env_id: str, name: str) -> Path:
    """The path `runs/<env>/<time>[-name]` of a run that begins now.

    Runs are sorted by their names, so one that begins in the second of the newest, or while the clock is behind it, is
    named after the second that follows.
    """
    folder = runs_of(runs, env_id)
    stamp = time.strftime(_STAMP)
    for path in sorted(folder.glob("*")):
        with suppress(ValueError):  # a folder of another name
            after = datetime.strptime(path.name[: len(stamp)], _STAMP) + timedelta(seconds=1)
            stamp = max(stamp, after.strftime(_STAMP))
    return folder / (stamp + (f"-{name}" if name else ""))


@contextmanager
def new_result(run: Path, kind: str, *details: str) -> Iterator[tuple[Tracker, Path]]:
    """A tracker, and beside it the file for the rows of what was just measured: `<kind>-<time>-<details>.json`.

    The block writes the file last; without it, what was tracked goes again. Two commands in the same second get files
    of their own.

    Raises:
        UserError: the run folder cannot be written to.
    """
    sweep_unfinished(run.glob(f"{kind}-*"), _has_rows)
    name = "-".join([kind, time.strftime("%Y%m%d-%H%M%S"), *details])
    with filled(run / name, "checkpoint=", _has_rows) as folder:
        tracker = Tracker(folder)
        try:
            yield tracker, folder.with_name(f"{folder.name}.json")
        finally:
            tracker.close()


def _has_rows(folder: Path) -> bool:
    return folder.with_name(f"{folder.name}.json").exists()


def take_up(folder: Path, step: int) -> Tracker:
    """The tracker of a run that goes on from its checkpoint of `step`.

    What was logged from that step on is hidden, and logged again, but for the curves of the losses: they were complete
    when the checkpoint was written.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it warns of what is hidden
    points: dict[str, float] = {}
    with costs_only(f"the last point of the curves in {folder}"):
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        tags = [tag for tag in events.Tags()["scalars"] if tag.startswith(OF_A_STEP)]
        points = {tag: point.value for tag in tags for point in events.Scalars(tag) if point.step == step}
    tracker = Tracker(folder, purge_step=step)
    tracker.scalars(points, step)
    return tracker


class Tracker:
    """TensorBoard events of one run; what cannot be drawn or written costs that alone, with one warning.

    Points of `purge_step` and later ones that are there already are hidden. With `part` the events lie in a folder of
    this name inside the run folder and replace what is in it; pictures always lie in the run folder.
    """

    def __init__(self, folder: Path, purge_step: int | None = None, part: str = "") -> None:
        self.folder = folder
        if part:
            shutil.rmtree(folder / part, ignore_errors=True)
        self.writer: SummaryWriter | None = None
        with costs_only(f"TensorBoard's record in {folder}"):
            self.writer = SummaryWriter(str(folder / part), purge_step=purge_step)

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
            with replaced(self.folder / f"{tag.replace('/', '-')}.png") as part:
                figure.savefig(part, dpi=110)
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
        with replaced(self.folder / f"{tag.replace('/', '-')}.gif") as part:
            part.write_bytes(buffer.getvalue())
        if self.writer is None:
            return
        height, width = frames[0].shape[:2]
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=buffer.getvalue())
        self.writer._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)

    def hparams(self, settings: dict[str, Any], metrics: dict[str, float], step: int) -> None:
        """Add the run's settings and final metrics to TensorBoard's HPARAMS tab."""
        if self.writer is None:
            return
        plain = {k: v if isinstance(v, (bool, int, float, str)) else str(v) for k, v in settings.items()}
        with costs_only("TensorBoard's table of settings"):
            self.writer.add_hparams(plain, metrics, run_name=".", global_step=step)

    def flush(self) -> None:
        """Write out what was added so far."""
        if self.writer is None:
            return
        with costs_only("the newest of TensorBoard's events"):
            self.writer.flush()
            for path in (*self.folder.glob("events.*"), self.folder):
                sync(path)

    def close(self) -> None:
        """Write out everything."""
        if self.writer is None:
            return
        with costs_only("the end of TensorBoard's events"):
            self.writer.close()
