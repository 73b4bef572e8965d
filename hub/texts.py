"""Texts that say nothing about the machine they come from: no secret, no place on a disk."""

import re
from collections.abc import Iterable
from pathlib import Path

_CHECKED = {".md", ".json", ".yaml", ".jinja"}
_VOCABULARY = ("tokenizer.json", "added_tokens.json")  # pieces of any text there is
_SECRET = re.compile(
    r"\b(?:hf|sk|ghp|gho|github_pat|glpat|xox[abp])[_-][A-Za-z0-9_-]{16,}|\bAKIA[A-Z0-9]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/\s@:]+:[^/\s@]+@"
)
_PLACE = re.compile(
    r"(?<![\w.:/~<-])/(?:home|Users|root|mnt|media|data|tmp|var|scratch|work|workspace|opt|srv|content|kaggle|nfs|gpfs|lustre)/"
    r"[^\s\"',;:)\]}]+|\b[A-Z]:\\+[^\s\"']+"
)


def check_texts(folder: Path, names: Iterable[str]) -> None:
    """Look for secrets and for absolute paths in the text files of a checkpoint.

    Args:
        folder: of the checkpoint.
        names: of the files that would go out. Vocabularies and weights are not looked at.

    Raises:
        ValueError: one was found, or a file is no text. A path is shown, a secret is not.
    """
    for name in names:
        if Path(name).suffix not in _CHECKED or name in _VOCABULARY:
            continue
        try:
            text = (folder / name).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{folder / name} is no text in UTF-8 ({error}): write it anew") from error
        check_text(str(folder / name), text)


def check_text(where: str, text: str) -> None:
    """The same for one text; `where` is what it is called in a message."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _SECRET.search(line):
            raise ValueError(
                f"{where}, line {number}: {found.group()[:4]}... looks like a secret: take it out, and revoke it"
            )
        if found := _PLACE.search(line):
            raise ValueError(
                f"{where}, line {number}: {found.group()} is a place on a machine: take it out, or write it relative"
            )
