"""The builder used as a class, as any `datasets` builder is."""

import pyarrow.parquet as pq

from aullava.dataset_builder.rows.builder import SPLIT, AUDatasetBuilder
from aullava.dataset_builder.rows.images import ImageOptions

from trees import bp4d


def test_it_prepares_and_gives_every_labelled_frame_with_its_status(tmp_path):
    tree = bp4d.make(tmp_path / "bp4d")
    next((tree / "Sequences_2D+3D" / "F001" / "T1").iterdir()).unlink()
    builder = AUDatasetBuilder("bp4d", tree, protocol="bp4d_intensity", cache_dir=tmp_path / "cache")
    builder.download_and_prepare()
    rows = builder.as_dataset(split=SPLIT)
    assert len(rows) == 24 and sorted(set(rows["status"])) == ["no_picture", "ok"]
    assert [name for name in rows.column_names if name.startswith("AU")] == [
        f"AU{n:02d}_r" for n in (6, 10, 12, 14, 17)
    ]
    assert [row["subject"] for row in builder.as_streaming_dataset(split=SPLIT)] == list(rows["subject"])


def test_its_parquet_files_hold_the_pictures(tmp_path):
    tree = bp4d.make(tmp_path / "bp4d")
    builder = AUDatasetBuilder("bp4d", tree, pictures=ImageOptions(embed=True), cache_dir=tmp_path / "cache")
    builder.download_and_prepare(tmp_path / "out", file_format="parquet")
    [file] = (tmp_path / "out").glob("*.parquet")
    pictures = pq.read_table(file)["image"].to_pylist()
    assert len(pictures) == 24 and all(picture["bytes"] for picture in pictures)
