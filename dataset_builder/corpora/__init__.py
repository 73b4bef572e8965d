"""The corpora. Every module here is one corpus, named as users name it, but for reader.py and registry.py."""
