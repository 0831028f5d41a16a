# What is run while working on eproxyctl; `just --list` names it all.

python := ".venv/bin/python"

# the environment that CI tests
venv:
    python3.11 -m venv .venv
    {{python}} -m pip install -q -c constraints.txt -e '.[dev]'

# the default suite, or part of it: just test tests/spaces
test *paths:
    {{python}} -m pytest {{paths}}

# what takes tens of seconds a test
slow *paths:
    {{python}} -m pytest -m slow {{paths}}

# speed, in one process
benchmark:
    {{python}} -m pytest -m benchmark -n 0 --benchmark-enable

lint:
    {{python}} -m ruff check .
    {{python}} -m ruff format --check .

types:
    {{python}} -m mypy

# imports point one way, and no room has a circle inside
layers:
    .venv/bin/lint-imports

# all that must pass before a commit
check: lint types layers test

# wheel and source archive in dist/, made without a network
build:
    {{python}} -m hatchling build

# the pages of docs/, where they are present
docs:
    test ! -f mkdocs.yml || {{python}} -m mkdocs build --strict
