"""One input from its frames to its outputs: resumable, and whole or not at all.

First an engine looks at the frames and keeps records of them, which survive a kill at any moment. Then, in a second
and quick pass over the records, passengers are told apart, the monitor runs and all outputs are written.
"""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.sources import ImageSource
from emotional_dan_ros.offline.atomic import sweep_unfinished, whole_or_nothing
from emotional_dan_ros.offline.bag_source import BagSource
from emotional_dan_ros.offline.engine import Engine, Looked, Progress
from emotional_dan_ros.offline.inputs import Input, OrderedFrames
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
from emotional_dan_ros.offline.thumbnails import Explain
from emotional_dan_ros.offline.timeline import write_timeline
from emotional_dan_ros.offline.work_folder import WorkFolder

#: Written last: its presence says that every output beside it is whole and of which run it is.
RUN_NAME = "run.json"
#: What is not finished; removed with the last output.
WORK_NAME = ".journal"
OUTPUT_NAMES = (BAG_NAME, VIDEO_NAME, TIMELINE_NAME, REPORT_NAME, "states.csv", "states.parquet", RUN_NAME)


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
    engine: Engine,
    config: OutputConfig,
    explain: Explain,
    progress: Progress,
    force: bool = False,
) -> Outcome:
    """Process one input, or finish what an earlier run of the same input and settings began.

    Args:
        job: the input.
        folder: of its outputs; made if need be.
        run_id: what results depend on (`inputs.fingerprint`).
        engine: looks at the frames.
        config: which outputs.
        explain: paints where the network looks.
        progress: told how far it is.
        force: replace the results of another run.

    Raises:
        UserError: the input cannot be opened or holds no image, or the folder holds another run's results.
        OSError: the outputs cannot be written; the records stay, and another run goes on from there.
    """
    begin_s = time.monotonic()
    work = WorkFolder(folder / WORK_NAME, run_id)
    if force and not _is_of_run(folder, run_id) and not work.belongs_here():
        _clear(folder)
    done = _finished_run(folder, run_id)
    if done is not None:
        return done
    try:
        with job.open() as source:
            folder.mkdir(parents=True, exist_ok=True)
            sweep_unfinished(folder)
            work.claim()
            looked = engine.look(job, source, work, progress)
            problems = _write_outputs(job, source, looked, folder, config, explain)
    except BaseException:
        work.remove_if_empty()
        with suppress(OSError):
            folder.rmdir()  # only where it is empty
        raise
    if not looked.failed:
        with whole_or_nothing(folder / RUN_NAME) as path:
            run = {"run": json.loads(run_id), "frames": looked.num_frames, "problems": problems}
            path.write_text(json.dumps(run, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        work.remove()
    return Outcome(job.name, looked.num_frames, time.monotonic() - begin_s, problems)


def _write_outputs(
    job: Input, source: ImageSource, looked: Looked, folder: Path, config: OutputConfig, explain: Explain
) -> list[str]:
    """Write everything that was asked for; returns what was not processed."""
    problems = [*looked.problems, *looked.failed]
    if looked.num_frames == 0:
        raise UserError(f"expected images in {job.spec}, got none that can be read; {_first(problems)}")
    copy = MergedTopics(Path(job.spec).expanduser()) if config.merge and isinstance(source, BagSource) else None
    again = OrderedFrames(source) if config.images else None
    history = write_bag_and_table(looked.records, folder, config, again, copy)
    problems += copy.problems if copy is not None else []
    write_timeline(folder / TIMELINE_NAME, history, job.name)
    report = folder / REPORT_NAME
    write_report_of(looked.records, report, job.name, config, history, OrderedFrames(source), problems, explain)
    if config.video:
        write_video(looked.records, folder / VIDEO_NAME, OrderedFrames(source), source.rate_hz, config)
    return problems


def _finished_run(folder: Path, run_id: bytes) -> Outcome | None:
    """The outcome if the folder holds this very run, complete; None if the run is still to be done."""
    run = _read_run(folder)
    if run is None:
        foreign = [name for name in OUTPUT_NAMES if (folder / name).exists()]
        # A run that was killed between its outputs has records; without them they are somebody else's.
        if foreign and not (folder / WORK_NAME).exists():
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
    for name in (*OUTPUT_NAMES, WORK_NAME):
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _occupied(folder: Path, what: str) -> UserError:
    return UserError(f"expected {folder} to be free or of this run, got {what}; name another --out or use --force")


def _first(problems: list[str]) -> str:
    return problems[0] if problems else "check the input"
