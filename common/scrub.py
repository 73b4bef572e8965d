"""Text and values without secrets or paths of this machine, for records that are written beside results or published.

Conventions
    paths       A path in the working folder is written relative to it; of any other absolute path only the last part is kept.
    secrets     Settings and flags named like secrets are left out; values that look like secrets are masked.
    finding     `find_path` knows the usual top folders of machines, for places where a false alarm would stop the user.
                `shorten_paths` takes any absolute path, since shortening one too many does no harm.
"""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

MASK = "MASKED"  # a word without special meaning to a shell
_SECRET_NAME = re.compile(
    r"(?:^|[_-])(?:(?:hub|auth|access|api)[_-]token|token|secret|password|passwd|(?:api|access)[_-]?key)$", re.I
)
_TOKEN = r"\b(?:hf|sk|ghp|gho|github_pat|glpat|xox[abp])[_-][A-Za-z0-9_-]{16,}|\bAKIA[A-Z0-9]{16}\b"
_SECRET = re.compile(rf"{_TOKEN}|-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/\s@:]+:[^/\s@]+@")
_SECRET_VALUE = re.compile(rf"{_TOKEN}|(?<=://)[^/\s@]+(?=@)")
_KNOWN_PATH = re.compile(
    r"(?<![\w.:/~<-])/(?:home|Users|root|mnt|media|data|tmp|var|scratch|work|workspace|opt|srv|content|kaggle|nfs|gpfs|lustre)/"
    r"[^\s\"',;:)\]}]+|\b[A-Z]:\\+[^\s\"']+"
)
_ABSOLUTE = re.compile(r"(?<![\w./~<-])/(?:[^\s/'\",;:=)\]}]+/)*[^\s/'\",;:=)\]}]+/?")


def find_secret(text: str) -> str | None:
    """The first token, private key or password in a link; None without one."""
    return found.group() if (found := _SECRET.search(text)) else None


def find_path(text: str) -> str | None:
    """The first absolute path of a machine; None without one."""
    return found.group() if (found := _KNOWN_PATH.search(text)) else None


def shorten_paths(text: str) -> str:
    """The text with every absolute path without spaces reduced to its last part."""
    return _ABSOLUTE.sub(lambda found: Path(found.group()).name or "/", text)


def portable_command(command: Sequence[str]) -> str:
    """The command line, quoted for a shell, without secrets and paths of this machine."""
    program, *arguments = command
    shown, hide = ["python", portable(program)], False
    for argument in arguments:
        flag, given, _ = argument.partition("=")
        secret = flag.startswith("--") and is_secret(flag.lstrip("-"), "given")
        shown.append(MASK if hide else f"{flag}={MASK}" if secret and given else portable(argument))
        hide = secret and not given
    return shlex.join(shown)


def portable(text: str) -> str:
    """Text without secrets or absolute paths; see the conventions above."""
    text = _SECRET_VALUE.sub(MASK, text)
    flag, equals, value = text.partition("=")
    if Path(text).is_absolute() and "\n" not in text:  # a path may hold spaces
        return _short(text)
    if equals and Path(value).is_absolute() and "\n" not in value:
        return f"{flag}={_short(value)}"
    return _ABSOLUTE.sub(lambda found: _short(found.group()), text)


def _short(path: str) -> str:
    place = Path(path)
    for given, root in ((place, Path.cwd()), (place.resolve(), Path.cwd().resolve())):
        if given.is_relative_to(root):
            return given.relative_to(root).as_posix()
    return place.name or "/"


def is_secret(name: str, value: object) -> bool:
    """Whether a setting has the name of a secret and holds text."""
    return isinstance(value, str) and bool(_SECRET_NAME.search(name)) and not re.match(r"(?:eos|pad|bos|image)_", name)


def portable_value(value: object) -> object:
    """The value as JSON can hold it, with portable strings; undefined numbers and secrets are None."""
    if isinstance(value, str):
        return portable(value)
    if isinstance(value, Mapping):
        return {
            portable(str(key)): None if is_secret(str(key), item) else portable_value(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [portable_value(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return portable_value(value.item()) if hasattr(value, "item") else portable(str(value))
