"""Types, geometry, detection, tracking, recognition and monitoring, without ROS."""

import os

# OpenMP threads that wait for each other spin by default. Beside other processes (the rest of the graph, the rest of
# the vehicle) they spin away the time the others need: with two threads on two cores that were busy otherwise,
# detecting faces in a 640x360 image took 135 to 310 ms (117 to 177 ms of CPU), against 18 to 28 ms (11 to 15 ms) when
# they sleep. The library reads this when PyTorch loads it, so it stands where every import passes by first.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
