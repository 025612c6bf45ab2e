"""What the benchmarks share: pictures with so many faces, measuring, ceilings of the machine, tables and JSON."""
