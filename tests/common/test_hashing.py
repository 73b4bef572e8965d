"""The hash of a file is that of its bytes."""

import hashlib

from aullava.common.hashing import file_hash


def test_hash_of_a_file_of_any_size(tmp_path):
    for data in (b"", b"a", bytes(range(256)) * 5000):
        (tmp_path / "file").write_bytes(data)
        assert file_hash(tmp_path / "file") == hashlib.sha256(data).hexdigest()
