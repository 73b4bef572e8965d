"""Label and file formats that several corpora share, and how places in a corpus are found."""
