# Each target does the set-up that it needs; the first one takes a few minutes, later ones none.
PYTEST_ARGS ?=
BENCH ?= detection recognition network following core graph ros_cost offline start rivals load
BENCH_ARGS ?=
.PHONY: help setup build demo bench bench-monitor lint format test clean distclean

python := .venv/bin/python

help:
	@echo "make demo [INPUT=video|image|folder|camera]  the whole way on the built-in sample or on INPUT; see out/"
	@echo "make test [PYTEST_ARGS=...]                  lint, types and tests"
	@echo "make bench [BENCH=...] [BENCH_ARGS=...]      how fast everything is here, see docs/performance.md"
	@echo "make bench-monitor [BENCH_ARGS=...]          the anomaly monitor against others; needs data, see docs/monitor.md"
	@echo "make lint | format                           ruff and mypy | ruff, writing"
	@echo "make setup | build                           only .venv | and the ROS package in .ros"
	@echo "make clean | distclean                       remove what was built | and .venv"

setup:
	@scripts/setup.sh

build: setup
	@scripts/build.sh

demo: build
	@$(python) -m emotional_dan_ros.cli demo $(if $(INPUT),"$(INPUT)")

bench: build
	@for name in $(BENCH); do echo "-- $$name"; $(python) benchmarks/$$name.py $(BENCH_ARGS) || exit 1; done

bench-monitor: build
	@$(python) -c "import river" 2> /dev/null || $(python) -m pip install --quiet --constraint .venv/constraints.txt river
	@$(python) benchmarks/anomaly.py $(BENCH_ARGS)

lint: setup
	@$(python) -m ruff check --quiet .
	@$(python) -m ruff format --quiet --check .
	@$(python) -m mypy

format: setup
	@$(python) -m ruff check --quiet --fix .
	@$(python) -m ruff format .

test: build lint
	@$(python) -m pytest $(PYTEST_ARGS)

clean:
	rm -rf .ros out .mypy_cache .ruff_cache .hypothesis

distclean: clean
	rm -rf .venv emotional_dan_ros.egg-info
