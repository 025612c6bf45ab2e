"""One input from its frames to its outputs: resumable, and whole or not at all.

First the frames are processed into a journal, which survives a kill at any moment. Then, in a second and quick
pass over the journal, the monitor runs and all outputs are written.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.sources import ImageSource
from emotional_dan_ros.offline.atomic import sweep_unfinished, whole_or_nothing
from emotional_dan_ros.offline.bag_source import BagSource
from emotional_dan_ros.offline.frame_pipeline import FramePipeline
from emotional_dan_ros.offline.inputs import Input, OrderedFrames
from emotional_dan_ros.offline.journal import Journal
from emotional_dan_ros.offline.merge import MergedTopics
from emotional_dan_ros.offline.outputs import (
    BAG_NAME,
    REPORT_NAME,
    TIMELINE_NAME,
    VIDEO_NAME,
    OutputConfig,
    write_bag_and_table,
    write_report_of,
    write_video,
)
from emotional_dan_ros.offline.timeline import write_timeline

#: Written last: its presence says that every output beside it is whole and of which run it is.
RUN_NAME = "run.json"
JOURNAL_NAME = ".journal"
OUTPUT_NAMES = (BAG_NAME, VIDEO_NAME, TIMELINE_NAME, REPORT_NAME, "states.csv", "states.parquet", RUN_NAME)

Progress = Callable[[int, "int | None"], None]


@dataclass(frozen=True)
class Outcome:
    """How an input went.

    Attributes:
        num_frames: processed, over all runs that it took.
        seconds: of this run.
        problems: what was not processed and why.
        was_done: an earlier run had done it all.
    """

    name: str
    num_frames: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    was_done: bool = False


def run_job(
    job: Input,
    folder: Path,
    run_id: bytes,
    make_pipeline: Callable[[], FramePipeline],
    config: OutputConfig,
    progress: Progress,
    force: bool = False,
) -> Outcome:
    """Process one input, or finish what an earlier run of the same input and settings began.

    Args:
        job: the input.
        folder: of its outputs; made if need be.
        run_id: what results depend on (`inputs.fingerprint`).
        make_pipeline: gives the networks; called once the input is open.
        config: which outputs.
        progress: told the number of frames done and, where known, of all.
        force: replace the results of another run.

    Raises:
        UserError: the input cannot be opened or holds no image, or the folder holds another run's results.
        OSError: the outputs cannot be written; the journal stays, and another run goes on from there.
    """
    begin_s = time.monotonic()
    journal = Journal(folder / JOURNAL_NAME, run_id)
    if force and not _is_of_run(folder, run_id) and not journal.belongs_here():
        _clear(folder)
    done = _finished_run(folder, run_id)
    if done is not None:
        return done
    try:
        with job.open() as source:
            folder.mkdir(parents=True, exist_ok=True)
            sweep_unfinished(folder)
            with journal:
                num_frames, problems = _process(job, source, journal, folder, make_pipeline, config, progress)
    except BaseException:
        journal.discard_if_empty()
        with suppress(OSError):
            folder.rmdir()  # only where it is empty
        raise
    with whole_or_nothing(folder / RUN_NAME) as path:
        run = {"run": json.loads(run_id), "frames": num_frames, "problems": problems}
        path.write_text(json.dumps(run, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (folder / JOURNAL_NAME).unlink()
    return Outcome(job.name, num_frames, time.monotonic() - begin_s, problems)


def _process(
    job: Input,
    source: ImageSource,
    journal: Journal,
    folder: Path,
    make_pipeline: Callable[[], FramePipeline],
    config: OutputConfig,
    progress: Progress,
) -> tuple[int, list[str]]:
    """Fill the journal and write the outputs; returns the number of frames and the problems."""
    frames = OrderedFrames(source)
    with make_pipeline() as pipeline:
        _fill(journal, frames, source, pipeline, progress)
    if journal.num_records == 0:
        raise UserError(f"expected images in {job.spec}, got none that can be read; {_first(frames.problems)}")
    problems = frames.problems
    copy = MergedTopics(Path(job.spec).expanduser()) if config.merge and isinstance(source, BagSource) else None
    again = OrderedFrames(source) if config.images else None
    history = write_bag_and_table(journal, folder, config, again, copy)
    problems += copy.problems if copy is not None else []
    write_timeline(folder / TIMELINE_NAME, history, job.name)
    write_report_of(journal, folder / REPORT_NAME, job.name, history, OrderedFrames(source), problems, pipeline.explain)
    if config.video:
        write_video(journal, folder / VIDEO_NAME, OrderedFrames(source), source.rate_hz, config.monitor)
    return journal.num_records, problems


def _fill(
    journal: Journal,
    frames: OrderedFrames,
    source: ImageSource,
    pipeline: FramePipeline,
    progress: Progress,
) -> None:
    """Process the frames that the journal does not hold yet."""
    for record in journal.read():
        pipeline.replay(record.stamp_ns, record.detections)
    rest = islice(frames, journal.num_records, None)
    for record in pipeline.process(rest):
        journal.append(record)
        progress(journal.num_records, source.frame_count)


def _finished_run(folder: Path, run_id: bytes) -> Outcome | None:
    """The outcome if the folder holds this very run, complete; None if the run is still to be done."""
    run = _read_run(folder)
    if run is None:
        foreign = [name for name in OUTPUT_NAMES if (folder / name).exists()]
        # A run that was killed between its outputs has a journal; without one they are somebody else's.
        if foreign and not (folder / JOURNAL_NAME).exists():
            raise _occupied(folder, ", ".join(foreign))
        return None
    if run.get("run") != json.loads(run_id):
        raise _occupied(folder, "another run's results")
    return Outcome(folder.name, int(run["frames"]), 0.0, list(run["problems"]), was_done=True)


def _is_of_run(folder: Path, run_id: bytes) -> bool:
    run = _read_run(folder)
    return run is not None and run.get("run") == json.loads(run_id)


def _read_run(folder: Path) -> dict[str, Any] | None:
    try:
        run = json.loads((folder / RUN_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return run if isinstance(run, dict) else None


def _clear(folder: Path) -> None:
    for name in (*OUTPUT_NAMES, JOURNAL_NAME):
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _occupied(folder: Path, what: str) -> UserError:
    return UserError(f"expected {folder} to be free or of this run, got {what}; name another --out or use --force")


def _first(problems: list[str]) -> str:
    return problems[0] if problems else "check the input"
