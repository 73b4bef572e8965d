"""Heads in three dimensions, rendered from FACS parameters: an embedded corpus whose truth is exact.

Left and right are the SUBJECT'S OWN throughout: AU12L moves the corner that lies on the image's right side.
"""
