"""The two promised names of a release: the checkpoint that comes with the package, and the folder of a model repo made of one.

What a checkpoint's folder holds is said in checkpoint/layout.py.
"""

from aullava.checkpoint.layout import assemble, embedded_checkpoint

__all__ = ["assemble", "embedded_checkpoint"]
