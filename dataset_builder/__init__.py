"""Corpora on disk, or drawn, become rows of one schema and chat turns."""
