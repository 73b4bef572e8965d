"""Records of a corpus become rows of one schema, cut into splits that share nobody."""
