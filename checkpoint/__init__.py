"""What a checkpoint is beyond its files: its id, the settings that change its readings, and the record of its training."""
