"""FEAFA's 24 values as ARKit's face blendshapes, for animation.

Conventions
    values  0 to 1, as they are read: both schemes go from rest (0) to the strongest movement (1). That 0.5 means the same
            movement in both is an assumption; nothing was fitted.
    sides   the person's own in both: ARKit's left and right are "relative to the face" (developer.apple.com, ARFaceAnchor.
            BlendShapeLocation); for FEAFA it is FACS's convention, not verified on its images.
    names   the 28 of ARKit's 52 with a counterpart. The others (NOT_READ) are left out: not read, which is not 0. The sidecar
            of the table lists them.

Doubtful pairs, since FEAFA tells less than ARKit asks
    browInnerUp, browOuterUp*           FEAFA's brow raise has no inner and outer part: both follow it, and browInnerUp, which
                                        has no side, is the mean of the two.
    mouthUpperUp*, mouthLowerDown*,     FEAFA's upper lip raise, lower lip depress and nose wrinkle have no side: both sides
    noseSneer*                          get the value.
    mouthShrugLower                     FEAFA's chin raise pushes the lower lip up and out, as this shape does.
    mouthStretch*                       FEAFA's lip corner stretch is FACS 20; ARKit says only that the corner moves sideways.
"""

import pandas as pd

from aullava.analysis.series import as_column, as_floats, value_columns

_KEPT = ["input", "frame", "timestamp", "face_id"]

# ARKit name -> the FEAFA units whose mean it is.
ARKIT: dict[str, tuple[str, ...]] = {
    "eyeBlinkLeft": ("feafa_01_left_eye_close",),
    "eyeBlinkRight": ("feafa_02_right_eye_close",),
    "eyeWideLeft": ("feafa_03_left_lid_raise",),
    "eyeWideRight": ("feafa_04_right_lid_raise",),
    "browDownLeft": ("feafa_05_left_brow_lower",),
    "browDownRight": ("feafa_06_right_brow_lower",),
    "browInnerUp": ("feafa_07_left_brow_raise", "feafa_08_right_brow_raise"),
    "browOuterUpLeft": ("feafa_07_left_brow_raise",),
    "browOuterUpRight": ("feafa_08_right_brow_raise",),
    "jawOpen": ("feafa_09_jaw_drop",),
    "jawLeft": ("feafa_10_jaw_slide_left",),
    "jawRight": ("feafa_11_jaw_slide_right",),
    "jawForward": ("feafa_18_jaw_thrust",),
    "mouthSmileLeft": ("feafa_12_left_lip_corner_pull",),
    "mouthSmileRight": ("feafa_13_right_lip_corner_pull",),
    "mouthStretchLeft": ("feafa_14_left_lip_corner_stretch",),
    "mouthStretchRight": ("feafa_15_right_lip_corner_stretch",),
    "mouthRollUpper": ("feafa_16_upper_lip_suck",),
    "mouthRollLower": ("feafa_17_lower_lip_suck",),
    "mouthUpperUpLeft": ("feafa_19_upper_lip_raise",),
    "mouthUpperUpRight": ("feafa_19_upper_lip_raise",),
    "mouthLowerDownLeft": ("feafa_20_lower_lip_depress",),
    "mouthLowerDownRight": ("feafa_20_lower_lip_depress",),
    "mouthShrugLower": ("feafa_21_chin_raise",),
    "mouthPucker": ("feafa_22_lip_pucker",),
    "cheekPuff": ("feafa_23_cheek_puff",),
    "noseSneerLeft": ("feafa_24_nose_wrinkle",),
    "noseSneerRight": ("feafa_24_nose_wrinkle",),
}


# The others of ARKit's 52: nothing that FEAFA codes tells them.
NOT_READ = (
    *(f"eyeLook{way}{side}" for side in ("Left", "Right") for way in ("Down", "In", "Out", "Up")),
    *(
        f"{name}{side}"
        for side in ("Left", "Right")
        for name in ("eyeSquint", "cheekSquint", "mouthFrown", "mouthDimple")
    ),
    *("mouthPressLeft", "mouthPressRight", "mouthClose", "mouthFunnel", "mouthLeft", "mouthRight", "mouthShrugUpper"),
    "tongueOut",
)


def to_blendshapes(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a face as blendshapes.

    Args:
        table: rows with FEAFA's values, of one or more inputs. With some of its units only, the names made of them.

    Returns:
        Columns input, frame, timestamp, face_id and one a name, 0 to 1; empty where a value is missing.

    Raises:
        ValueError: no FEAFA unit among the columns.
    """
    faces = table[table["face_id"] >= 0]
    columns = {
        column.code: column.name for column in reversed(value_columns(table, "v"))
    }  # the first one of a unit wins
    shapes = {}
    for name, codes in ARKIT.items():
        if all(code in columns for code in codes):
            mean_N = sum(as_floats(faces, columns[code]) for code in codes) / len(codes)
            shapes[name] = as_column(mean_N.clip(0, 1), "v")
    if not shapes:
        raise ValueError("blendshapes are made of FEAFA's values, and the table has none: read protocol feafa, too")
    return faces[_KEPT].assign(**shapes).reset_index(drop=True)
