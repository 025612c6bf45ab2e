"""One input to its outputs: whole or nothing, and the same bytes however often it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from emotional_dan_ros.core.anomaly import MonitorConfig
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.keyframes import KeyframeSchedule
from emotional_dan_ros.core.labels import Emotion, valence_matrix
from emotional_dan_ros.core.tracking import TrackerConfig
from emotional_dan_ros.core.types import UNIDENTIFIED, EmotionState, Face, FrameEmotions, FrameFaces
from emotional_dan_ros.offline.engine import EmbeddedEngine
from emotional_dan_ros.offline.inputs import Input
from emotional_dan_ros.offline.job import Outcome, run_job
from emotional_dan_ros.offline.outputs import OutputConfig
from emotional_dan_ros.offline.records import FrameRecord

NUM_FRAMES = 60


@dataclass(frozen=True)
class FakeConfig:
    detection_interval: int = 4
    with_crops: bool = False


class FakePipeline:
    """Sees one face that smiles the more the brighter the image is, and moves since the last keyframe."""

    config = FakeConfig()

    def __init__(self) -> None:
        self.num_processed = 0

    def close(self) -> None:
        return None

    def process(self, frames: Iterable[tuple[int, np.ndarray, str]]) -> Iterator[FrameRecord]:
        schedule, since = KeyframeSchedule(self.config.detection_interval), 0
        for stamp_ns, image, frame_id in frames:
            since = 0 if schedule.is_keyframe(stamp_ns) else since + 1
            self.num_processed += 1
            happy = np.float32(image.mean() / 255)
            p = np.array([1 - happy, happy, 0, 0, 0, 0, 0], np.float32)
            box = np.array([since, 4, since + 20, 30], np.float32)
            keypoints = np.array([[5, 10], [15, 10], [10, 15], [6, 20], [14, 20]], np.float32) + since
            crop = np.zeros((112, 112), np.uint8)
            face = Face(UNIDENTIFIED, 0.99, box, keypoints, np.eye(2, 3, dtype=np.float32), crop)
            landmarks = np.full((68, 2), happy, np.float32)
            state = EmotionState(UNIDENTIFIED, box, p, p @ valence_matrix(), landmarks, 0.8)
            wh = (image.shape[1], image.shape[0])
            yield FrameRecord(
                FrameFaces(stamp_ns, frame_id, wh, (face,)), FrameEmotions(stamp_ns, frame_id, wh, "fake", (state,))
            )


def paint(crop: np.ndarray, emotion: Emotion) -> np.ndarray:
    return np.zeros((112, 112, 3), np.uint8)


@pytest.fixture
def folder_of_images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(NUM_FRAMES):
        assert cv2.imwrite(str(folder / f"{index}.png"), np.full((48, 64, 3), 4 * index, np.uint8))
    return folder


def _run(spec: Path | str, out: Path, pipeline: Any = None, run_id: bytes = b'{"run": 1}', **options: Any) -> Outcome:
    config = OutputConfig(
        table=options.pop("table", "csv"),
        video=options.pop("video", False),
        images=options.pop("images", False),
        merge=False,
        crops=False,
        tracker=TrackerConfig(),
        monitor=MonitorConfig(),
    )
    with EmbeddedEngine(lambda: pipeline or FakePipeline()) as engine:
        job = Input(str(spec), out.name)
        return run_job(job, out, run_id, engine, config, paint, lambda *_: None, **options)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_outputs(folder_of_images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = _run(folder_of_images, out, video=True, images=True)
    assert (outcome.num_frames, outcome.problems, outcome.was_done) == (NUM_FRAMES, [], False)
    assert _names(out) == ["annotated.mp4", "bag", "report.html", "run.json", "states.csv", "timeline.png"]
    rows = (out / "states.csv").read_text().splitlines()
    header, third = rows[0].split(","), rows[3].split(",")
    row = dict(zip(header, third, strict=True))
    assert len(rows) == NUM_FRAMES + 1
    assert row["stamp"] == "200000000"
    assert float(row["probabilities_happiness"]) == pytest.approx(8 / 255)
    assert (row["roi_x_offset"], row["roi_width"], row["emotion"], row["frame_id"]) == ("2", "20", "0", "camera")
    with AnyReader([out / "bag"]) as reader:
        counts = {topic: info.msgcount for topic, info in reader.topics.items()}
    assert counts["/faces"] == counts["/emotions"] == NUM_FRAMES
    assert counts["/image/compressed"] == counts["/overlay/image/compressed"] == NUM_FRAMES
    assert cv2.VideoCapture(str(out / "annotated.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == NUM_FRAMES


def test_parquet_says_the_same_as_csv(folder_of_images: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    _run(folder_of_images, tmp_path / "a", table="parquet")
    _run(folder_of_images, tmp_path / "b", table="csv")
    table = parquet.read_table(tmp_path / "a" / "states.parquet").to_pylist()
    lines = [line.split(",") for line in (tmp_path / "b" / "states.csv").read_text().splitlines()]
    assert list(table[0]) == lines[0]
    for row, line in zip(table, lines[1:], strict=True):
        assert [v if isinstance(v, str) else float(v) for v in row.values()] == [
            v if name == "frame_id" else pytest.approx(float(v), rel=1e-7)
            for name, v in zip(lines[0], line, strict=True)
        ]


def test_interrupted_runs_end_with_the_same_bytes(folder_of_images: Path, tmp_path: Path) -> None:
    class Dies(FakePipeline):
        def process(self, frames: Iterable[tuple[int, np.ndarray, str]]) -> Iterator[FrameRecord]:
            yield from islice(super().process(frames), 23)
            raise OSError(28, "No space left on device")

    _run(folder_of_images, tmp_path / "whole")
    out = tmp_path / "interrupted"
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            _run(folder_of_images, out, Dies())
        assert _names(out) == [".journal"]  # nothing half-written under its name
    last = FakePipeline()
    outcome = _run(folder_of_images, out, last)
    assert outcome.num_frames == NUM_FRAMES
    # What was done is not done again, except from the last keyframe on: 23 records went back to 20, 43 to 40.
    assert last.num_processed == NUM_FRAMES - 40
    assert _names(out) == _names(tmp_path / "whole")
    for name in ("states.csv", "run.json", "bag/metadata.yaml"):
        assert (out / name).read_text().replace("interrupted", "whole") == (tmp_path / "whole" / name).read_text()


def test_a_finished_run_is_not_done_again(folder_of_images: Path, tmp_path: Path) -> None:
    _run(folder_of_images, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    pipeline = FakePipeline()
    assert _run(folder_of_images, tmp_path / "out", pipeline).was_done
    assert pipeline.num_processed == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_another_runs_results_are_kept_unless_forced(folder_of_images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _run(folder_of_images, out)
    before = (out / "states.csv").read_bytes()
    with pytest.raises(UserError, match="--force"):
        _run(folder_of_images, out, run_id=b'{"run": 2}')
    assert (out / "states.csv").read_bytes() == before
    (out / "mine.txt").write_text("kept")
    assert not _run(folder_of_images, out, run_id=b'{"run": 2}', force=True).was_done
    assert (out / "mine.txt").read_text() == "kept"


def test_foreign_files_of_the_same_name_are_kept(folder_of_images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "states.csv").write_text("somebody's")
    with pytest.raises(UserError, match=r"states\.csv"):
        _run(folder_of_images, out)
    assert _names(out) == ["states.csv"]


def test_an_unfinished_journal_of_another_run_is_refused(folder_of_images: Path, tmp_path: Path) -> None:
    class Dies(FakePipeline):
        def process(self, frames: Iterable[tuple[int, np.ndarray, str]]) -> Iterator[FrameRecord]:
            yield from islice(super().process(frames), 5)
            raise OSError

    out = tmp_path / "out"
    with pytest.raises(OSError):  # noqa: PT011
        _run(folder_of_images, out, Dies())
    with pytest.raises(UserError, match="another run's"):
        _run(folder_of_images, out, run_id=b'{"run": 2}')
    assert _run(folder_of_images, out, run_id=b'{"run": 2}', force=True).num_frames == NUM_FRAMES


def test_what_does_not_decode_is_listed(folder_of_images: Path, tmp_path: Path) -> None:
    (folder_of_images / "7.png").write_bytes(b"broken")
    outcome = _run(folder_of_images, tmp_path / "out")
    assert outcome.num_frames == NUM_FRAMES - 1
    assert len(outcome.problems) == 1
    assert "7.png" in outcome.problems[0]
    assert "7.png" in (tmp_path / "out" / "report.html").read_text()


def test_an_input_that_cannot_be_opened_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        _run(tmp_path / "missing.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


_KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
import importlib.util
spec = importlib.util.spec_from_file_location("job_test", {file!r})
module = importlib.util.module_from_spec(spec)
sys.modules["job_test"] = module
spec.loader.exec_module(module)

class Slow(module.FakePipeline):
    def process(self, frames):
        for record in super().process(frames):
            time.sleep(0.02)
            yield record

module._run(Path({images!r}), Path({out!r}), Slow())
"""


def test_kill_dash_nine_anywhere(folder_of_images: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    here = str(Path(__file__).resolve().parents[2])
    code = _KILLED.format(here=here, file=__file__, images=str(folder_of_images), out=str(out))
    journal = out / ".journal" / "frames"
    child = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 120
    while not (journal.exists() and journal.stat().st_size > 15_000):
        assert child.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert _names(out) == [".journal"]
    last = FakePipeline()
    _run(folder_of_images, out, last)
    assert 0 < last.num_processed < NUM_FRAMES
    _run(folder_of_images, tmp_path / "whole")
    assert (out / "states.csv").read_bytes() == (tmp_path / "whole" / "states.csv").read_bytes()


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Ten times the frames must not take ten times the memory: what grows is some bytes per state."""
    tracemalloc = pytest.importorskip("tracemalloc")
    peaks = []
    for loops in (1, 10):
        video = tmp_path / f"{loops}.avi"
        writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 30.0, (160, 120))
        for index in range(60 * loops):
            writer.write(np.full((120, 160, 3), index % 200, np.uint8))
        writer.release()
        tracemalloc.start()
        _run(video, tmp_path / f"out{loops}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 2_000_000
