"""What every other folder may use: atomic writes, hashes, settings, versions, uploads, and text without secrets or paths."""
