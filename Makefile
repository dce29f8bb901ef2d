# Two commands for a newcomer: `make demo` and `make test`. Everything runs from .venv, made of hash-locked packages.

PYTHON ?= python3
BIN := .venv/bin
export PYTHONDONTWRITEBYTECODE :=  # what is started is compiled once

.PHONY: demo serve test check format faults faults-short mutants bench scenario-% dynamodb-local clean lock

demo: .venv/server
	@$(BIN)/python examples/demo.py

# The published accounts of docs/scenarios.md, played from start to end.
scenario-%: .venv/server
	@$(BIN)/python examples/scenarios/scenario_$*.py

# Needs a redis-server, and the emulator of AWS that the tests have.
scenario-0: .venv/dev
	@$(BIN)/python examples/scenarios/scenario_0.py

# Needs Node; KAKITOME_ROWS is how many rows its list has.
scenario-2: .venv/infra
	@$(BIN)/python examples/scenarios/scenario_2.py

serve: .venv/server
	@$(BIN)/kakitome serve

test: .venv/dev
	$(BIN)/pytest --ignore tests/faults --ignore tests/test_mutants.py -n auto --dist worksteal

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test
	$(MAKE) mutants
	@if command -v java >/dev/null && $(MAKE) --no-print-directory .venv/dynamodb-local; then $(MAKE) dynamodb-local; \
	else echo "SKIPPED, NOT PASSED: the ledger on Amazon's own engine. \"make dynamodb-local\" says what it lacks." >&2; fi

# The ledger on Amazon's own engine: its contract and its differential, but for what is long and asks no more of an engine.
dynamodb-local: .venv/dev .venv/dynamodb-local
	KAKITOME_DYNAMODB_LOCAL=$(CURDIR)/.venv/dynamodb-local $(BIN)/pytest -n 2 --dist worksteal \
	  tests/contracts/test_ledger_dynamodb.py tests/ledgers/test_dynamodb_differential.py \
	  tests/ledgers/test_dynamodb_pruning.py tests/ledgers/test_dynamodb_making.py \
	  -k "not TestOwnTables and not MemoryAndDynamo and not every_move"

mutants: .venv/dev
	$(BIN)/pytest tests/test_mutants.py

faults-short: .venv/dev
	$(BIN)/pytest tests/faults -n 2

faults: .venv/dev
	KAKITOME_FAULTS=10 $(BIN)/pytest tests/faults -n 2

bench: .venv/dev
	$(BIN)/python bench/run.py

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf demo kakitome-data

# `lock` needs uv; nothing else does.
lock:
	uv pip compile pyproject.toml --extra server --extra aws --extra redis --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header -q -o requirements/server.txt
	uv pip compile pyproject.toml --extra server --extra aws --extra redis --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header -q -o requirements/dev.txt
	uv pip compile requirements/infra.in -c requirements/dev.txt --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header -q -o requirements/infra.txt

.venv/server: requirements/server.txt requirements/build.txt pyproject.toml
	@sh tools/python-check.sh $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing what Kakitome needs (hash-locked) …"
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/server.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

# The CDK, its command line and the validator of state machines; for infra/ and what tests it. Needs Node.
.venv/infra: .venv/dev requirements/infra.txt
	@command -v npm >/dev/null || { echo "Node is missing, which the CDK needs: install it (Debian: apt-get install nodejs npm)."; exit 1; }
	@$(BIN)/pip install -q --disable-pip-version-check --no-compile --require-hashes -r requirements/infra.txt
	@npm install --prefix .venv/node --silent --no-audit --no-fund --no-save --no-package-lock \
	  aws-cdk@2.1148.1 asl-validator@4.0.0
	@touch $@

# What functions on AWS run: Linux wheels for Lambda's Python, hash-locked, and the package. ARCH=x86_64 for the other one.
ARCH ?= aarch64
build/lambda: .venv/dev requirements/server.txt $(shell find src/kakitome -name '*.py')
	@rm -rf $@
	@$(BIN)/pip install -q --disable-pip-version-check --no-compile --require-hashes --only-binary=:all: \
	  --implementation cp --python-version 3.13 --platform manylinux2014_$(ARCH) \
	  $(foreach glibc,17 24 26 27 28 31 34,--platform manylinux_2_$(glibc)_$(ARCH)) \
	  --target $@ -r requirements/server.txt
	@cp -R src/kakitome $@/ && find $@ -name __pycache__ -prune -exec rm -rf {} +
	@touch $@

# By Maven, whose answers are compared with the hashes of the day on which they were chosen.
.venv/dynamodb-local: tests/dynamodb-local/pom.xml tests/dynamodb-local/sha256
	@for it in java mvn; do command -v $$it >/dev/null || { \
	  echo "$$it is missing, which DynamoDB Local needs (Debian: apt-get install default-jre-headless maven)." >&2; exit 1; }; done
	@rm -rf $@ $@.part
	@mvn -q -B -C -f $< org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
	  -DexcludeTypes=dll,dylib -DoutputDirectory=$(CURDIR)/$@.part
	@cd $@.part && sha256sum --check --quiet $(CURDIR)/tests/dynamodb-local/sha256
	@mv $@.part $@ && touch $@

.venv/dev: .venv/server requirements/dev.txt
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
