"""What a stranger trusts with trust_remote_code: code that only defines, and touches nothing but the picture it is given.

Of the code as it stands a test reads the syntax; of the code as it runs, Python's audit events.
"""

import ast
import atexit
import builtins
import importlib.util
import locale
import logging
import os
import random
import shutil
import signal
import socket
import sys
import threading
import types
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile
from transformers import CONFIG_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, MODEL_MAPPING, PROCESSOR_MAPPING
from transformers.conversion_mapping import get_checkpoint_conversion_mapping
from transformers.pipelines import PIPELINE_REGISTRY

from aullava.checkpoint.layout import REMOTE_FILES

from checkout import ROOT, imports_of
from tiny import FACES, tiny_model

DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
# What happens at import beside definitions: file -> calls. The mapping is transformers' own table of key names, in memory.
SIDE_EFFECTS = {"modeling_aullava.py": ["register_checkpoint_conversion_mapping"]}
REACHING_OUT = {  # the network, other programs, other code, memory
    *(
        "socket",
        "ssl",
        "http",
        "urllib",
        "requests",
        "httpx",
        "httpx2",
        "ftplib",
        "asyncio",
        "subprocess",
        "multiprocessing",
    ),
    *("pickle", "marshal", "shelve", "importlib", "runpy", "ctypes", "tempfile", "shutil", "pathlib", "glob"),
}
BUILTINS = {"open", "eval", "exec", "compile", "__import__", "input", "breakpoint"}
OUTSIDE = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.putenv",
    "ctypes.",
    "pickle.",
)


@pytest.mark.parametrize("name", REMOTE_FILES)
def test_loading_runs_definitions_and_the_listed_calls(name):
    (docstring, *body) = ast.parse((ROOT / name).read_text()).body
    assert isinstance(docstring.value, ast.Constant)
    others = [statement for statement in body if not isinstance(statement, DEFINITIONS)]
    assert [ast.unparse(getattr(s.value, "func", s)) for s in others] == SIDE_EFFECTS.get(name, [])
    built = {
        ast.unparse(call.func)
        for statement in body
        if isinstance(statement, (ast.Assign, ast.AnnAssign))
        for call in ast.walk(statement)
        if isinstance(call, ast.Call)
    }
    assert built <= {
        "re.compile",
        "range",
        "tuple",
        "len",
        "ActionUnit",
        "FeafaUnit",
        "Scale",
        "Protocol",
        "inspect.signature",
    }


@pytest.mark.parametrize("name", REMOTE_FILES)
def test_the_code_has_no_means_to_reach_out(name):
    text = (ROOT / name).read_text()
    assert not {found.top for found in imports_of(text)} & REACHING_OUT
    called = [call.func for call in ast.walk(ast.parse(text)) if isinstance(call, ast.Call)]
    assert not {function.id for function in called if isinstance(function, ast.Name)} & BUILTINS
    asked = {ast.unparse(function) for function in called if ast.unparse(function).startswith("os.")}
    assert asked <= {"os.fspath", "os.path.isfile", "os.path.exists", "os.path.getsize"}


class Events:
    """Audit events while `watching`. A hook cannot be taken out again, so there is one, and it is mostly idle."""

    def __init__(self):
        self.seen, self.active = [], False
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple) -> None:
        if not self.active:
            return
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            event = "write"
        if event in ("open", "write") or event.startswith(OUTSIDE):
            self.seen.append((event, str(arguments[0]) if arguments else ""))

    @contextmanager
    def watching(self):
        self.seen.clear()
        self.active = True
        try:
            yield self.seen
        finally:
            self.active = False


@pytest.fixture(scope="module")
def events():
    events = Events()
    with events.watching() as seen, open(__file__), socket.socket():
        assert {event for event, _ in seen} >= {"open", "socket.__new__"}
    return events


@pytest.fixture(scope="module")
def loaded():
    model, processor = tiny_model()
    model.recognize(FACES[0], processor=processor)  # what libraries import late is imported
    return model, processor


def process() -> dict[str, object]:
    """What code can change for everybody in a process, under the name of what it is."""
    table = get_checkpoint_conversion_mapping.__globals__["_checkpoint_conversion_mapping_cache"]
    autos = (CONFIG_MAPPING, MODEL_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, PROCESSOR_MAPPING)
    loggers = [logging.getLogger(name) for name in (None, "transformers", "huggingface_hub", "torch", "PIL")]
    return {
        "environment": dict(os.environ),
        "working folder": os.getcwd(),
        "search path": [*sys.path, *map(str, sys.meta_path), *map(str, sys.path_hooks)],
        "builtins": dict(vars(builtins)) | {"_": None},
        "streams": [sys.stdin, sys.stdout, sys.stderr, sys.excepthook, threading.excepthook],
        "warnings": [*warnings.filters],
        "logging": [(logger.level, logger.disabled, [*logger.handlers]) for logger in loggers],
        "threads": {thread.name for thread in threading.enumerate()},
        "at exit": atexit._ncallbacks(),
        "signals": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "locale": locale.setlocale(locale.LC_ALL),
        "random": [random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()],
        "numpy": np.geterr(),
        "torch": [
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
        ]
        + [torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision()]
        + [torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32],
        "Pillow": [Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, *Image.ID],
        "auto classes": [sorted(map(str, mapping._extra_content)) for mapping in autos],
        "pipelines": sorted(PIPELINE_REGISTRY.get_supported_tasks()),
        "renamed keys": sorted(table),  # SIDE_EFFECTS: the class of this name is in it by the package already
    }


@pytest.fixture
def imported(events, loaded, tmp_path, monkeypatch):
    """Imports a copy of the code, some of it added to, as a package of another name: gives what that changed and touched."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)

    def import_copy(added: str = "") -> tuple[list[str], list[tuple[str, str]]]:
        package = types.ModuleType("stranger")
        package.__path__ = [str(tmp_path / "code")]
        (tmp_path / "code").mkdir()
        for name in REMOTE_FILES:
            shutil.copyfile(ROOT / name, tmp_path / "code" / name)
        with open(tmp_path / "code" / REMOTE_FILES[0], "a") as file:
            file.write(added)
        monkeypatch.setitem(sys.modules, "stranger", package)
        before, modules = process(), set(sys.modules)
        with events.watching() as seen:
            for name in REMOTE_FILES:
                importlib.import_module(f"stranger.{Path(name).stem}")
        found, after = [*seen], process()
        news = sorted(set(sys.modules) - modules)
        ours = [name for name in news if name.startswith("stranger.")]
        for name in ours:
            del sys.modules[name]
        changed = [name for name in before if before[name] != after[name]]
        return changed + sorted(set(news) - set(ours)), found

    return import_copy


def test_importing_the_code_changes_nothing_and_opens_only_itself(imported, tmp_path):
    changed, seen = imported()
    assert changed == []
    code = {str(tmp_path / "code" / name) for name in REMOTE_FILES}
    assert {event for event, _ in seen} == {"open"}
    assert code <= {place for _, place in seen} <= code | {importlib.util.cache_from_source(name) for name in code}


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        ("import os\nos.environ['AULLAVA_HARM'] = '1'", "environment"),
        ("import warnings\nwarnings.simplefilter('ignore')", "warnings"),
        ("import torch\ntorch.set_grad_enabled(False)", "torch"),
        (
            "import threading\nthreading.Thread(target=threading.Event().wait, args=(60,), daemon=True).start()",
            "threads",
        ),
        ("open('left', 'w').close()", "left"),
    ],
)
def test_what_an_import_changes_would_be_seen(harm, what, imported, monkeypatch):
    monkeypatch.setenv("AULLAVA_HARM", "0")
    with warnings.catch_warnings(), torch.enable_grad():
        changed, seen = imported(f"\n{harm}\n")
    assert what in changed or what in {place for _, place in seen}


@pytest.mark.parametrize("mode", ["joint", "parallel", "generate"])
def test_reading_an_array_opens_nothing(mode, events, loaded):
    model, processor = loaded
    with events.watching() as seen:
        model.recognize(FACES[1], processor=processor, protocol="disfa", mode=mode)
    assert [event for event in seen if event[0] != "open" or not event[1].endswith((".py", ".pyc", ".so"))] == []


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:9/face.png", "https://host/face.png", "data:image/png;base64,AAAA"]
)
def test_a_picture_that_is_an_address_is_not_fetched(place, events, loaded):
    model, processor = loaded
    with events.watching() as seen, pytest.raises((ValueError, OSError, TypeError)):
        model.recognize(place, processor=processor)
    assert not [event for event, _ in seen if event.startswith("socket.")]


@pytest.mark.parametrize("text", ["secrets.txt", "../secrets.txt", "file://secrets.txt", "<image>", "{{ config }}"])
def test_words_of_a_protocol_open_no_file(text, events, loaded, tmp_path, monkeypatch):
    (tmp_path / "secrets.txt").write_text("AU1")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    model, processor = loaded
    with events.watching() as seen, pytest.raises((ValueError, KeyError)):
        model.recognize(FACES[0], processor=processor, protocol=text)
    assert not [place for event, place in seen if "secrets" in place]


def test_a_file_that_is_no_picture_is_refused_without_its_words(loaded, tmp_path):
    model, processor = loaded
    (tmp_path / "secrets.png").write_text("the words")
    with pytest.raises((ValueError, OSError)) as refused:
        model.recognize(tmp_path / "secrets.png", processor=processor)
    assert "the words" not in str(refused.value)
