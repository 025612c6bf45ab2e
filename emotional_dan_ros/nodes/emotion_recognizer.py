"""Node: aligned faces to emotions and landmarks (`faces` to `emotions`), and where the network looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotional_dan_ros.core.labels import parse_valence_map
from emotional_dan_ros.core.types import FrameFaces, FrameMaps
from emotional_dan_ros.nodes.base import PipelineNode
from emotional_dan_ros.nodes.inputs import WatchedInput
from emotional_dan_ros.nodes.message_conversion import emotions_as_published
from emotional_dan_ros.nodes.parameters import Values
from emotional_dan_ros.nodes.ports import OutputPort
from emotional_dan_ros.nodes.run import leave, run
from emotional_dan_ros.nodes.topics import EMOTION_MAPS, EMOTIONS, FACES

if TYPE_CHECKING:
    from emotional_dan_ros.core.explanation import CropExplainer
    from emotional_dan_ros.core.recognizer import EmotionRecognizer

#: Faces in a frame for which the first real frame must not pay.
_WARM_UP_BATCHES = (1, 2, 4, 8)


class EmotionRecognizerNode(PipelineNode):
    """Runs EmotionalDAN on all faces of a frame in one batch."""

    def __init__(self, **kwargs: Any) -> None:
        self._recognizer: EmotionRecognizer | None = None
        self._explainer: CropExplainer | None = None
        self._maps: OutputPort[FrameMaps] | None = None
        super().__init__("emotion_recognizer", **kwargs)

    def set_up(self) -> None:
        # Here for the reason that the face detector gives.
        from emotional_dan_ros.core.recognizer import EmotionRecognizer

        self._recognizer = EmotionRecognizer.load(
            weights=self.parameters["weights"],
            device=self.parameters["device"],
            num_threads=self.parameters["num_threads"] or None,
            valence_of=parse_valence_map(self.parameters["valence"]),
            precision=self.parameters["precision"],
        )
        self._recognizer.set_prior_ratio(self.parameters["prior_ratio"])
        self._recognizer.warm_up(_WARM_UP_BATCHES)
        self.health.set_fact("device", str(self._recognizer.device))
        self.health.set_fact("precision", self._recognizer.precision)
        self.health.set_fact("model", self._recognizer.model_name)
        self._emotions = self.open_output(EMOTIONS)
        if self.parameters["emotion_maps"]:
            from emotional_dan_ros.core.explanation import CropExplainer

            self._explainer = CropExplainer(self._recognizer)
            self._maps = self.open_output(EMOTION_MAPS)

    def begin(self) -> None:
        self._faces = WatchedInput(self, FACES)
        self._faces.open(self.enqueue)

    def process(self, value: FrameFaces) -> None:
        assert self._recognizer is not None
        emotions = self._recognizer.recognize(value)
        self._emotions.publish(emotions_as_published(emotions))
        # After the emotions, which nobody wants to get later because of a picture.
        if self._explainer is not None and self._maps is not None and self._maps.num_subscribers:
            self._maps.publish(self._explainer.explain_frame(value, emotions))

    def tear_down(self) -> None:
        self._recognizer = self._explainer = self._maps = None

    def apply(self, values: Values, changed: frozenset[str]) -> None:
        if self._recognizer is not None and "prior_ratio" in changed:
            self._recognizer.set_prior_ratio(values["prior_ratio"])

    def check(self) -> None:
        self._faces.check()


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop."""
    return run("emotion_recognizer", lambda bus, _: [EmotionRecognizerNode(bus=bus)], args)


if __name__ == "__main__":
    leave(main())
