"""The actions a rendered head can show, which of them exclude each other, and the rules that keep them physical.

Conventions
    name      a FACS code; a sided action ends in L or R, the SUBJECT'S OWN left or right (AU12L is on the image's right side).
    strength  a float in [0, 1]: the share of `movements.MOVEMENTS[name].full`, a displacement in interocular distances.
    AU28      names its lips, U and L (upper, lower); AD30 its directions.
    AU61-64   gaze: the eyes turn to the subject's left, right, up, down.
"""

from collections.abc import Mapping

from aullava.dataset_builder.synthetic.strengths import completed, settle

SIDED_CODES = (
    *("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU11", "AU12", "AU13", "AU14", "AU15", "AU16", "AU20"),
    *("AU43", "AD34"),
)
GAZE_CODES = ("AU61", "AU62", "AU63", "AU64")  # drawn with the pose, in `samples`
MIDLINE = (
    *("AU17", "AU18", "AU22", "AU23", "AU24", "AU25", "AU26", "AU27", "AU28U", "AU28L", "AD29", "AD30L", "AD30R"),
    *GAZE_CODES,
)
ACTIONS = tuple(code + side for code in SIDED_CODES for side in "LR") + MIDLINE

# The FACS code -> the actions that make it up.
PARTS = {code: (code + "L", code + "R") for code in SIDED_CODES}
PARTS |= {name: (name,) for name in MIDLINE if name not in ("AU28U", "AU28L", "AD30L", "AD30R")}
PARTS |= {"AU28": ("AU28U", "AU28L"), "AD30": ("AD30L", "AD30R")}

_CLOSED_ONLY = ("AU24", "AD34L", "AD34R")  # nothing of these with parted lips
# Pairs that one face cannot show at once (FACS scoring rules); of a pair the weaker goes.
CONFLICTS = (
    ("AU26", "AU27"),
    *((parted, closed) for parted in ("AU25", "AU27") for closed in _CLOSED_ONLY),
    ("AU26", "AU24"),
    *((f"AU43{side}", f"AU5{side}") for side in "LR"),
    *((f"AU12{side}", f"AU13{side}") for side in "LR"),
    *((lip, rolled) for lip in ("AU18", "AU22") for rolled in ("AU28U", "AU28L", "AU24")),
    *((f"AU16{side}", "AU28L") for side in "LR"),
    *((f"AU10{side}", "AU28U") for side in "LR"),
    *((f"AU20{side}", "AU18") for side in "LR"),
    ("AU18", "AU22"),
    ("AU23", "AU28U"),
    ("AU23", "AU28L"),
    ("AU27", "AU28U"),
    ("AU27", "AU28L"),
    ("AU27", "AU17"),
    ("AU27", "AU23"),
    ("AD30L", "AD30R"),
    ("AU61", "AU62"),
    ("AU63", "AU64"),
)

# Strong pulls on a lip, and a jaw that hangs low, part the lips: from this strength on, AU25 pulls at least as much as said. What
# opens of it is measured, see `expression.Face.shown`.
_PARTING = (("AU10", 0.5, 0.3), ("AU16", 0.4, 0.4), ("AU22", 0.5, 0.3), ("AU26", 0.5, 0.4))


def complete(actions: Mapping[str, float]) -> dict[str, float]:
    """Fill in the absent actions with 0 and refuse names and strengths that mean nothing.

    Raises:
        ValueError: an unknown action name, or a strength outside [0, 1] or NaN.
    """
    return completed(actions, ACTIONS, "a rendered head moves")


def resolve(actions: Mapping[str, float]) -> dict[str, float]:
    """Make the actions physical: the values returned are what the muscles do. Labels are these, but for what lips and lids show.

    Of two actions that exclude each other (`CONFLICTS`, in that order) the stronger stays and the other becomes 0; of two
    equally strong ones the first named stays. Then AU25 is at least AU27, and at least what strong pulls on a lip entail,
    unless the lips are pressed, puffed or rolled shut. Eyes that are nearly closed show no gaze.

    Raises:
        ValueError: as `complete`.
    """
    full = complete(actions)
    settle(full, CONFLICTS)
    if not any(full[name] for name in (*_CLOSED_ONLY, "AU28U", "AU28L")):
        for code, beginning, entailed in _PARTING:
            pull = max(full[part] for part in PARTS[code])
            if pull >= beginning:
                full["AU25"] = max(full["AU25"], round(entailed * pull, 3))
    if min(full["AU43L"], full["AU43R"]) > 0.7:
        full |= dict.fromkeys(GAZE_CODES, 0.0)
    return full


def mirrored(actions: Mapping[str, float]) -> dict[str, float]:
    """The actions of the face in a mirror: left and right change places."""
    return {_OTHER_SIDE.get(name, name): strength for name, strength in actions.items()}


_OTHER_SIDE = {code + side: code + "RL"["LR".index(side)] for code in (*SIDED_CODES, "AD30") for side in "LR"}
_OTHER_SIDE |= {"AU61": "AU62", "AU62": "AU61"}
