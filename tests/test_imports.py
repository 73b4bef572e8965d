"""Which module may import which: the loader's rules for the files a checkpoint carries, and arrows that point one way.

transformers finds the files to fetch with regular expressions over the text, copies them side by side into a folder of
its cache and imports the entry file from there. So a REMOTE file may import only siblings, only as `from .file import
name`, and only libraries that every user of transformers has.
"""

import sys

import pytest
from transformers.dynamic_module_utils import get_imports, get_relative_imports

from checkout import PACKAGE, ROOT, Import, files, imports_of, modules

REMOTE = {  # file -> the siblings it may import
    "action_units": set(),
    "configuration_aullava": {"action_units", "image_aullava"},
    "image_aullava": set(),
    "processing_aullava": {"action_units", "image_aullava"},
    "plan_aullava": {"action_units"},
    "tree_aullava": set(),
    "readout_aullava": {"action_units", "plan_aullava", "tree_aullava"},
    "modeling_aullava": {
        "action_units",
        "configuration_aullava",
        "image_aullava",
        "plan_aullava",
        "tree_aullava",
        "readout_aullava",
    },
    "pipeline_aullava": {
        "action_units",
        "configuration_aullava",
        "image_aullava",
        "processing_aullava",
        "plan_aullava",
        "tree_aullava",
        "readout_aullava",
        "modeling_aullava",
    },
}
ENTRIES = ("configuration_aullava", "modeling_aullava", "processing_aullava", "pipeline_aullava")  # named in auto_map
USERS_HAVE = {"torch", "transformers", "PIL", "numpy", "huggingface_hub"}
USERS_MAY_HAVE = {"cv2", "pandas"}  # only inside try / except ImportError

# Top-level name -> the top-level names it may import besides itself. `metrics` and `space` are handed the model.
ARROWS = REMOTE | {
    "common": set(),
    "detection": {"image_aullava"},
    "video": {"common"},
    "checkpoint": {*REMOTE, "common", "detection"},
    "release": {"checkpoint"},
    "dataset_builder": {"action_units", "image_aullava", "common", "detection", "video"},
    "metrics": set(),
    "recognition": {*REMOTE, "common", "detection", "video", "checkpoint"},
    "analysis": {"action_units", "common", "recognition"},
    "training": {*REMOTE, "common", "detection", "checkpoint", "dataset_builder", "metrics"},
    "train_sft": {"training"},
    "evaluation": {*REMOTE, "common", "detection", "checkpoint", "dataset_builder", "metrics"},
    "hub": {"action_units", "common", "checkpoint", "dataset_builder", "training"},
    "space": {
        "action_units",
        "image_aullava",
        "readout_aullava",
        "detection",
        "video",
        "checkpoint",
        "dataset_builder",
        "recognition",
        "analysis",
    },
    "commands": {
        "action_units",
        "common",
        "detection",
        "video",
        "checkpoint",
        "dataset_builder",
        "recognition",
        "analysis",
        "evaluation",
        "hub",
        "space",
    },
    "cli": {"common", "commands"},
}

# Folders that `evaluate` copies and loads one by one; tests/metrics/test_folders.py says what those may import.
STANDALONE = ("metrics.au_detection.", "metrics.au_intensity.")


def source_of(name: str) -> str:
    return (ROOT / f"{name}.py").read_text()


def siblings(name: str) -> set[str]:
    return {i.module for i in imports_of(source_of(name)) if i.level}


def broken_rule(found: Import) -> str | None:
    """Why the loader, or a user's machine, would refuse this import of a REMOTE file; None if it is fine."""
    if found.level > 1:
        return "leaves the folder"
    if found.level:
        return None if found.module and "." not in found.module else "is not of the form `from .file import name`"
    if found.top == PACKAGE:
        return "needs the package installed"
    if (
        found.top in USERS_HAVE
        or found.top in sys.stdlib_module_names
        or (found.optional and found.top in USERS_MAY_HAVE)
    ):
        return None
    return "is a library that users may lack"


@pytest.mark.parametrize(
    "line, reason",
    [
        ("from .action_units import render", None),
        ("import torch", None),
        ("from transformers.utils import logging", None),
        ("import math", None),
        ("try:\n    import cv2\nexcept ImportError:\n    cv2 = None", None),
        ("from . import action_units", "is not of the form"),
        ("from .folder.file import name", "is not of the form"),
        ("from ..action_units import render", "leaves the folder"),
        ("from aullava.action_units import render", "needs the package installed"),
        ("import aullava.action_units", "needs the package installed"),
        ("import cv2", "is a library that users may lack"),
        ("try:\n    import cv2\nexcept ValueError:\n    cv2 = None", "is a library that users may lack"),
        ("try:\n    pass\nexcept ImportError:\n    import cv2", "is a library that users may lack"),
        ("def late():\n    import cv2", "is a library that users may lack"),
        ("if TYPE_CHECKING:\n    import trl", "is a library that users may lack"),
    ],
)
def test_the_rule_for_remote_imports_accepts_and_refuses(line, reason):
    [found] = imports_of(line)
    assert (broken_rule(found) or "") == "" if reason is None else broken_rule(found).startswith(reason)


@pytest.mark.parametrize("name", REMOTE)
def test_remote_file_imports_only_what_the_loader_can_follow(name):
    for found in imports_of(source_of(name)):
        assert not (reason := broken_rule(found)), f"{name}.py:{found.line}: import of {found.module} {reason}"
    assert siblings(name) <= REMOTE[name]


@pytest.mark.parametrize("name", REMOTE)
def test_the_loader_sees_the_same_imports_as_python(name):
    """To the loader a docstring line that begins like an import is one: it would look for that file."""
    path = ROOT / f"{name}.py"
    assert set(get_relative_imports(path)) == siblings(name)
    required = {i.top for i in imports_of(source_of(name)) if not i.level and not i.optional}
    assert set(get_imports(path)) == required


@pytest.mark.parametrize("name", ENTRIES)
def test_entry_file_imports_every_helper_directly(name):
    """Saving copies an entry file and the siblings it names, and no deeper: a helper of a helper would stay behind."""
    reached, waiting = set(), {name}
    while waiting:
        reached |= waiting
        waiting = set().union(*(siblings(n) for n in waiting)) - reached
    assert siblings(name) == reached - {name}


def test_release_carries_exactly_the_remote_files():
    from aullava.checkpoint.layout import REMOTE_FILES

    assert sorted(REMOTE_FILES) == sorted(f"{name}.py" for name in REMOTE)


def test_every_module_has_its_place_in_the_order():
    assert {name.partition(".")[0] for name in modules()} - set(ARROWS) == set()


@pytest.mark.parametrize("name", modules())
def test_arrows_point_one_way(name):
    top = name.partition(".")[0]
    targets = [(i, i.target(name).split(".")) for i in imports_of(modules()[name].read_text())]
    for found, path in [(i, path) for i, path in targets if path[0] == PACKAGE]:
        for reached in path[1:2] or found.names:  # `from aullava import cli` names the module last
            assert reached in ARROWS[top] | {top}, f"{name}, line {found.line}: {top} may not import {reached}"


@pytest.mark.parametrize("name", [n for n in modules() if n not in REMOTE and not n.startswith(STANDALONE)])
def test_other_modules_name_siblings_absolutely(name):
    """A script run as a file (`accelerate launch train_sft.py`) has no package, so a relative import fails there."""
    assert [i.line for i in imports_of(modules()[name].read_text()) if i.level] == []


def test_the_order_itself_has_no_cycle():
    waiting = dict(ARROWS)
    while waiting:
        ready = [name for name, needs in waiting.items() if not needs & waiting.keys()]
        assert ready, f"cycle among {sorted(waiting)}"
        for name in ready:
            del waiting[name]


def test_nothing_reads_the_tests():
    for name in files():
        if name.endswith(".py") and not name.startswith("tests/"):
            assert not {"tests", "conftest", "checkout"} & {i.top for i in imports_of((ROOT / name).read_text())}, name
