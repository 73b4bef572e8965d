"""The labels of a drawn face under any protocol, as strengths.py says."""

from aullava.dataset_builder.synthetic.drawn.actions import PARTS
from aullava.dataset_builder.synthetic.strengths import Labels

JAW_DROP_OF_AU26 = 0.5  # a relaxed jaw (AU26) at its strongest is half as low as a stretched one (AU27)

_LABELS = Labels(PARTS, JAW_DROP_OF_AU26, "drawn faces")
strength_of, values_of = _LABELS.strength_of, _LABELS.values_of
