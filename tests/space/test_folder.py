"""The folder of a Space. That it starts where it was copied, tests/hub/test_end_to_end.py shows."""

import zipfile

import pytest

from aullava.space.folder import write_space

from checkout import ROOT


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere") / "space"
    write_space(folder)
    return folder


def test_it_holds_what_a_space_needs(space):
    [wheel] = space.glob("*.whl")
    assert sorted(path.name for path in space.iterdir()) == sorted(
        ["README.md", "app.py", "requirements.txt", wheel.name]
    )
    assert (space / "requirements.txt").read_text() == f"./{wheel.name}[space]\n"
    assert (space / "app.py").read_bytes() == (ROOT / "space" / "app.py").read_bytes()
    names = zipfile.ZipFile(wheel).namelist()
    assert {"aullava/space/style.css", "aullava/space/tab_draw.py"} <= set(names)


def test_on_the_hub_the_wheel_has_an_address(tmp_path, space):
    write_space(tmp_path / "space", "somebody/reads-faces")
    [line] = (tmp_path / "space" / "requirements.txt").read_text().splitlines()
    [wheel] = space.glob("*.whl")
    assert line.startswith("au-llava[space] @ https://")
    assert line.endswith(f"/spaces/somebody/reads-faces/resolve/main/{wheel.name}")


def test_a_full_folder_and_code_without_a_clone_are_refused(tmp_path):
    (tmp_path / "old.txt").touch()
    with pytest.raises(FileExistsError, match="old.txt"):
        write_space(tmp_path)
    with pytest.raises(ValueError, match="--repo nope: expected ORG/NAME"):
        write_space(tmp_path / "new", "nope")
    with pytest.raises(ValueError, match="pyproject.toml"):
        write_space(tmp_path / "new", root=tmp_path)
