"""The actions the renderer can move, which of them exclude each other, and the rules that keep them physical.

Conventions
    name      a FACS code; a sided action ends in L or R, the SUBJECT'S OWN left or right (AU12L is on the image's right side).
    strength  a float in [0, 1]; 0 is absent, 1 the strongest that a face shows.
"""

from collections.abc import Mapping

from aullava.dataset_builder.synthetic.strengths import completed, settle

SIDED_CODES = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU10", "AU12", "AU14", "AU15", "AU20", "AU43")
MIDLINE = (
    "AU9",
    "AU16",
    "AU17",
    "AU18",
    "AU23",
    "AU24",
    "AU25",
    "AU26",
    "AU27",
    "AU28U",
    "AU28L",
    "AD29",
    "AD30L",
    "AD30R",
    "AD34",
)
ACTIONS = tuple(code + side for code in SIDED_CODES for side in "LR") + MIDLINE

# The FACS code -> the actions that make it up. AU28 names its lips (upper, lower), AD30 its directions.
PARTS = {code: (code + "L", code + "R") for code in SIDED_CODES}
PARTS |= {name: (name,) for name in MIDLINE if name not in ("AU28U", "AU28L", "AD30L", "AD30R")}
PARTS |= {"AU28": ("AU28U", "AU28L"), "AD30": ("AD30L", "AD30R")}

# Pairs that one face cannot show at once (FACS scoring rules). AU12 with AU15 is not among them: spontaneous
# smiles are often held down, and P(AU12 | AU15) is 0.69 in BP4D.
CONFLICTS = (
    ("AU26", "AU27"),
    ("AU25", "AU24"),
    ("AU26", "AU24"),
    ("AU27", "AU24"),
    ("AU25", "AD34"),
    ("AU26", "AD34"),
    ("AU27", "AD34"),
    ("AU43L", "AU5L"),
    ("AU43R", "AU5R"),
    ("AU18", "AU28U"),
    ("AU18", "AU28L"),
    ("AD30L", "AD30R"),
)


def complete(actions: Mapping[str, float]) -> dict[str, float]:
    """Fill in the absent actions with 0 and refuse names and strengths that mean nothing.

    Raises:
        ValueError: an unknown action name, or a strength outside [0, 1] or NaN.
    """
    return completed(actions, ACTIONS, "the renderer moves")


def resolve(actions: Mapping[str, float]) -> dict[str, float]:
    """Make the actions physical: the values returned are the values drawn and labelled.

    Of two actions that exclude each other (`CONFLICTS`, in that order) the stronger stays and the other becomes 0; of two
    equally strong ones the first named stays. A stretched mouth (AU27) parts the lips, so AU25 is at least AU27.

    Raises:
        ValueError: as `complete`.
    """
    full = complete(actions)
    settle(full, CONFLICTS)
    return full
