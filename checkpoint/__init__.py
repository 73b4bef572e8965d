"""What a checkpoint is beyond its files: its id and the settings that change its readings."""
