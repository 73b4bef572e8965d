"""Videos: frames decoded with their true times, and frames encoded."""
