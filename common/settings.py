"""Settings: read from KEY=VALUE texts, and compared with those of earlier work before it is resumed."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from aullava.common.files import replace_file

_SHOWN = 5  # settings that an error names


def write_settings(file: Path, settings: Mapping[str, object]) -> None:
    """Write settings as JSON; the file appears whole."""
    replace_file(file, lambda path: path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8"))


def refuse_other_settings(
    file: Path,
    settings: Mapping[str, object],
    work: str,
    remedy: str,
    ignored: Collection[str] = (),
    update: Callable[[dict], dict] = dict,
    error: type[Exception] = ValueError,
) -> None:
    """Raise unless the work beside the file was begun with these settings. A missing setting equals None.

    Args:
        file: written by `write_settings`.
        settings: the current ones, whatever JSON can hold.
        work: what lies in the file's folder, for the message: "checkpoints of a run".
        remedy: what to do about it, for the message: "name another output_dir".
        ignored: names that may differ.
        update: converts settings that an older version wrote.
        error: type of the exception.

    Raises:
        error: there is no such file, it is damaged, or settings differ; the first few are named.
    """
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(before, dict):
            raise ValueError(f"expected an object, found {type(before).__name__}")
    except FileNotFoundError:
        raise error(f"{file.parent} holds {work} but no {file.name} that says with which settings: {remedy}") from None
    except ValueError as problem:
        raise error(f"{file} is damaged ({problem}): {remedy}") from problem
    kept, now = (
        {name: value for name, value in given.items() if name not in ignored}
        for given in (update(before), json.loads(json.dumps(settings)))  # as it would be read back
    )
    if found := list(differences(kept, now)):
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise error(f"{file.parent} holds {work} with other settings ({'; '.join(found[:_SHOWN])}{more}): {remedy}")


def differences(before: Mapping[str, object], now: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """Each setting that differs, in words; a setting inside a mapping by its path, "disfa.camera"."""
    for name in {**now, **before}:
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping) and old and new:
            yield from differences(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name} was {old!r}, is {new!r}"


def key_values(texts: Iterable[str], flag: str, expected: str = "KEY=VALUE") -> dict[str, str]:
    """The texts "KEY=VALUE" as a mapping. A value may contain "=" and may be empty.

    Args:
        flag: where the texts were given, such as "--option", for messages.
        expected: what each should look like, for messages.

    Raises:
        ValueError: a text without "=" or without a key, or a key given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ValueError(f"{flag} {text!r}: expected {expected}")
        if key in found:
            raise ValueError(f"{flag} {key} is given twice: give it once")
        found[key] = value
    return found
