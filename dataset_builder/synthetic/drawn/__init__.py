"""Faces drawn from FACS parameters: the embedded data of this project.

Left and right are the SUBJECT'S OWN throughout: AU12L moves the corner that lies on the image's right side.

    face = sample_face("test", 17)                              # a held-out identity with its truth
    face = draw_face(identity, {"AU12L": 0.7}, Scene.neutral())  # a chosen expression
    face.image_HWC, face.actions, face.values(protocol), face.region_masks(), face.subject, face.groups
"""

from aullava.dataset_builder.synthetic.drawn.actions import ACTIONS, resolve
from aullava.dataset_builder.synthetic.drawn.person import Identity
from aullava.dataset_builder.synthetic.drawn.renderer import DrawnFace, draw_face
from aullava.dataset_builder.synthetic.drawn.samples import sample_face
from aullava.dataset_builder.synthetic.drawn.scene import Scene

__all__ = ["ACTIONS", "DrawnFace", "Identity", "Scene", "draw_face", "resolve", "sample_face"]
