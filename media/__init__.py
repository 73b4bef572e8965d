"""Frames out of videos, faces out of frames, files written whole: what both recognition and the dataset builder stand on."""
