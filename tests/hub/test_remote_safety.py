"""What a stranger trusts with trust_remote_code: code that only defines, and touches nothing but the picture it is given.

Of the code as it stands a test reads the syntax; of the code as it runs, Python's audit events.
"""

import ast
import socket
import sys
from contextlib import contextmanager

import pytest

from aullava.release import REMOTE_FILES

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
    assert built <= {"re.compile", "range", "tuple", "len", "ActionUnit", "FeafaUnit", "Protocol"}


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
        if self.active and (event == "open" or event.startswith(OUTSIDE)):
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
