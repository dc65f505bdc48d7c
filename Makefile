# make run    set everything up, run all notebooks at PROFILE (default mini), build the report
# make test   set everything up, lint, unit tests, every notebook run once at smoke and its products looked for
# Needs Python 3.11 and make. Each target is one or two plain commands; the README gives them for Windows.
PYTHON ?= python3.11
PROFILE ?= mini
NOTEBOOKS ?=
NB ?=
PARAMS ?=
CORES ?= 2
ENGINE ?=
REPOSITORY ?=
BIN := .venv/bin
READY := .venv/ready

# The lock decides what is installed, not the caller: every PIP_* and UV_* setting is dropped (a stray wheel folder, index
# or constraint), but for certificates and caches. Behind a mirror: make run INDEX=<its address>.
STRAY := $(shell env | sed -n 's/^\(\(PIP\|UV\)_[A-Za-z0-9_]*\)=.*/\1/p' | grep -v -x -e PIP_CERT -e UV_CACHE_DIR -e PIP_CACHE_DIR)
CLEAN := env $(STRAY:%=-u %) -u PYTHONPATH -u PYTHONHOME PIP_CONFIG_FILE=/dev/null UV_NO_CONFIG=1 $(if $(INDEX),PIP_INDEX_URL=$(INDEX) UV_DEFAULT_INDEX=$(INDEX))

.PHONY: run test regress reference lint types unit quick notebooks rehearse studio lab site assignment slides doctor clean

run: $(READY)
	$(BIN)/python -m lib run --profile $(PROFILE) --cores $(CORES) --engine="$(ENGINE)" --notebooks $(NOTEBOOKS) --params $(PARAMS)

test: lint unit notebooks rehearse

lint: $(READY)
	$(BIN)/ruff check lib tests notebooks

# Half a minute, by itself: pre-commit and the workflow call it.
types: $(READY)
	$(BIN)/basedpyright

unit: $(READY)
	$(BIN)/python -m pytest tests -n $(CORES) --no-loadscope-reorder --durations=25

# Without the tests that are marked slow.
quick: $(READY)
	$(BIN)/python -m pytest tests -n $(CORES) -m "not slow"

# Every notebook runs once, at smoke; each stored check cell must print the same again, every product
# of the graph must then be there, and Snakemake must be able to plan all of it.
notebooks: $(READY)
	rm -rf results/smoke
	KLANGFARBE_PROFILE=smoke KLANGFARBE_THREADS=1 $(BIN)/python -m pytest notebooks --nbval-lax --nbval-cell-timeout=300 -n $(CORES) --durations=25
	$(BIN)/python -m lib run --profile smoke --check
	$(BIN)/python -m lib run --profile smoke --dry-run

# Profile paper's own branches and flags at toy sizes, on replicas of the publishers' folders and random networks.
rehearse: $(READY)
	$(BIN)/python -m lib rehearse --cores $(CORES)

# The same check cells at mini: the stored outputs' own profile.
regress: $(READY)
	KLANGFARBE_PROFILE=mini KLANGFARBE_THREADS=1 $(BIN)/python -m pytest notebooks --nbval-lax --nbval-cell-timeout=1800 -n $(CORES) --durations=25

# The runs that are kept (outputs in notebooks/, tables in results/reference/), made again; then read the notebooks' prose against them.
reference: $(READY)
	$(BIN)/python -m lib run --profile mini --cores $(CORES)
	$(BIN)/python -m lib store --profile mini

studio: $(READY)
	$(BIN)/python -m lib studio

lab: $(READY)
	$(BIN)/python -m lib lab

# The workbook as a web site, results/site/html/index.html: the notebooks with their stored outputs, nothing is run.
# REPOSITORY=https://github.com/... adds the buttons that open a notebook in Colab and Binder (or CITATION.cff's repository-code).
site: $(READY)
	rm -rf results/site/api
	REPOSITORY=$(REPOSITORY) $(BIN)/sphinx-build -W --keep-going -j $(CORES) -c notebooks/site -d results/site/doctrees . results/site/html

# Coursework for nbgrader, results/assignments/: make assignment NB=31 (none: all)
assignment: $(READY)
	$(BIN)/python -m lib assignment $(NB)

# Lectures, results/slides/: notebook 00 and the four tours, or NOTEBOOKS=31
slides: $(READY)
	$(BIN)/python -m lib slides $(NOTEBOOKS)

doctor: $(READY)
	$(BIN)/python -m lib doctor

# The first line verifies uv by the lock's own hash; uv then installs the rest and compiles it, once for all.
$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(CLEAN) $(PYTHON) -m venv .venv
	awk '/^[a-z]/ { keep = /^uv==/ } keep' requirements.lock > .venv/uv.txt
	$(CLEAN) $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt
	VIRTUAL_ENV=.venv $(CLEAN) $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	VIRTUAL_ENV=.venv $(CLEAN) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf .venv .snakemake papermill_runs/smoke papermill_runs/mini results/smoke results/mini results/site results/slides data/processed
