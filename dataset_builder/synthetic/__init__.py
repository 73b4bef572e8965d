"""Faces that are made and not recorded: their truth is what made them."""
