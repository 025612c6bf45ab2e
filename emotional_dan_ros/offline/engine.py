"""Who looks at the frames of an input; the engine that does it in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, final

from emotional_dan_ros.core.sources import ImageSource
from emotional_dan_ros.offline.frame_pipeline import FramePipeline
from emotional_dan_ros.offline.inputs import Input, OrderedFrames
from emotional_dan_ros.offline.journal import Journal
from emotional_dan_ros.offline.outputs import Records
from emotional_dan_ros.offline.work_folder import WorkFolder

#: Told the number of frames done, of all where known, and of those that an earlier run had done.
Progress = Callable[[int, "int | None", int], None]

_JOURNAL_NAME = "frames"


@dataclass(frozen=True)
class Looked:
    """What came of looking at the frames of an input.

    Attributes:
        records: gives them from the first on.
        num_frames: how many they are.
        problems: what was not processed and why, one line each.
        failed: which parts were given up after several tries and why; another run tries them again.
    """

    records: Records
    num_frames: int
    problems: Sequence[str] = ()
    failed: Sequence[str] = ()


class Engine(Protocol):
    """Looks at every frame of an input, and goes on where a killed run was."""

    def look(self, job: Input, source: ImageSource, work: WorkFolder, progress: Progress) -> Looked:
        """Make the records of an input.

        Args:
            job: the input.
            source: the input, opened.
            work: where the records are kept.
            progress: told how far it is.
        """
        ...


@final
class EmbeddedEngine:
    """Looks at one frame after the other in this process.

    Args:
        make_pipeline: gives the networks; called when the first frame is to be processed.
    """

    def __init__(self, make_pipeline: Callable[[], FramePipeline]) -> None:
        self._make_pipeline = make_pipeline
        self._pipeline: FramePipeline | None = None

    def __enter__(self) -> EmbeddedEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._pipeline is not None:
            self._pipeline.close()

    def look(self, job: Input, source: ImageSource, work: WorkFolder, progress: Progress) -> Looked:
        """Make the records of an input; see `Engine`."""
        if self._pipeline is None:
            self._pipeline = self._make_pipeline()
        config = self._pipeline.config
        path = work.path / _JOURNAL_NAME
        frames = OrderedFrames(source)
        journal = Journal(path, work.run_id, config.detection_interval, config.with_crops)
        try:
            with journal:
                resumed = journal.num_records
                progress(resumed, source.frame_count, resumed)
                for record in self._pipeline.process(islice(frames, journal.num_records, None)):
                    journal.append(record)
                    progress(journal.num_records, source.frame_count, resumed)
        finally:
            journal.discard_if_empty()
        return Looked(journal.read, journal.num_records, frames.problems)
