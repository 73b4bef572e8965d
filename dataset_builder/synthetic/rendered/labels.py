"""The labels of a rendered face under any protocol, as strengths.py says, and which actions are one-sided.

FEAFA's jaw drop takes AU26 by the ratio of its way to that of AU27.
"""

from collections.abc import Mapping

from aullava.action_units import level_of
from aullava.dataset_builder.synthetic.rendered.actions import PARTS, SIDED_CODES
from aullava.dataset_builder.synthetic.rendered.movements import MOVEMENTS
from aullava.dataset_builder.synthetic.strengths import Labels

JAW_DROP_OF_AU26 = MOVEMENTS["AU26"].full / MOVEMENTS["AU27"].full

_LABELS = Labels(PARTS, JAW_DROP_OF_AU26, "rendered faces")
strength_of, values_of = _LABELS.strength_of, _LABELS.values_of


def sides_of(actions: Mapping[str, float]) -> str:
    """The one-sided actions of a face as FACS writes them, such as "L12 R14"; "" where there is none.

    One-sided is an action of level 1 or more where the other side shows none of level 1.
    """
    found = []
    for code in SIDED_CODES:
        left, right = (level_of(actions[code + side]) for side in "LR")
        if (left > 0) != (right > 0):
            found.append(f"{'L' if left else 'R'}{code[2:]}")
    return " ".join(found)
