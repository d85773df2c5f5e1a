# Development tasks; they expect `pip install -c constraints.txt -e '.[dev,docs]'` in the active environment.
.PHONY: check lint types imports test oldest newest docs build clean

check: lint types imports test  ## everything that has to pass before a change lands

lint:
	ruff check .
	ruff format --check .

types:
	mypy

imports:
	lint-imports --no-cache --no-logo

test:
	pytest -n auto

oldest newest:  ## the tests in an environment with the lowest or the newest versions that pyproject.toml allows
	.ci/versions $@

docs:  ## the site, into site/
	mkdocs build --strict

build:  ## wheel and sdist, into dist/, each tried in a bare environment
	.ci/build

clean:
	rm -rf build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache
