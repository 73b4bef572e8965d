"""How well a checkpoint reads a corpus: scores, comparisons, and what their figures rest on."""
