"""An .npy file that grows, for arrays larger than memory."""

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib import format as npy_format


class NpyAppender:
    """Append blocks of rows to a new .npy file. The header gets the number of rows on close.

    Plain writes rather than a memory map: on a full disk a write raises OSError, a mapped page kills the process.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.dtype = dtype
        self.shape = shape
        self._rows = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._write_header()

    def append(self, rows: np.ndarray) -> None:
        """Append `[R, *shape]`."""
        assert rows.dtype == self.dtype and rows.shape[1:] == self.shape
        self._file.write(rows.tobytes())
        self._rows += len(rows)

    def _write_header(self) -> None:
        # NumPy pads headers so that the first axis can grow in place; the length therefore never changes.
        description = npy_format.dtype_to_descr(self.dtype)
        header = {"descr": description, "fortran_order": False, "shape": (self._rows, *self.shape)}
        npy_format.write_array_header_1_0(self._file, header)

    def __enter__(self) -> "NpyAppender":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._file.seek(0)
                self._write_header()
        finally:
            self._file.close()
