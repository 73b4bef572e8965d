"""The labels of a rendered face under any protocol, as strengths.py says, and which actions are one-sided.

Conventions
    AU25        the opening between the lips: strength 1 is an area of 0.12 of the squared width of the mouth at rest, so a jaw that
                hangs low or a lip that is raised shows AU25 by what it opens, and lips that are pushed together take it away.
                Level 1 begins at 0.012, a mean gap of 0.6 mm over a mouth of 50 mm, level 2 at 0.036.
    AU43        the share of the lids' opening that it closes; an eye that squinting shuts (85% covered and more) shows it, too.
    FEAFA       jaw drop takes AU26 by the ratio of its way to that of AU27.
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
