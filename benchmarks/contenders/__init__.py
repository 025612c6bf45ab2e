"""Ways from an image to its emotions that are measured against each other (benchmarks/rivals.py).

Each module makes one: ``make()`` returns a function of (image uint8 (H, W, 3) BGR, stamp in ns) that returns the number
of faces whose emotion it named. Each runs in a process of its own, so that none has to get along with the libraries of
another.
"""
