"""Set-up for every test: no network, no shared caches, one thread, and the code under test is this checkout.

The environment is set while this file is imported, because huggingface_hub and torch read it once, when they are
imported. Tests that start a subprocess hand the same environment on.
"""

import importlib
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from checkout import ROOT

EARLY = sorted({"torch", "transformers", "datasets", "huggingface_hub", "evaluate"} & sys.modules.keys())
if EARLY:
    raise pytest.UsageError(f"{EARLY} imported before tests/conftest.py set caches and threads; import them later")

# Every cache of the Hugging Face libraries lies under HF_HOME unless a variable of its own points elsewhere.
CACHES = tempfile.TemporaryDirectory(prefix="aullava-tests-")
for variable in [name for name in os.environ if name.startswith(("HF_", "HUGGINGFACE_", "TRANSFORMERS_"))]:
    del os.environ[variable]
os.environ["HF_HOME"] = CACHES.name
os.environ["HF_HUB_OFFLINE"] = "1"  # transformers, datasets and evaluate follow it
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = "1"  # more are slower on busy cores, and sums differ in the last bits

# The same examples on every run and no time limit each: a shared machine must not decide what passes.
settings.register_profile("aullava", deadline=None, derandomize=True)
settings.load_profile("aullava")


def pytest_configure() -> None:
    """Stop before any test if `aullava` comes from somewhere else than this checkout."""
    found = Path(importlib.import_module("aullava.action_units").__file__).resolve()
    expected = ROOT / "action_units.py"
    if found != expected:
        pytest.exit(f"aullava comes from {found}, expected {expected}; run `make test`, or pip install -e . here", 4)
