"""The report: its data, and the page in a real browser where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotional_dan_ros.core.labels import Emotion
from emotional_dan_ros.core.types import AnomalyEvent, AnomalyPhase, FrameEmotions, FrameFaces
from emotional_dan_ros.offline import report
from emotional_dan_ros.offline.history import History
from emotional_dan_ros.offline.thumbnails import HEIGHT_PX, MAX_SPANS, Thumbnail, collect

MakeEmotions = Callable[..., FrameEmotions]
MakeEvent = Callable[..., AnomalyEvent]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def history(make_emotions: MakeEmotions, make_event: MakeEvent) -> History:
    result = History()
    for index in range(100):
        result.add(make_emotions(50 + index / 10, (1, 2) if index < 40 or index >= 70 else (1,), seed=index))
    result.add_event(make_event(53.0, AnomalyPhase.START, event_id=5, track_id=2))
    result.add_event(make_event(54.0, AnomalyPhase.END, event_id=5, track_id=2, start_s=53.0))
    return result


def test_data(history: History) -> None:
    data = report.report_data("clip", history, [Thumbnail(5, "at the start", b"jpeg", b"map")], ["a problem"], "rt")
    assert (data["frames"], data["framesWithFaces"], data["duration"]) == (100, 100, 9.9)
    one, two = data["passengers"]
    assert one["t"][:3] == [0.0, 0.1, 0.2]
    expected = history.passengers()[0].probabilities[7]
    assert [column[7] / 1000 for column in one["p"]] == pytest.approx(expected, abs=6e-4)
    assert [sum(values) for values in zip(*one["v"], strict=True)] == pytest.approx([1000] * 100, abs=2)
    assert len(two["t"]) == 71  # 70 states and the absence
    assert two["q"][40] is None
    assert two["p"][3][40] is None
    (anomaly,) = data["anomalies"]
    assert (anomaly["begin"], anomaly["end"], anomaly["passenger"]) == (3.0, 4.0, 2)
    uris = ["data:image/jpeg;base64,anBlZw==", "data:image/jpeg;base64,bWFw"]
    assert anomaly["pictures"] == {"at the start": uris}
    assert data["problems"] == ["a problem"]


def test_an_hour_at_ten_hertz_stays_below_five_megabytes(tmp_path: Path, make_emotions: MakeEmotions) -> None:
    history = History()
    frame = make_emotions(0, (1, 2))
    for index in range(36_000):
        states = make_emotions(0, (1, 2), seed=index).states if index % 600 == 0 else frame.states
        history.add(FrameEmotions(index * 100_000_000, "", (640, 480), "test", states))
    picture = np.random.default_rng(0).bytes(9_000)  # a large thumbnail
    moments = ("1 s before", "at the start", "1 s after")
    thumbnails = [Thumbnail(event, moment, picture, picture) for event in range(MAX_SPANS) for moment in moments]
    path = tmp_path / "report.html"
    report.write_report(path, "hour", history, thumbnails, [], "rt")
    assert path.stat().st_size < 5_000_000


def test_nothing_at_all(tmp_path: Path) -> None:
    report.write_report(tmp_path / "report.html", "empty", History(), [], [], "")
    assert "empty" in (tmp_path / "report.html").read_text()


def test_page_needs_nothing_else_and_titles_cannot_break_it(tmp_path: Path, history: History) -> None:
    path = tmp_path / "report.html"
    report.write_report(path, "</script><script>alert(1)</script>", history, [], [], "rt")
    text = path.read_text()
    assert "<script>alert" not in text
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", text)


def test_thumbnails_show_the_passenger_at_each_moment(make_faces: Callable[..., FrameFaces], history: History) -> None:
    def frames() -> object:
        for index in range(100):
            seen.append(index)
            image = np.full((480, 640, 3), 2 * index, np.uint8)
            yield make_faces(50 + index / 10, (1,) if index == 40 else (1, 2)), image

    seen: list[int] = []
    asked: list[Emotion] = []

    def explain(crop: np.ndarray, emotion: Emotion) -> np.ndarray:
        asked.append(emotion)
        return np.repeat(crop[..., None], 3, axis=2)

    pictures = collect(history.spans(), frames(), explain)  # type: ignore[arg-type]
    assert asked == [Emotion.FEAR] * 2
    assert [bool(picture.map_jpeg) for picture in pictures] == [True, True, False]  # not seen at the last moment
    assert [picture.moment for picture in pictures] == ["1 s before", "at the start", "1 s after"]
    for picture, index in zip(pictures, (20, 30, 40), strict=True):
        image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape[0] == HEIGHT_PX
        assert image.mean() == pytest.approx(2 * index, abs=2)
    assert max(seen) <= 41  # no further than needed


_PROBE = """
<script>
const failures = [];
window.addEventListener("error", (event) => failures.push(String(event.message)));
const consoleError = console.error;
console.error = (...words) => { failures.push(words.join(" ")); consoleError(...words); };
window.addEventListener("load", () => {
  const out = document.body.dataset, span = () => Number(out.end) - Number(out.begin);
  out.whole = span();
  document.getElementById("in").click();
  out.zoomed = span();
  const chart = document.querySelector("canvas");
  chart.dispatchEvent(new KeyboardEvent("keydown", { key: "+", bubbles: true }));
  out.keyed = span();
  chart.dispatchEvent(new KeyboardEvent("keydown", { key: "0", bubbles: true }));
  out.reset = span();
  const box = chart.getBoundingClientRect(), at = (share) => ({ clientX: box.left + 44 + share * (box.width - 52),
    clientY: box.top + 90, pointerId: 1, bubbles: true });
  chart.setPointerCapture = () => {};
  chart.dispatchEvent(new PointerEvent("pointerdown", at(0.5)));
  chart.dispatchEvent(new PointerEvent("pointermove", at(0.75)));
  chart.dispatchEvent(new PointerEvent("pointerup", at(0.75)));
  out.dragged = [out.begin, out.end].join(" ");
  chart.dispatchEvent(new PointerEvent("pointermove", at(0.5)));
  out.hover = document.querySelector(".read").textContent;
  out.before = document.querySelectorAll(".pictures img").length;
  document.querySelector("#anomalies button").click();
  out.after = document.querySelectorAll(".pictures img").length;
  const pixels = chart.getContext("2d").getImageData(0, 0, chart.width, chart.height).data;
  out.drawn = pixels.filter((value, index) => index % 4 === 3 && value > 0).length;
  out.failures = JSON.stringify(failures);
});
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_page_in_a_browser(tmp_path: Path, history: History) -> None:
    ok, jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))
    assert ok
    moments = ("1 s before", "at the start", "1 s after")
    path = tmp_path / "report.html"
    report.write_report(
        path, "clip", history, [Thumbnail(5, moment, bytes(jpeg), bytes(jpeg)) for moment in moments], [], "rt"
    )
    path.write_text(path.read_text().replace("<body>", "<body>" + _PROBE, 1))
    page = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1200,900", "--dump-dom", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=180, check=True,
    ).stdout  # fmt: skip
    found = dict(re.findall(r'data-(\w+)="([^"]*)"', page.split("<body", 1)[1].split(">", 1)[0]))
    assert found["failures"] == "[]"
    assert float(found["whole"]) == pytest.approx(9.9)
    assert float(found["zoomed"]) == pytest.approx(4.95)
    assert float(found["keyed"]) == pytest.approx(2.475)
    assert float(found["reset"]) == pytest.approx(9.9)
    begin, end = (float(value) for value in found["dragged"].split())
    assert (begin, end) == (pytest.approx(4.95, abs=0.1), pytest.approx(7.43, abs=0.1))
    assert re.match(r"\d\.\d s: \w+ 0\.\d\d, ", found["hover"])
    assert (found["before"], found["after"]) == ("0", "6")
    assert int(found["drawn"]) > 5000
