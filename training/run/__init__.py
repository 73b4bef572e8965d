"""The run: trainer, losses, validation, checkpoints, and what it leaves behind."""
