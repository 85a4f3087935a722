# One command per wish. `make run` and `make test` install what they need.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WEB := siyu/web

.PHONY: run setup test test-spark coverage-money coverage-stock check fix openapi web domain lock pictures bench clean system

run:                          ## start the demo and print its addresses
	@$(MAKE) --no-print-directory -j2 .stamp-run web
	$(BIN)/siyu demo

setup: .stamp-dev             ## what tests and checks need, in .venv

PIP = $(BIN)/python -m pip --disable-pip-version-check install -q

.stamp-run: requirements.lock pyproject.toml tools/hatch_build.py $(wildcard siyu/warehouse/engines/service/*.[ch])
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.stamp-dev: .stamp-run requirements-dev.lock
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

# --- front ends: built when their sources changed -------------------------------------------------
web: $(WEB)/console/index.html $(WEB)/h5/index.html

web/console/node_modules/.stamp: web/console/package-lock.json
	cd web/console && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.stamp

web/shop/node_modules/.stamp: web/shop/package-lock.json
	cd web/shop && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.stamp

$(WEB)/console/index.html: web/console/node_modules/.stamp $(shell find web/console -path web/console/node_modules -prune -o -path web/console/dist -prune -o -type f -print 2>/dev/null)
	cd web/console && npm run build
	rm -rf $(WEB)/console && mkdir -p $(WEB) && cp -r web/console/dist $(WEB)/console

$(WEB)/h5/index.html: web/shop/node_modules/.stamp $(shell find web/shop -path web/shop/node_modules -prune -o -path web/shop/dist -prune -o -type f -print 2>/dev/null)
	cd web/shop && npm run build
	rm -rf $(WEB)/h5 $(WEB)/mp-weixin && mkdir -p $(WEB)
	cp -r web/shop/dist/h5 $(WEB)/h5 && cp -r web/shop/dist/mp-weixin $(WEB)/mp-weixin

# --- tests and checks -----------------------------------------------------------------------------
system:                       ## Chromium and Chinese fonts from Debian
	@command -v chromium >/dev/null && fc-list 2>/dev/null | grep -q "Noto Sans CJK" || \
	  { export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && apt-get install -y -qq chromium fonts-noto-cjk fontconfig >/dev/null; }

test:                         ## run everything
	@$(MAKE) --no-print-directory -j2 --output-sync=target setup system web $(TEST_NODE)
	$(BIN)/pytest -n 3 --ignore tests/browser --ignore tests/sim --durations 15   # 3: they wait for the database too
	$(BIN)/pytest -n 3 --dist worksteal tests/sim   # long ones: one waits for the database while two work
	$(BIN)/pytest tests/browser   # one installation and one browser at a time
	cd web/console && npm test

SPARK := .venv-spark
.stamp-spark: requirements-spark.lock pyproject.toml   # Spark is half a gigabyte: kept apart
	@command -v java >/dev/null || { apt-get update -qq && apt-get install -y -qq openjdk-17-jre-headless >/dev/null; }
	test -x $(SPARK)/bin/python || $(PYTHON) -m venv $(SPARK)
	$(SPARK)/bin/python -m pip --disable-pip-version-check install -q --require-hashes -r requirements-spark.lock
	@touch $@

test-spark: .stamp-spark      ## the warehouse's questions on a local Spark cluster of two workers, beside siyu's own engine
	$(SPARK)/bin/python -m pytest -p no:cacheprovider --noconftest tests/warehouse/test_spark.py

TEST_NODE = web/mp-check/node_modules/.stamp tests/wechat/node/node_modules/.stamp

coverage-money: setup         ## lines and branches of siyu/money that its tests run through; fails below 100 %
	COVERAGE_FILE=.coverage-money $(BIN)/coverage run --source siyu.money -m pytest -n 2 $(MONEY_TESTS)
	COVERAGE_FILE=.coverage-money $(BIN)/coverage combine -q
	COVERAGE_FILE=.coverage-money $(BIN)/coverage report --skip-covered --show-missing --fail-under 100

MONEY_TESTS = tests/money $(foreach part,payment refund sharing wallet,tests/races/test_$(part)_races.py) \
  tests/races/test_ledger.py tests/flows/test_merges.py $(wildcard tests/faults/test_pay*.py) \
  tests/faults/test_refund_faults.py tests/faults/test_sharing_faults.py tests/faults/test_held_commissions.py

coverage-stock: setup         ## the same of prices, stock, the hot lane and gifts
	COVERAGE_FILE=.coverage-stock $(BIN)/coverage run \
	  --source siyu.commerce.inventory,siyu.commerce.ordering.service,siyu.commerce.promotions,siyu.growth.gifting \
	  -m pytest -n 2 tests/commerce/inventory tests/commerce/promotions tests/commerce/ordering/test_hot_lane.py \
	  tests/properties/test_price.py tests/growth/gifting tests/faults/test_gift_faults.py tests/flows/test_merges.py tests/races/test_stock.py
	COVERAGE_FILE=.coverage-stock $(BIN)/coverage combine -q
	COVERAGE_FILE=.coverage-stock $(BIN)/coverage report --skip-covered --show-missing --fail-under 100 \
	  --include 'siyu/commerce/inventory/*,siyu/commerce/ordering/service/hot_lane*,siyu/commerce/promotions/*,siyu/growth/gifting/*'

web/mp-check/node_modules/.stamp: web/mp-check/package-lock.json
	cd web/mp-check && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.stamp

tests/wechat/node/node_modules/.stamp: tests/wechat/node/package-lock.json
	cd tests/wechat/node && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.stamp

check:                        ## format, lint, types, contracts, generated files
	@$(MAKE) --no-print-directory -j2 --output-sync=target check-python check-console check-shop

check-python: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/check_locks.py
	$(BIN)/python -m siyu.app.openapi --check

check-console: web/console/node_modules/.stamp
	cd web/console && npm run check

check-shop: web/shop/node_modules/.stamp
	cd web/shop && npm run check

fix:                          ## format and repair what can be repaired
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

openapi:                      ## write the API documents and the clients generated from them
	$(BIN)/python -m siyu.app.openapi
	cd web/console && npm run gen:api
	cd web/shop && npm run types

domain:                       ## make domain NAME=growth/lottery: the files of a new domain
	$(BIN)/python tools/new_domain.py $(NAME)

pictures:                     ## the pictures of the READMEs, from the running demo
	$(BIN)/python tools/pictures.py

LOCK = $(BIN)/pip-compile -q --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url \
  --no-emit-trusted-host --no-emit-find-links --no-header --extra build --extra demo

lock:                         ## pin everything again, with hashes
	$(LOCK) --output-file requirements.lock pyproject.toml
	$(LOCK) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	$(LOCK) --extra spark --extra spark-test --constraint requirements.lock --constraint requirements-dev.lock \
	  --output-file requirements-spark.lock pyproject.toml

clean:
	rm -rf $(VENV) $(SPARK) .stamp-* $(WEB) web/*/node_modules web/*/dist tests/wechat/node/node_modules
