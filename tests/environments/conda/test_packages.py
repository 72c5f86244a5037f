"""The text of conda's packages in a lock: written and read back, and nothing read that the digest does not hold."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bis.environments.conda.packages import Package, from_text, to_text
from bis.environments.locks import Lock

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=12)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
NEEDS = st.lists(NAMES, max_size=4, unique=True).map(tuple)
PACKAGES = st.builds(
    lambda name, version, build, sha256, depends, host: Package(
        name,
        version,
        build,
        "linux-64",
        f"https://{host}/linux-64/{name}-{version}-{build}.conda",
        sha256=sha256,
        md5="",
        depends=tuple(sorted(f"{each} >=1,<2" for each in depends)),
    ),
    NAMES,
    NAMES,
    NAMES,
    HEX,
    NEEDS,
    NAMES,
)
ONE = Package(
    "tool", "1.0", "0", "linux-64", "https://a.example/c/linux-64/tool-1.0-0.conda", "a" * 64, "b" * 32
)


def text_of(*packages: Package) -> str:
    return to_text(packages, channels=["conda-forge"], platform="linux-64", source="conda.yaml")


@settings(deadline=None)
@given(st.lists(PACKAGES, max_size=5, unique_by=lambda each: each.name))
def test_what_is_written_is_read_back_by_us_and_as_yaml(packages: list[Package]) -> None:
    text = text_of(*packages)
    read = from_text(text)
    assert sorted(read.packages, key=lambda each: each.name) == sorted(packages, key=lambda each: each.name)
    document = yaml.safe_load(text)
    assert {each["name"] for each in document["package"]} == {each.name for each in packages}
    assert document["metadata"]["channels"] == [{"url": "conda-forge", "used_env_vars": []}]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version: 2\npackage: []\n",
        text_of(ONE).replace('name: "tool"', "name: tool"),
        text_of(ONE).replace("- name", "-  name"),
        text_of(ONE).replace("  url", "  url "),
        text_of(ONE) + "- {name: more, version: '1'}\n",
        text_of(ONE).replace("/linux-64/tool", "\\/linux-64\\/tool"),
        text_of(ONE)[:-20],
    ],
)
def test_what_the_digest_would_not_hold_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="not a lock of conda packages"):
        from_text(text)


def test_a_lock_knows_packages_and_files_without_reading_yaml() -> None:
    lock = Lock("conda", "", None, "linux-x86_64-glibc2.36", conda=text_of(ONE))
    assert lock.packages == {"tool": "1.0 0"}
    assert lock.deciding_conda == [f"linux-64/tool-1.0-0.conda#{'a' * 64}"]
