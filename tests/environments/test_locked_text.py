from __future__ import annotations

import pytest

from bis.environments.locked_text import from_pylock, name_of, take_apart

TEXT = """\
# a comment
--index-url https://user:secret@h/simple
six==1.16.0 ; python_version < "4" \\
    --hash=sha256:aa \\
    --hash=sha256:bb
x @ https://user:secret@h/x-1.whl \\
    --hash=sha256:cc
lp @ git+https://token@h/lp@0123456789012345678901234567890123456789
./pkg
-e .
/abs/path
pkg @ file:///abs/pkg
"""


def test_hashed_unhashed_and_local_requirements_are_told_apart_without_credentials() -> None:
    found = take_apart(TEXT)
    assert found.hashed == (
        'six==1.16.0 ; python_version < "4" \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n'
        "x @ https://h/x-1.whl \\\n    --hash=sha256:cc\n"
    )
    assert found.unhashed == "lp @ git+https://h/lp@0123456789012345678901234567890123456789\n"
    assert found.local == ("./pkg", "-e .", "/abs/path", "pkg @ file:///abs/pkg")


@pytest.mark.parametrize(
    ("line", "name"),
    [("Ruamel.yaml>=0.17", "ruamel-yaml"), ("a_b[c]==1", "a-b"), ("git+https://h/x", "git"), ("./x", "")],
)
def test_the_name_of_a_requirement_is_normalized(line: str, name: str) -> None:
    assert name_of(line) == name


def test_a_pylock_becomes_requirements() -> None:
    document = {
        "packages": [
            {
                "name": "six",
                "version": "1.16.0",
                "marker": "python_version >= '3'",
                "sdist": {"hashes": {"sha256": "aa"}},
                "wheels": [{"hashes": {"sha256": "bb"}}],
            },
            {"name": "tool", "version": "1", "marker": "'dev' in dependency_groups", "wheels": []},
            {"name": "x", "archive": {"url": "https://h/x.whl", "hashes": {"sha256": "cc"}}},
            {"name": "v", "vcs": {"type": "git", "url": "https://h/v", "commit-id": "abc"}},
            {"name": "me", "directory": {"path": ".", "editable": True}},
            {"name": "near", "directory": {"path": "near", "editable": True}},
        ]
    }
    assert from_pylock(document) == (
        "six==1.16.0 ; python_version >= '3' \\\n    --hash=sha256:bb \\\n    --hash=sha256:aa\n"
        "x @ https://h/x.whl \\\n    --hash=sha256:cc\n"
        "v @ git+https://h/v@abc\n"
        "-e ./near\n"
    )
