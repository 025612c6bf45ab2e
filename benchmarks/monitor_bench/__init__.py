"""Parts of benchmarks/anomaly.py."""
