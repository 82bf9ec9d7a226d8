# vizproxy: `make` alone lists what can be made.
#
# What a target needs is installed on the way: Debian packages by container/build/install-debian.sh,
# Python packages into .venv, npm packages into node_modules beside their package.json, all from lock
# files. A stamp named by the checksum of what it was made from makes the next run skip the work.

PYTHON ?= python3
# Where `make desktop` listens, and more options for `vizproxy serve`
HTTP ?= 127.0.0.1:6080
ARGS ?=
# More options for pytest
PYTEST_ARGS ?=
# How many of the fast tests run at once, and how many of the slow ones, of which each starts a lot
WORKERS ?= 4
SLOW_WORKERS ?= 2
# What `make images` builds on: an image, or mmdebstrap, which makes one of Debian's packages. Unset, it is
# the one that the Containerfiles name, and mmdebstrap where no registry has it
BASE ?=
# VirtualGL's package for `make images`: a file in dist/, or an address; and the checksum of one
# that is not virtualgl_3.1.4_amd64.deb
VIRTUALGL_DEB ?=
VIRTUALGL_SHA256 ?=
# More options for `podman build`, such as --no-cache
IMAGE_ARGS ?=
# `make lock UPGRADE=--upgrade` moves every pin to the newest release
UPGRADE ?=
UV_VERSION := 0.13.9

VENV := .venv
BIN := $(VENV)/bin
BUILD := container/build
WEB := vizproxy/web
HUB := tests/jupyter
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

PYTEST_FAST = $(BIN)/pytest -m 'not slow' --numprocesses $(WORKERS) $(PYTEST_ARGS)
PYTEST_SLOW = $(BIN)/pytest -m slow --numprocesses $(SLOW_WORKERS) $(PYTEST_ARGS)

checksum = $(firstword $(shell cat $(1) | cksum))
RUNTIME_FROM := $(BUILD)/requirements.lock $(BUILD)/requirements-build.lock \
	$(BUILD)/hatch_build.py pyproject.toml vizproxy/__init__.py vizproxy/jupyter/vizproxy.json
RUNTIME_STAMP := $(VENV)/.runtime-$(call checksum,$(RUNTIME_FROM))
DEV_STAMP := $(VENV)/.dev-$(call checksum,$(BUILD)/requirements-dev.lock)
WEB_STAMP := $(WEB)/node_modules/.installed-$(call checksum,$(WEB)/package-lock.json)
HUB_STAMP := $(HUB)/node_modules/.installed-$(call checksum,$(HUB)/package-lock.json)

SHELL_SCRIPTS := .ci/run $(wildcard container/*.sh container/*/*.sh)

export PYTHON
# Else each start of a program under test would compile all of it anew
unexport PYTHONDONTWRITEBYTECODE
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ------------------------------------------------------------------------------------------- use

.PHONY: desktop
desktop: $(RUNTIME_STAMP) $(WEB_STAMP) ## Start a desktop without a GPU (HTTP=host:port, ARGS=options)
	@$(BUILD)/install-debian.sh runtime
	@$(BUILD)/install-debian.sh demo || echo 'Going on without these programs' >&2
	@exec $(BIN)/vizproxy serve --plan software --http $(HTTP) $(ARGS)

# ------------------------------------------------------------------------------------------ check

.PHONY: test
test: $(RUNTIME_STAMP) $(DEV_STAMP) $(WEB_STAMP) $(HUB_STAMP) lint ## Run every check and every test
	@$(BUILD)/install-debian.sh runtime demo test pod
	@$(BUILD)/install-prometheus.sh
	node --test tests/web/*.test.mjs
	$(PYTEST_FAST)
	$(PYTEST_SLOW)

.PHONY: test-fast
test-fast: $(RUNTIME_STAMP) $(DEV_STAMP) $(WEB_STAMP) $(HUB_STAMP) ## Run the tests that take no longer than a few seconds each
	@$(BUILD)/install-debian.sh runtime demo test
	@$(BUILD)/install-prometheus.sh
	$(PYTEST_FAST)

.PHONY: lint
lint: $(RUNTIME_STAMP) $(DEV_STAMP) ## Check style, types and the direction of imports
	@$(BUILD)/install-debian.sh lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python $(BUILD)/update_docs.py --check
	$(BIN)/python -m container.monitoring.generator --check
	shellcheck $(SHELL_SCRIPTS)

.PHONY: format
format: $(DEV_STAMP) ## Lay out the code and fix what can be fixed by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: docs
docs: $(RUNTIME_STAMP) $(DEV_STAMP) ## Renew what is generated of documents, dashboards and manifests
	$(BIN)/python $(BUILD)/update_docs.py
	$(BIN)/python -m container.monitoring.generator

.PHONY: screenshot
screenshot: $(RUNTIME_STAMP) $(DEV_STAMP) $(WEB_STAMP) ## Take the picture in README.md anew
	@$(BUILD)/install-debian.sh runtime demo test
	$(BIN)/python $(BUILD)/take_screenshot.py

.PHONY: bench
bench: $(RUNTIME_STAMP) ## Measure the viewer path, the chain from a Jupyter server on, and scrapes
	$(BIN)/python -m bench.viewer_path
	$(BIN)/python -m bench.jupyter_chain
	$(BIN)/python -m bench.scrape_cost

# ------------------------------------------------------------------------------------------ build

.PHONY: wheel
wheel: $(RUNTIME_STAMP) ## Build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

.PHONY: images
images: wheel ## Build the images with podman (BASE=image, VIRTUALGL_DEB=file, IMAGE_ARGS=options)
	@$(BUILD)/install-debian.sh pod
	@PYTHON=$(BIN)/python BASE='$(BASE)' IMAGE_ARGS='$(IMAGE_ARGS)' VIRTUALGL_DEB='$(VIRTUALGL_DEB)' \
		VIRTUALGL_SHA256='$(VIRTUALGL_SHA256)' $(BUILD)/build-images.sh

COMPILE = .cache/uv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock' $(UPGRADE)
# Packages that only websockify's plugins for tokens import, of which the daemon uses none
NOT_IN_SIDECAR := $(addprefix --no-emit-package ,certifi cffi charset-normalizer cryptography jwcrypto \
	pycparser redis requests urllib3)

.PHONY: lock
lock: ## Renew the lock files after a change of the dependencies (UPGRADE=--upgrade: all of them)
	$(PYTHON) -m venv .cache/uv
	.cache/uv/bin/python -m pip --quiet install uv==$(UV_VERSION)
	$(COMPILE) pyproject.toml --output-file $(BUILD)/requirements.lock
	$(COMPILE) pyproject.toml --group build --output-file $(BUILD)/requirements-build.lock --constraint $(BUILD)/requirements.lock
	$(COMPILE) pyproject.toml --group dev --output-file $(BUILD)/requirements-dev.lock --constraint $(BUILD)/requirements-build.lock
	$(COMPILE) --group sidecar $(NOT_IN_SIDECAR) --output-file $(BUILD)/requirements-sidecar.lock --constraint $(BUILD)/requirements.lock
	$(COMPILE) pyproject.toml --group notebook --output-file $(BUILD)/requirements-notebook.lock --constraint $(BUILD)/requirements-dev.lock
	for directory in $(WEB) $(HUB); do \
		(cd $$directory && npm install --package-lock-only --omit-lockfile-registry-resolved \
			--ignore-scripts --no-audit --no-fund) || exit 1; \
	done

.PHONY: clean
clean: ## Remove build products and caches
	rm -rf build dist .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find vizproxy tests container bench -name __pycache__ -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## Remove what was installed here, too
	rm -rf $(VENV) $(WEB)/node_modules $(HUB)/node_modules

# ---------------------------------------------------------------------------------------- install

$(BIN)/python:
	@$(BUILD)/install-debian.sh python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'cannot make .venv: $(PYTHON) is older than 3.11; try make PYTHON=python3.11' >&2; \
		exit 69; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME_STAMP): | $(BIN)/python $(WEB_STAMP)
	@echo 'Installing vizproxy and its Python packages into $(VENV)' >&2
	@$(PIP) install --require-hashes -r $(BUILD)/requirements-build.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.runtime-* && touch $@

$(DEV_STAMP): | $(BIN)/python
	@echo 'Installing the development packages into $(VENV)' >&2
	@$(PIP) install --use-pep517 --require-hashes -r $(BUILD)/requirements-dev.lock
	@rm -f $(VENV)/.dev-* && touch $@

# $(call npm-ci,DIRECTORY,WHAT IT IS FOR): install what the directory's lock file names
define npm-ci
	@command -v npm >/dev/null || { \
		echo 'cannot install $(2): npm is not on the PATH; try installing Node.js 18 or newer with npm' >&2; \
		exit 69; }
	@echo 'Installing $(2) into $(1)/node_modules' >&2
	@cd $(1) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
endef

$(WEB_STAMP):
	$(call npm-ci,$(WEB),the packages of the page)

$(HUB_STAMP):
	$(call npm-ci,$(HUB),the proxy of the JupyterHub in the tests)
