"""Versions are those that Python finds; what is not installed is left out."""

from importlib.metadata import version

from aullava.common.versions import LIBRARIES, code_version, library_versions, package_version


def test_installed_libraries_have_their_version_and_others_none():
    assert library_versions(("numpy", "no-such-library")) == {"numpy": version("numpy")}
    assert set(library_versions()) <= set(LIBRARIES) and {"torch", "transformers"} <= set(library_versions())


def test_version_of_the_package():
    assert package_version() == version("au-llava") == code_version()["version"]
