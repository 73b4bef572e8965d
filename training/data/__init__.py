"""Corpora and drawn faces become training rows, and rows become batches."""
