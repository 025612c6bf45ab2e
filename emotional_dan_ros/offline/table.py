"""The table of a recording: one row per face and frame, columns named as the fields of the messages."""

from __future__ import annotations

import csv
import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.labels import EMOTION_NAMES, VALENCE_NAMES
from emotional_dan_ros.core.types import NUM_LANDMARKS, FrameEmotions

_ROI = ("roi_x_offset", "roi_y_offset", "roi_width", "roi_height")
_LANDMARKS = tuple(f"landmarks_{axis}{index}" for index in range(NUM_LANDMARKS) for axis in "xy")
#: Column -> numpy dtype ("U" is text). ``stamp`` is in nanoseconds; arrays have a column per element.
COLUMNS: dict[str, str] = {
    "stamp": "i8",
    "frame_id": "U",
    "track_id": "u4",
    **dict.fromkeys(_ROI, "u4"),
    "emotion": "u1",
    "confidence": "f4",
    **{f"probabilities_{name}": "f4" for name in EMOTION_NAMES},
    "valence": "u1",
    **{f"valence_probabilities_{name}": "f4" for name in VALENCE_NAMES},
    "quality": "f4",
    **dict.fromkeys(_LANDMARKS, "f4"),
}
#: The same columns, those of an array together.
_GROUPS = np.dtype(
    [
        ("stamp", "i8"),
        ("frame_id", object),
        ("track_id", "u4"),
        ("roi", "u4", len(_ROI)),
        ("emotion", "u1"),
        ("confidence", "f4"),
        ("probabilities", "f4", len(EMOTION_NAMES)),
        ("valence", "u1"),
        ("valence_probabilities", "f4", len(VALENCE_NAMES)),
        ("quality", "f4"),
        ("landmarks", "f4", len(_LANDMARKS)),
    ]
)
#: Rows that are kept in memory and make up a row group of a Parquet file.
_ROWS_AT_ONCE = 4096

Row = tuple[Any, ...]


def rows_of(frame: FrameEmotions) -> list[Row]:
    """The rows of a frame, in the order of COLUMNS."""
    return [
        (
            frame.stamp_ns,
            frame.frame_id,
            state.track_id,
            *_roi(state.box_xyxy),
            int(state.emotion),
            np.float32(state.confidence),
            *state.probabilities.astype(np.float32),
            int(state.valence),
            *state.valence_probabilities.astype(np.float32),
            np.float32(state.quality),
            *state.landmarks_px.reshape(-1).astype(np.float32),
        )
        for state in frame.states
    ]


def _roi(box_xyxy: Any) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (int(v) for v in box_xyxy)
    return x0, y0, x1 - x0, y1 - y0


class TableWriter(Protocol):
    """A table being written; a context manager."""

    def __enter__(self) -> TableWriter:
        """Create the file."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the file."""
        ...

    def add(self, frame: FrameEmotions) -> None:
        """Add the rows of a frame."""
        ...


class CsvTable:
    """A CSV file; floats with as many digits as tell any two float32 apart."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> CsvTable:
        self._file = self._path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, frame: FrameEmotions) -> None:
        """Add the rows of a frame."""
        for row in rows_of(frame):
            self._writer.writerow([f"{v:.9g}" if isinstance(v, np.float32) else v for v in row])


class ParquetTable:
    """A Parquet file with row groups of a bounded number of rows.

    Raises:
        UserError: pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            arrow = importlib.import_module("pyarrow")
            self._parquet = importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise UserError(
                "expected pyarrow for a Parquet table, got none; install pyarrow or ask for --table csv"
            ) from error
        self._path = path
        self._arrow = arrow
        types: Mapping[str, Any] = {
            "U": arrow.string(),
            "i8": arrow.int64(),
            "u4": arrow.uint32(),
            "u1": arrow.uint8(),
            "f4": arrow.float32(),
        }
        self._schema = arrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
        self._rows = np.zeros(_ROWS_AT_ONCE, _GROUPS)
        self._num_rows = 0

    def __enter__(self) -> ParquetTable:
        self._writer = self._parquet.ParquetWriter(self._path, self._schema, compression="zstd")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and self._num_rows:
            self._flush()
        self._writer.close()

    def add(self, frame: FrameEmotions) -> None:
        """Add the rows of a frame."""
        for state in frame.states:
            row = self._rows[self._num_rows]
            row["stamp"], row["frame_id"], row["track_id"] = frame.stamp_ns, frame.frame_id, state.track_id
            row["roi"], row["emotion"], row["valence"] = _roi(state.box_xyxy), int(state.emotion), int(state.valence)
            row["confidence"], row["quality"] = state.confidence, state.quality
            row["probabilities"], row["valence_probabilities"] = state.probabilities, state.valence_probabilities
            row["landmarks"] = state.landmarks_px.reshape(-1)
            self._num_rows += 1
            if self._num_rows == _ROWS_AT_ONCE:
                self._flush()

    def _flush(self) -> None:
        rows = self._rows[: self._num_rows]
        columns: list[NDArray[Any]] = []
        for name in _GROUPS.names or ():
            values = rows[name]
            columns += [values] if values.ndim == 1 else list(values.T)
        arrays = [
            self._arrow.array(column, type=field.type) for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._num_rows = 0


def open_table(path: Path) -> TableWriter:
    """Make the writer that the suffix (.csv or .parquet) asks for."""
    return CsvTable(path) if path.suffix == ".csv" else ParquetTable(path)


def default_format() -> str:
    """``parquet`` where pyarrow is installed, else ``csv``."""
    return "csv" if importlib.util.find_spec("pyarrow") is None else "parquet"
