# `make demo` and `make test` are all a fresh Linux machine with python3.11, git and make needs.
PYTHON ?= python3.11
VENV ?= .venv
# The converter and the tests need torch; the runtime never does. Where pip offers only the CUDA build, add
# TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu".
TORCH ?= torch==2.13.0
# Test files that run at the same time; some of them want two cores of their own.
JOBS ?= 2
# Of the GPU that `make gpu` proves.
ARCH ?= sm_90
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
# Making a compiled model loadable takes a linker; where the machine has none, pip brings one.
EXTRA != command -v cc >/dev/null || command -v gcc >/dev/null || command -v ld >/dev/null || echo '[linker]'

.PHONY: demo test gpu lint types clean

demo: $(VENV)/.runtime
	$(VENV)/bin/g2p-batch generate golden/demo.tsv -o demo-lexicon.tsv
	@cat demo-lexicon.tsv

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile

# Everything that needs an NVIDIA GPU, docs/gpu.md; TORCH must be a CUDA build. What is gathered may also be carried to
# a machine that has one.
gpu: $(VENV)/.dev
	$(PIP) install -e '.[cuda]'
	$(VENV)/bin/python -m pytest -m cuda
	rm -rf gpu-kit
	$(VENV)/bin/python -m tests.lab.gpu_kit gpu-kit --arch $(ARCH) \
	    --python $$($(VENV)/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	PYTHON=$(VENV)/bin/python sh gpu-kit/run.sh gpu-results

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.dev
	$(VENV)/bin/mypy

$(VENV)/.runtime: pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -e '.$(EXTRA)'
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) install $(TORCH)
	$(PIP) install -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) demo-lexicon.tsv demo-lexicon.tsv.run
