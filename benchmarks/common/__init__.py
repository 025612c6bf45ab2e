"""What the benchmarks share: pictures with so many faces, measuring, ceilings of the machine, tables and JSON."""

# Before PyTorch, as in every program of the package: it sets how threads wait for each other.
import emotional_dan_ros.core  # noqa: F401
