"""Published figures on BP4D, DISFA and FEAFA, each with its source and the evidence for it.

published.json holds one block a corpus and view: `units`, `protocol` (how the papers measured), and rows of `name`, `values`
(in the order of `units`), `average` as printed, `source`, `evidence` ("two sources agree", "one source", "seen in a summary only",
"unverified") and `note` where sources disagree. Drawn faces have none: nothing published is comparable.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from aullava.action_units import FEAFA_UNITS

FILE = Path(__file__).with_name("published.json")


@dataclass(frozen=True)
class Block:
    """The published rows of a corpus and view.

    Attributes:
        units: codes, in the order of each row's `values`. percent: whether figures are in percent.
        protocol: how the papers measured. rows: see the top of this file.
    """

    corpus: str
    view: str
    score: str
    percent: bool
    units: tuple[str, ...]
    decimals: int
    protocol: str
    rows: tuple[dict[str, Any], ...]


def published(corpus: str, view: str) -> Block | None:
    """The block of a corpus and view ("present", "level", "value"); None if nothing published is comparable."""
    return next((block for block in _blocks() if (block.corpus, block.view) == (corpus, view)), None)


@cache
def _blocks() -> tuple[Block, ...]:
    found = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        Block(
            **entry
            | {
                "units": tuple(FEAFA_UNITS) if entry["units"] == "feafa" else tuple(entry["units"]),
                "rows": tuple(entry["rows"]),
            }
        )
        for entry in found
    )
