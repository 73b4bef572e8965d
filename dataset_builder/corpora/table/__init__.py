"""Tables of one's own, and those that OpenFace writes."""
