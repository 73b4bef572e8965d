"""Text and values without secrets and without paths of this machine, for what is written beside a result or published.

Conventions
    paths       A path in the working folder is written relative to it; of any other absolute path only the last name is kept.
    secrets     Settings and flags named like secrets are left out; values that look like secrets are masked.
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
_SECRET_VALUE = re.compile(
    r"\b(?:hf|sk|ghp|gho|github_pat|glpat|xox[abp])[_-][A-Za-z0-9_-]{16,}|\bAKIA[A-Z0-9]{16}\b|(?<=://)[^/\s@]+(?=@)"
)
_ABSOLUTE = re.compile(r"(?<![\w.:/~<-])/(?:[^\s/'\",;:=)\]}]+/)*[^\s/'\",;:=)\]}]+/?")


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
    """Text without secrets and absolute paths; see the conventions above."""
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
    """Whether a setting is named like a secret and holds text."""
    return isinstance(value, str) and bool(_SECRET_NAME.search(name)) and not re.match(r"(?:eos|pad|bos|image)_", name)


def portable_value(value: object) -> object:
    """As JSON can hold it, with portable strings; an undefined number is None, as is a secret."""
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
