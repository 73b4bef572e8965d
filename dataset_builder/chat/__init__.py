"""Rows become chat turns."""
