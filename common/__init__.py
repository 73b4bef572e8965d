"""What every other folder may stand on: hashes of files, versions, settings as text, texts without secrets and places."""
