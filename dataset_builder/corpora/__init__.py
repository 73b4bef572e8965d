"""Readers of corpora on disk, one a module, and the faces this project draws itself."""
