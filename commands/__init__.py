"""Verbs of the command line, a file each: flags, request, run."""
