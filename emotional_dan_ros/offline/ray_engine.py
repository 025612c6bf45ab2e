"""Look at frames on a Ray cluster: recordings are cut at keyframes, their pieces spread over the workers.

Workers open the inputs themselves, under the same paths. Only what was recognised travels back.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, final

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.sources import SAMPLE, ImageSource
from emotional_dan_ros.model.weights import weights_path
from emotional_dan_ros.offline.dispatch import Dispatcher, Failed
from emotional_dan_ros.offline.engine import Looked, Progress
from emotional_dan_ros.offline.frame_pipeline import FramePipeline, PipelineConfig
from emotional_dan_ros.offline.inputs import Input, StampOrder, problem_lines
from emotional_dan_ros.offline.pieces import WHOLE, Piece, PieceFolder, PieceResult, cut, look_at
from emotional_dan_ros.offline.places import CannotBeCutError, Place, PlaceList, reel_of
from emotional_dan_ros.offline.work_folder import WorkFolder

#: A minute at 25 Hz: long against opening, entering and sending, short against what a lost worker costs.
DEFAULT_PIECE_FRAMES = 1500
_PIECES_NAME = "pieces"
_OBJECT_STORE_BYTES = 256 << 20
_CONNECT_TIMEOUT_S = 10.0
#: Ray gives the parts of a new cluster half a minute to find each other.
_MAX_STARTS = 3


@dataclass(frozen=True)
class Order:
    """A piece of an input and how to look at it; what a worker is sent."""

    job: Input
    piece: Piece
    places: tuple[Place, ...]
    config: PipelineConfig
    weights_sha256: str

    def __str__(self) -> str:
        return _in_words(self.job, self.piece)


def carry_out(order: Order) -> PieceResult:
    """Look at a piece; runs in a worker."""
    pipeline = _pipeline(order.config, order.weights_sha256)
    return look_at(order.job, order.piece, list(order.places), pipeline, order.config.with_crops)


@lru_cache(maxsize=1)
def _pipeline(config: PipelineConfig, weights_sha256: str) -> FramePipeline:
    """Networks stay in a worker from one piece to the next."""
    found = sha256_of(config.weights)
    if found != weights_sha256:
        raise UserError(f"weights {config.weights}: expected sha256 {weights_sha256}, got {found} on this worker")
    return FramePipeline(config)


def sha256_of(weights: str) -> str:
    """Digest of the file of weights."""
    return hashlib.sha256(weights_path(weights).read_bytes()).hexdigest()


@final
class RayEngine:
    """Looks at pieces on a Ray cluster; a context manager. `look` may be called from several threads.

    Args:
        config: what is run on each frame.
        address: of a running cluster; None starts one on this machine, which ends with this object.
        num_workers: how many pieces are worked on at the same time; None takes every core of the cluster.
        note: told a line when a piece is tried again.
        piece_frames: how many frames a piece has at least.
        work: what a worker does.

    Raises:
        UserError: Ray is not installed or the cluster does not answer.
    """

    def __init__(
        self,
        config: PipelineConfig,
        address: str | None,
        num_workers: int | None,
        note: Callable[[str], None],
        piece_frames: int = DEFAULT_PIECE_FRAMES,
        work: Callable[[Order], PieceResult] = carry_out,
    ) -> None:
        self._config = replace(config, weights=_absolute(config.weights))
        self._weights_sha256 = sha256_of(config.weights)
        self._piece_frames = piece_frames
        self._ray = _start(address, num_workers)
        self.num_workers = num_workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        # Own tries only: a task that Ray itself repeats would be tried more often than is said.
        options = {"num_cpus": 1, "num_gpus": int(config.device.startswith("cuda")), "max_retries": 0}
        remote = self._ray.remote(work).options(**options)

        def submit(order: Order) -> Future[PieceResult]:
            future: Future[PieceResult] = remote.remote(order).future()
            return future

        # One more than there are workers, so that none waits for the next piece.
        self._dispatcher: Dispatcher[Order, PieceResult] = Dispatcher(submit, self.num_workers + 1, note)

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self._ray.shutdown()

    def stop(self) -> None:
        """Make every `look` end soon."""
        self._dispatcher.stop()

    def look(self, job: Input, source: ImageSource, work: WorkFolder, progress: Progress) -> Looked:
        """Make the records of an input; see `Engine`."""
        folder = PieceFolder(work.path / _PIECES_NAME)
        tally = _Tally(progress, source.frame_count)
        try:
            return self._look_at_pieces(job, source, folder, tally)
        except CannotBeCutError:
            return self._look_at_whole(job, folder, tally)

    def _look_at_pieces(self, job: Input, source: ImageSource, folder: PieceFolder, tally: _Tally) -> Looked:
        reel = reel_of(source)
        places = PlaceList(reel)
        bad: dict[int, str] = {}
        failed: dict[Piece, str] = {}
        pieces: list[Piece] = []

        def missing(cuts: Iterable[Piece]) -> Iterator[Order]:
            for piece in cuts:
                pieces.append(piece)
                kept = folder.look_up(piece)
                if kept is not None:
                    tally.add(kept, resumed=True)
                elif piece not in failed:
                    yield self._order(job, piece, places.between(piece.first, piece.end))

        # Images that turn out not to decode do not count for keyframes, so what follows them is cut anew.
        while True:
            known, order = frozenset(bad), StampOrder()
            pieces.clear()
            tally.clear()
            cuts = cut(places, known, order, self._config.detection_interval, self._piece_frames)
            for work, result in self._dispatcher.run(missing(cuts)):
                if isinstance(result, Failed):
                    failed[work.piece] = result.reason
                else:
                    folder.put(work.piece, result)
                    tally.add(result)
            bad.update(tally.bad)
            if known == bad.keys():
                break
        complaints = [bad[number] for number in sorted(bad)]
        problems = problem_lines(source.name, reel.skipped(complaints, len(places)), order)
        whole = [piece for piece in pieces if piece not in failed]
        gaps = [f"{_in_words(job, piece)}: {failed[piece]}" for piece in pieces if piece in failed]
        return Looked(lambda: folder.records(whole), tally.num_frames, problems, gaps)

    def _look_at_whole(self, job: Input, folder: PieceFolder, tally: _Tally) -> Looked:
        tally.clear()
        kept = folder.look_up(WHOLE)
        if kept is None:
            ((_, result),) = self._dispatcher.run([self._order(job, WHOLE, [])])
            if isinstance(result, Failed):
                return Looked(lambda: iter(()), 0, (), [f"{job.name}: {result.reason}"])
            folder.put(WHOLE, result)
            kept = result
        tally.add(kept)
        return Looked(lambda: folder.records([WHOLE]), kept.num_frames, kept.problems)

    def _order(self, job: Input, piece: Piece, places: Sequence[Place]) -> Order:
        spec = job.spec if job.spec == SAMPLE else str(Path(job.spec).expanduser().resolve())
        return Order(replace(job, spec=spec), piece, tuple(places), self._config, self._weights_sha256)


class _Tally:
    """Counts what comes of the pieces of an input, and tells how far it is."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._progress, self._total = progress, total
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.num_frames = self._resumed = 0
        self.bad: dict[int, str] = {}
        self._progress(0, self._total, 0)

    def add(self, result: PieceResult, resumed: bool = False) -> None:
        self.num_frames += result.num_frames
        self._resumed += result.num_frames * resumed
        self.bad.update(result.bad)
        self._progress(self.num_frames, self._total, self._resumed)


def _in_words(job: Input, piece: Piece) -> str:
    return job.name if piece.end is None else f"{job.name}, images {piece.first} to {piece.end - 1}"


def _absolute(weights: str) -> str:
    """A shipped name as it is, a path so that it holds in any folder."""
    return str(Path(weights).resolve()) if Path(weights).is_file() else weights


def _start(address: str | None, num_workers: int | None) -> Any:
    """Join a cluster, or start one on this machine without what would speak to the network."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray = importlib.import_module("ray")
    except ImportError:
        raise UserError("expected Ray for --engine ray, got none; do: pip install 'emotional_dan_ros[ray]'") from None
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {
            "num_cpus": num_workers or os.cpu_count(),
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE_BYTES,
        }
    else:
        options["address"] = address
    try:
        if address is not None and (place := re.fullmatch(r"(?:ray://)?([^/]+):(\d+)", address)):
            # Ray itself would try for minutes.
            socket.create_connection((place[1], int(place[2])), _CONNECT_TIMEOUT_S).close()
        _init(ray, options, 1 if address else _MAX_STARTS)
    except (Exception, SystemExit) as error:  # of many kinds
        reason = " ".join(str(error).split())
        where = f"at {address}" if address else "on this machine"
        hint = "; a cluster with tokens wants RAY_AUTH_MODE=token" if address else ""
        raise UserError(f"expected a Ray cluster {where}, got none: {reason}{hint}") from None
    return ray


def _init(ray: Any, options: dict[str, Any], max_starts: int) -> None:
    """Start or join; a start that a busy machine was too slow for is tried again."""
    for left in reversed(range(max_starts)):
        try:
            ray.init(**options)
            return
        except Exception:
            ray.shutdown()
            if not left:
                raise
