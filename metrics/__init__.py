"""Scores of action unit readings. Each folder is an `evaluate` module that runs on its own; intervals are beside them."""
