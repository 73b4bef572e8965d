"""What corpora have in common on disk: folders, label files, code strings, workbooks."""
