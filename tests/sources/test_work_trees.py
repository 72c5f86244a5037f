from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from bis.errors import SourceError
from sources.scene import Fetcher, Repository, files_of, make_repository, train

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_run_left_behind_is_gone_in_the_next(served: str, upstream: Repository, get: Fetcher) -> None:
    upstream.write(".gitignore", "*.log\n")
    upstream.commit()
    first = get(served)
    expected = files_of(first)
    (first.root / "train.py").write_text("changed")
    (first.root / "MLproject").unlink()
    (first.root / "sub.d" / "train.py").chmod(0o755)
    (first.root / "out").mkdir()
    (first.root / "out" / "x.log").write_text("x")
    (first.root / "empty").mkdir()
    (first.root / "new.py").write_text("x")
    make_repository(first.root / "nested")
    first.close()
    second = get(served)
    assert second.root == first.root
    assert files_of(second) == expected
    assert not (second.root / "empty").exists()
    assert second.tree == upstream.git("rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize(
    "command",
    [
        "git checkout -q -b mine && git -c user.name=x -c user.email=x commit -q --allow-empty -m x",
        "git config core.fsmonitor 'touch /tmp/never; false'",
        "git update-index --assume-unchanged train.py && echo changed > train.py",
        "rm -rf .git",
        "rm -rf .git && mkdir .git",
        "chmod -R a-w . || true",
        "rm .git/index",
    ],
)
def test_a_run_that_changed_the_repository_it_is_in(command: str, served: str, get: Fetcher) -> None:
    first = get(served)
    expected = files_of(first)
    subprocess.run(["bash", "-c", command], cwd=first.root, check=True, capture_output=True)
    first.close()
    second = get(served)
    assert files_of(second) == expected
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=second.root, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == second.commit


def test_the_code_that_runs_can_ask_git_where_it_is(served: str, get: Fetcher) -> None:
    source = get(f"{served}@v1")
    for question, answer in (
        ("rev-parse HEAD", source.commit),
        ("status --porcelain", ""),
        ("remote get-url origin", served),
        ("log -1 --format=%s", "one"),
    ):
        done = subprocess.run(
            ["git", *question.split()], cwd=source.directory, check=True, capture_output=True, text=True
        )
        assert done.stdout.strip() == answer


def test_a_leased_tree_is_left_alone_until_it_is_given_back(served: str, get: Fetcher) -> None:
    first = get(served)
    (first.root / "train.py").write_text("at work")
    second = get(served)
    assert second.root != first.root
    assert train(first) == "at work"
    assert train(second) == "print(3)"
    first.close()
    second.close()
    with get(served) as third:
        assert third.root == first.root


def test_a_tree_that_was_not_finished_is_made_anew(served: str, get: Fetcher) -> None:
    first = get(served)
    expected = files_of(first)
    first.close()
    first.root.with_name(f"{first.root.name}.json").unlink()
    (first.root / "train.py").unlink()
    assert files_of(get(served)) == expected


def test_a_subdirectory_that_is_missing_gives_the_tree_back(served: str, get: Fetcher) -> None:
    with pytest.raises(SourceError):
        get(f"{served}#nothing")
    assert "-" not in get(served).root.name


def test_the_home_can_be_moved(served: str, get: Fetcher, tmp_path: Path) -> None:
    get(served, "v1").close()
    get.home.root.rename(tmp_path / "moved")
    get.home = type(get.home)(tmp_path / "moved")
    source = get(served, "v1")
    assert source.root.is_relative_to(tmp_path / "moved")
    assert train(source) == "print(1)"


def test_runs_at_once_get_a_tree_each_and_fetch_once(served: str, tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from bis.home import Home
        from bis.sources import fetch
        with fetch(sys.argv[1], "v1", home=Home(Path(sys.argv[2])), notify=print) as source:
            print("tree", source.root.name, (source.root / "train.py").read_text().strip(), flush=True)
            sys.stdin.read()
        """
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, served, str(tmp_path / "home")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    lines: list[str] = []
    for process in processes:
        assert process.stdout
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith("tree"):
                break
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    trees = [line for line in lines if line.startswith("tree")]
    assert len(set(trees)) == 3
    assert all(tree.endswith("print(1)") for tree in trees)
    assert len([line for line in lines if line.startswith("fetching")]) == 1
