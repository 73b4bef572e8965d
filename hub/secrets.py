"""Text files that give nothing away about the machine they come from: no secret, no absolute path."""

from collections.abc import Iterable
from pathlib import Path

from aullava.common.scrub import find_path, find_secret

_CHECKED = {".md", ".json", ".yaml", ".jinja"}
_VOCABULARY = ("tokenizer.json", "added_tokens.json")  # pieces of arbitrary text


def check_texts(folder: Path, names: Iterable[str]) -> None:
    """Look for secrets and for absolute paths in the text files of a checkpoint.

    Args:
        folder: of the checkpoint.
        names: of the files to be uploaded. Vocabularies and weights are not searched.

    Raises:
        ValueError: one was found, or a file is not UTF-8 text. Paths are shown, secrets are not.
    """
    for name in names:
        if Path(name).suffix not in _CHECKED or name in _VOCABULARY:
            continue
        try:
            text = (folder / name).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{folder / name} is not UTF-8 text ({error}): write it again") from error
        check_text(str(folder / name), text)


def check_text(where: str, text: str) -> None:
    """The same for one text; `where` names it in messages."""
    for number, line in enumerate(text.splitlines(), 1):
        if secret := find_secret(line):
            raise ValueError(
                f"{where}, line {number}: {secret[:4]}... looks like a secret: take it out, and revoke it"
            )
        if place := find_path(line):
            raise ValueError(f"{where}, line {number}: {place} is an absolute path: take it out, or make it relative")
