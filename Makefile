# `make demo` and `make test` set themselves up on first use.
# Requirements: Python 3.11, make, a C++ compiler (DeepSpeed compiles an operator).

PYTHON ?= python3.11
CORES ?= 2
OVERLAY ?= demo
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# The RO-Crate validator needs its own environment (conflicting pins).
VALIDATOR := .venv-validator/.installed
# Put the virtual environment first on PATH so that Snakemake's subprocesses use it.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# DeepSpeed compiles its operator once.
export TORCH_EXTENSIONS_DIR ?= $(CURDIR)/$(VENV)/torch-extensions

# `make check` and `make estimate` default to the real run.
CHECKED := $(if $(filter file default,$(origin OVERLAY)),local,$(OVERLAY))
DEMO := --configfile config/demo.yaml --cores $(CORES)
DEMO_FULL := --configfile config/demo.yaml config/demo-full.yaml --cores $(CORES)
OPEN_DEMO := --configfile config/demo.yaml config/open-demo.yaml --cores $(CORES)
PLANTED := --configfile config/demo.yaml config/planted.yaml config/as-printed.yaml --cores $(CORES)
# Your copies of the open demos: make open-demo RAW3=/path/to/mimic3 RAW4=/path/to/mimic4.
# Read from the environment, to which make exports them, so that the shell does not interpret their content.
copy_of = $(if $(2),'datasets={"$(1)": {"raw": "'"$$$(3)"'"}}')
OPEN_DEMO += $(if $(RAW3)$(RAW4),--config $(call copy_of,mimic3,$(RAW3),RAW3) $(call copy_of,mimic4,$(RAW4),RAW4))
SHARE ?= 0.1
DATASETS ?= mimic3 mimic4
DEVICE ?= cpu
REHEARSAL_TREE = results/rehearsal-$(SHARE)
# What the arguments of `make rehearsal` change in config/rehearsal.yaml. A site's own settings come before both.
REHEARSAL_SETTINGS = \
	'pathvars: {results: $(REHEARSAL_TREE), logs: $(REHEARSAL_TREE)/logs, timings: $(REHEARSAL_TREE)/timings}' \
	'demo: {share: $(SHARE)}' $(foreach d,$(filter-out $(DATASETS),mimic3 mimic4),'datasets: {$(d): null}') \
	$(if $(filter cuda,$(DEVICE)),'train: {launch: {device: cuda}}' 'evaluate:' '  decoding: {device: cuda}' '  bertscore: {device: cuda}')
REHEARSAL = $(if $(PROFILE),--profile $(PROFILE),--cores $(CORES)) \
	--configfile config/table6.yaml $(SITE) config/rehearsal.yaml $(REHEARSAL_TREE).yaml
# Arguments for the configuration of an overlay.
overlay = $(if $(filter demo-full,$(1)),$(DEMO_FULL),$(if $(filter open-demo,$(1)),$(OPEN_DEMO),$(if $(filter planted,$(1)),$(PLANTED),--configfile config/$(1).yaml)))
# The files of CONFIG, or else an overlay.
configured = $(if $(CONFIG),--configfile $(CONFIG),$(call overlay,$(1)))
OVERLAYS := $(filter-out local.example,$(sort $(basename $(notdir $(wildcard config/*.yaml)))))
MISSING = $(if $(filter local,$(1)),cp config/local.example.yaml config/local.yaml and edit it,OVERLAY can be $(OVERLAYS))
# Stop if the file of the overlay is missing.
is_configured = test -n "$(CONFIG)" -o -f config/$(1).yaml || { echo "config/$(1).yaml is missing: $(MISSING)" >&2; exit 1; }
# Run everything that is out of date, then make the report if it is older than the lineage.
run = snakemake $(2) --rerun-incomplete --quiet host --benchmark-extended all \
	&& { test results/$(1)/report.html -nt results/$(1)/audit/lineage.csv \
	|| { snakemake $(2) --quiet host progress --report results/$(1)/.tmp-report.html \
	&& mv results/$(1)/.tmp-report.html results/$(1)/report.html; }; } \
	&& printf '%s\n' "Results: results/$(1)/index.html (make view TREE=$(1))" "Report: results/$(1)/report.html"

.PHONY: help setup demo demo-full open-demo planted rehearsal check estimate examples why view release usage bench bench-llm bench-decoding bench-encoder bench-statistics bench-tokens bench-training ladder test test-all test-failed test-reruns lint format docs docs-site lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) $(VALIDATOR)  ## create the virtual environment, with every package pinned

$(READY): envs/all.txt envs/cuda.txt
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) not found: install Python 3.11 or run make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "$(PYTHON) is not Python 3.11, which the pinned versions require" >&2; exit 1; }
	@echo "Installing $$(grep -c == envs/all.txt) pinned packages into $(VENV) (once; minutes) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --requirement envs/all.txt
	@touch $@

demo: $(READY)  ## run the whole workflow on synthetic data (six minutes)
	@$(call run,demo,$(DEMO))

demo-full: $(READY)  ## add the rows of table 1 that `make demo` leaves out to its tree (another three minutes)
	@$(call run,demo,$(DEMO_FULL))

open-demo: $(READY)  ## run the workflow on the open demos of MIMIC, 100 real patients each: [RAW3=<your copy> RAW4=<your copy>]
	@$(call run,open-demo,$(OPEN_DEMO))

planted: $(READY)  ## test with planted evidence what each model reads, as printed and by default: two seeds, one hour
	@$(call run,planted,$(PLANTED))

rehearsal: $(READY)  ## run everything at a share of the paper's size, with tiny models: [SHARE=0.1] [DATASETS="mimic3 mimic4"] [SITE=config/local.yaml] [PROFILE=slurm DEVICE=cuda]
	@test -z "$(filter-out mimic3 mimic4,$(DATASETS))" || { echo "DATASETS: $(filter-out mimic3 mimic4,$(DATASETS)) is neither mimic3 nor mimic4" >&2; exit 1; }
	@awk 'BEGIN {exit !(ARGV[1] ~ /^[0-9.]+$$/ && ARGV[1] > 0 && ARGV[1] <= 1)}' "$(SHARE)" || { echo "SHARE: $(SHARE) is not a share of the paper's size, above 0 and at most 1" >&2; exit 1; }
	@for file in $(SITE); do test -f "$$file" || { echo "SITE: $$file is missing" >&2; exit 1; }; done
	@mkdir -p results
	@printf '%s\n' $(REHEARSAL_SETTINGS) > $(REHEARSAL_TREE).yaml
	@snakemake $(REHEARSAL) --rerun-incomplete --quiet host --benchmark-extended all
	@python scripts/usage.py $(REHEARSAL_TREE) $(if $(SMALLER),--smaller results/$(SMALLER))

check: $(READY)  ## check everything that a real run needs, with remedies: [OVERLAY=local|demo|open-demo|planted] [CONFIG="FILE ..."]
	@$(call is_configured,$(CHECKED))
	@python scripts/check.py --profile slurm $(call configured,$(CHECKED))

estimate: $(READY)  ## estimate the remaining cost of the language models in calls, tokens, dollars, hours: [OVERLAY=local|demo] [CONFIG="FILE ..."]
	@$(call is_configured,$(CHECKED))
	@python scripts/estimate.py $(call configured,$(CHECKED))

examples: $(READY)  ## check a file of worked examples for the teacher: [FILE=resources/prompts/examples.yaml]
	@python scripts/examples.py "$(or $(FILE),resources/prompts/examples.yaml)"

why: $(READY)  ## explain why jobs would run: [RULE=train_phase2] [OVERLAY=demo|open-demo|planted|local] [CONFIG="FILE ..."] [FROM_RECORDS=1]
	@$(call is_configured,$(OVERLAY))
	@python scripts/why.py $(if $(RULE),--rule $(RULE)) $(if $(FROM_RECORDS),--from-records) $(call configured,$(OVERLAY))

view: $(READY)  ## show the pages of a results tree in a browser: TREE=demo [PORT=8000]
	@python scripts/view.py "results/$(or $(TREE),demo)" $(if $(PORT),--port $(PORT))

usage: $(READY)  ## compare requested and used resources of the jobs: TREE=demo [SMALLER=<tree of a smaller rehearsal>]
	@python scripts/usage.py results/$(or $(TREE),demo) $(if $(SMALLER),--smaller results/$(SMALLER))

release: $(READY)  ## pack code, shareable outputs and all records of a results tree: TREE=demo [LEAVE_OUT="OUTPUT ..."]
	@python scripts/release.py "results/$(or $(TREE),demo)" $(if $(LEAVE_OUT),--leave-out $(LEAVE_OUT))

bench: $(READY)  ## measure the speed of the benchmark: RAW=<open MIMIC-III demo> [REFERENCE=<mimic3-benchmarks> REFERENCE_PYTHON=<its python>] [TIMES=20] [WRITE=1]
	@PYTHONPATH=tests python tests/benchmarks/bench_benchmark.py $(if $(RAW),--raw "$(RAW)") $(if $(TIMES),--times $(TIMES)) --cores $(CORES) \
	$(if $(REFERENCE),--reference "$(REFERENCE)") $(if $(REFERENCE_PYTHON),--reference-python "$(REFERENCE_PYTHON)") $(if $(WRITE),--write)

bench-llm: $(READY)  ## compare the client of language models with a bare openai client, and measure its journal
	@PYTHONPATH=scripts:tests python tests/benchmarks/bench_llm.py 2> /dev/null

bench-decoding: $(READY)  ## measure how fast students write, and the effect of number format and beams: on the tree of `make demo`
	@PYTHONPATH=scripts:tests python tests/benchmarks/bench_decoding.py "results/$(or $(TREE),demo)" 2> /dev/null

bench-encoder: $(READY)  ## count the operations of the series encoder in each phase, and measure its number formats
	@PYTHONPATH=scripts:tests python tests/benchmarks/bench_encoder.py 2> /dev/null

bench-statistics: $(READY)  ## measure the bootstrap over patients at the size of the paper: time, memory
	@PYTHONPATH=scripts:tests python tests/benchmarks/bench_statistics.py 2> /dev/null

bench-tokens: $(READY)  ## measure token files at the paper's number of samples: time, memory, start of a training
	@PYTHONPATH=scripts:tests python tests/benchmarks/bench_tokens.py 2> /dev/null

bench-training: $(READY)  ## compare training with a re-enactment of the released loop: [DEVICE=cuda] [BACKBONE=flan-t5-large] [SAMPLES=12] [WRITE=1]
	@PYTHONPATH=scripts:tests python tests/benchmarks/bench_training.py --device $(or $(DEVICE),cpu) \
	$(if $(BACKBONE),--backbone $(BACKBONE)) $(if $(SAMPLES),--samples $(SAMPLES)) $(if $(WRITE),--write)

ladder: $(READY)  ## follow planted evidence from the series to the diagnosis: TREE=planted [SEED=1]
	@PYTHONPATH=scripts:tests python tests/benchmarks/bench_ladder.py "results/$(or $(TREE),planted)" --seed $(or $(SEED),1)

$(VALIDATOR): envs/validator.txt
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/pip install --quiet --requirement envs/validator.txt
	@touch $@

# One worker more than cores, because one mostly waits for Snakemake or SLURM.
pytest := pytest --quiet --numprocesses $$(($(CORES) + 1)) --dist worksteal

test: $(READY) $(VALIDATOR) lint  ## lint and all tests except the slow ones (less than ten minutes on two cores)
	@$(pytest) -m "not slow and not exhaustive"

test-all: $(READY) $(VALIDATOR) lint  ## lint and all tests except `make test-reruns`: also the demo, SLURM, DeepSpeed, clean runs, faults
	@$(pytest) -m "not exhaustive" --durations=25 --durations-min=5

test-failed: $(READY)  ## run the tests that failed last time once more, one after another
	@pytest --quiet --last-failed --last-failed-no-failures none --exitfirst

test-reruns: $(READY)  ## change every code file, resource and key, one by one, and compare what reruns (half an hour)
	@$(pytest) tests/workflow/test_reruns.py

lint: $(READY) docs-site  ## check style, wording, types, rules, imports, pinned environments and the links of the documentation
	@ruff check --quiet
	@ruff format --quiet --check
	@snakefmt --check Snakefile rules
	@git ls-files -z | xargs -0 codespell
	@python tests/house.py
	@jscpd > .tmp-duplicates 2>&1 || { cat .tmp-duplicates; exit 1; }
	@mypy --no-error-summary
	@snakemake --lint
	@snakemake --lint $(DEMO)
	@PYTHONPATH=scripts lint-imports --no-cache > .import-linter.log || { cat .import-linter.log; exit 1; }
	@python envs/lock.py --check

format: $(READY)  ## format all code
	@ruff check --quiet --fix --exit-zero  # lint reports the rest
	@ruff format --quiet
	@snakefmt Snakefile rules

docs: $(READY)  ## regenerate docs/config.md, rulegraph.md, partial-reruns.md and status.md
	@PYTHONPATH=scripts python -m clinragen.workflow.status
	@PYTHONPATH=scripts python -c "from clinragen.config.reference import reference; print(reference(), end='')" > docs/config.md
	@{ echo '# Rules'; echo; echo 'How the rules of `make demo-full` depend on each other (`make docs`).'; echo; echo '```mermaid'; \
	graph=$$(snakemake $(DEMO_FULL) --quiet all --rulegraph mermaid-js -- all); echo "$$graph" | grep -v -e '-->'; \
	echo "$$graph" | grep -e '-->' | sort -V; echo '```'; } > docs/rulegraph.md  # edges come in any order
	@PYTHONPATH=scripts:tests python tests/reruns_page.py > .tmp-reruns.md && mv .tmp-reruns.md docs/partial-reruns.md

docs-site: $(READY)  ## build the documentation as a site, site/index.html; a broken link is an error
	@sphinx-build --quiet --fail-on-warning --keep-going --nitpicky --conf-dir docs . site
	@cp site/README.html site/index.html

lock: $(READY)  ## regenerate envs/*.yaml and envs/*.txt from envs/requirements.yaml; asks the package index for new hashes
	@python envs/lock.py

clean:  ## remove the results of the demos, but never those of the paper
	@rm -rf results/demo results/open-demo
