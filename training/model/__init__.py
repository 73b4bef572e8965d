"""The model a run starts from: loaded or built from scratch, with what shall learn set to learn."""
