from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bis.errors import SourceError, UsageError
from bis.home import Home
from bis.sources import LargeFile, fetch, restore
from bis.sources.exclusions import sift
from sources.scene import Fetcher, Repository, contents, make_repository, states

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "work" / "pro ject")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    directory = tmp_path / "plain"
    directory.mkdir()
    (directory / "train.py").write_text("print(1)\n")
    return directory


def paths_in(home: Home, tree: str) -> list[str]:
    store = home.snapshots / "store.git"
    done = subprocess.run(
        ["git", "--git-dir", str(store), "ls-tree", "-r", "-z", "--name-only", tree],
        check=True,
        capture_output=True,
    )
    return sorted(os.fsdecode(path) for path in done.stdout.split(b"\0") if path)


def tree_of(get: Fetcher, uri: str | Path) -> str:
    tree = get(uri).tree
    assert tree is not None
    return tree


def test_the_tree_of_a_clean_repository_is_that_of_its_commit(project: Repository, get: Fetcher) -> None:
    source = get(project.path)
    assert source.tree == project.git("rev-parse", "HEAD^{tree}")
    assert not source.dirty


def test_a_changed_a_new_and_a_deleted_file_enter_the_snapshot(
    project: Repository, get: Fetcher, tmp_path: Path
) -> None:
    project.write("train.py", "print('changed')\n")
    project.write("new/file.txt", "new")
    (project.path / "MLproject").unlink()
    source = get(project.path)
    assert source.dirty
    assert source.tree is not None
    restore(source.tree, tmp_path / "again", get.home)
    assert contents(tmp_path / "again") == {
        "train.py": ("file", b"print('changed')\n"),
        "sub.d/train.py": ("file", b"print('sub')\n"),
        "new/file.txt": ("file", b"new"),
    }


def test_the_tree_of_a_subdirectory_is_that_of_the_whole_repository(
    project: Repository, get: Fetcher
) -> None:
    source = get(project.path / "sub.d")
    assert source.tree == project.git("rev-parse", "HEAD^{tree}")
    assert (source.root, source.subdirectory) == (project.path, "sub.d")


def test_the_users_repository_stays_byte_for_byte_what_it_is(project: Repository, get: Fetcher) -> None:
    project.write("train.py", "print('changed')\n")
    project.write("staged.txt", "x")
    project.git("add", "staged.txt")
    project.write("new.txt", "x")
    before = states(project.path)
    get(project.path)
    get(project.path, "v1")
    get(project.path / "sub.d", "main~1")
    assert states(project.path) == before


def test_staged_and_unstaged_content_of_one_file_gives_what_is_on_the_disk(
    project: Repository, get: Fetcher, tmp_path: Path
) -> None:
    project.write("train.py", "staged")
    project.git("add", "train.py")
    project.write("train.py", "on the disk")
    restore(tree_of(get, project.path), tmp_path / "again", get.home)
    assert (tmp_path / "again" / "train.py").read_text() == "on the disk"


def test_a_file_in_conflict_is_taken_as_it_is(project: Repository, get: Fetcher, tmp_path: Path) -> None:
    project.git("checkout", "--quiet", "-b", "other", "v1")
    project.write("train.py", "print('other')\n")
    project.commit()
    with pytest.raises(subprocess.CalledProcessError):
        project.git("merge", "main")
    source = get(project.path)
    assert source.dirty
    assert source.tree is not None
    restore(source.tree, tmp_path / "again", get.home)
    assert b"<<<<<<<" in (tmp_path / "again" / "train.py").read_bytes()


def test_ignored_files_stay_out_unless_they_are_tracked(project: Repository, get: Fetcher) -> None:
    project.write("kept.log", "tracked")
    project.git("add", "--force", "kept.log")
    project.write(".gitignore", "*.log\n/out/\n")
    project.write("dropped.log", "x")
    project.write("out/x", "x")
    paths = paths_in(get.home, tree_of(get, project.path))
    assert "kept.log" in paths
    assert not {"dropped.log", "out/x"} & set(paths)


def test_the_users_own_exclude_file_is_honoured(project: Repository, get: Fetcher) -> None:
    (project.path / ".git" / "info").mkdir(exist_ok=True)
    (project.path / ".git" / "info" / "exclude").write_text("private/\n")
    project.write("private/x", "x")
    assert not get(project.path).dirty


def test_a_repository_without_a_commit_has_a_snapshot(tmp_path: Path, get: Fetcher) -> None:
    empty = Repository(tmp_path / "empty")
    empty.path.mkdir()
    empty.git("init", "--quiet")
    source = get(empty.path)
    assert (source.commit, source.branch, source.dirty) == (None, "main", False)
    assert source.tree == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    empty.write("train.py", "x")
    source = get(empty.path)
    assert source.dirty
    assert paths_in(get.home, source.tree or "") == ["train.py"]


def test_a_directory_without_git_has_a_snapshot(plain: Path, get: Fetcher, tmp_path: Path) -> None:
    source = get(plain)
    assert (source.commit, source.dirty, source.repo_url) == (None, False, None)
    assert source.name == str(plain)
    assert source.tree is not None
    restore(source.tree, tmp_path / "again", get.home)
    assert contents(tmp_path / "again") == contents(plain)
    assert list(plain.iterdir()) == [plain / "train.py"]


def test_a_directory_that_its_repository_ignores_is_no_part_of_it(project: Repository, get: Fetcher) -> None:
    project.write(".gitignore", "scratch/\n")
    project.write("scratch/train.py", "x")
    source = get(project.path / "scratch")
    assert source.commit is None
    assert source.root == project.path / "scratch"
    assert paths_in(get.home, source.tree or "") == ["train.py"]


@pytest.mark.parametrize(
    "name", ["with space", "new\nline", 'quo"te', "back\\slash", "日本.py", "-dash", "#hash", "tab\t", "a:b"]
)
def test_any_file_name_goes_there_and_back(name: str, plain: Path, get: Fetcher, tmp_path: Path) -> None:
    (plain / name).write_text("x")
    restore(tree_of(get, plain), tmp_path / "again", get.home)
    assert contents(tmp_path / "again") == contents(plain)


def test_a_file_name_that_is_not_text_goes_there_and_back(plain: Path, get: Fetcher, tmp_path: Path) -> None:
    try:
        (plain / os.fsdecode(b"\xff\xfe")).write_text("x")
    except OSError:
        pytest.skip("this file system takes only names that are text")
    restore(tree_of(get, plain), tmp_path / "again", get.home)
    assert contents(tmp_path / "again") == contents(plain)


@pytest.mark.parametrize("name", ["pro ject", "new\nline", "quo'te\"", "日本", "-dash", "a:b", "$(touch x)"])
def test_a_project_path_of_any_name_works(name: str, tmp_path: Path, get: Fetcher) -> None:
    repository = make_repository(tmp_path / name)
    source = get(repository.path)
    assert source.tree == repository.git("rev-parse", "HEAD^{tree}")
    assert get(repository.path, "v1").commit == repository.git("rev-parse", "v1^{commit}")
    assert get(repository.path / "sub.d").subdirectory == "sub.d"


def test_modes_and_links_are_kept(plain: Path, get: Fetcher, tmp_path: Path) -> None:
    (plain / "run.sh").write_text("x")
    (plain / "run.sh").chmod(0o755)
    (plain / "link").symlink_to("train.py")
    (plain / "dangling").symlink_to("nowhere")
    (plain / "data").mkdir()
    (plain / "data" / "x").write_text("x")
    (plain / "link to data").symlink_to("data")
    restore(tree_of(get, plain), tmp_path / "again", get.home)
    assert contents(tmp_path / "again") == contents(plain)


def test_raw_bytes_are_stored_whatever_attributes_and_settings_say(
    project: Repository, get: Fetcher, tmp_path: Path
) -> None:
    project.write(
        ".gitattributes",
        "* text=auto eol=crlf\n*.id ident\n*.u16 working-tree-encoding=UTF-16\n*.f filter=shout\n",
    )
    project.git("config", "core.autocrlf", "true")
    project.git("config", "filter.shout.clean", "tr a-z A-Z")
    project.git("config", "filter.shout.required", "true")
    files = {
        "dos.txt": b"a\r\nb\r\n",
        "unix.txt": b"a\nb\n",
        "mixed.txt": b"a\r\nb\n",
        "x.id": b"$Id: abc $\n",
        "x.u16": "text\n".encode("utf-16"),
        "x.f": b"quiet\n",
    }
    for name, content in files.items():
        project.write(name, content)
    restore(tree_of(get, project.path), tmp_path / "again", get.home)
    for name, content in files.items():
        assert (tmp_path / "again" / name).read_bytes() == content
        assert (project.path / name).read_bytes() == content


def test_what_running_makes_and_what_looks_secret_stays_out(project: Repository, get: Fetcher) -> None:
    for name in (
        "__pycache__/a.pyc",
        "pkg/__pycache__/b.pyc",
        "c.pyc",
        ".ipynb_checkpoints/n.ipynb",
        "mlruns/0/meta.yaml",
        "sub.d/mlruns/0/meta.yaml",
        "mlartifacts/x",
        "mlflow.db",
        "env/pyvenv.cfg",
        "env/lib/x.py",
        ".env",
        ".env.local",
        "keys/server.pem",
        "id_rsa",
        "credentials.json",
    ):
        project.write(name, "x")
    source = get(project.path)
    assert source.tree == project.git("rev-parse", "HEAD^{tree}")
    assert not source.dirty
    assert sorted(source.withheld) == [".env", ".env.local", "credentials.json", "id_rsa", "keys/server.pem"]


def test_a_tracked_file_enters_whatever_its_name(project: Repository, get: Fetcher) -> None:
    project.write(".env", "A=1")
    project.write("mlruns/0/meta.yaml", "x")
    project.commit()
    source = get(project.path)
    assert source.tree == project.git("rev-parse", "HEAD^{tree}")
    assert source.withheld == ()


@pytest.mark.parametrize(
    "name", [".env.example", "environment.yml", "token.py", "public.key.md", "my.envelope"]
)
def test_an_innocent_name_is_no_secret(name: str) -> None:
    assert sift([name.encode()]).kept == (name.encode(),)


def test_a_change_within_the_same_second_and_of_the_same_size_is_seen(plain: Path, get: Fetcher) -> None:
    trees = set()
    for number in range(8):
        (plain / "train.py").write_text(f"print({number})\n")
        trees.add(tree_of(get, plain))
    assert len(trees) == 8


def test_an_unchanged_tree_is_not_written_again(project: Repository, get: Fetcher) -> None:
    def written() -> dict[str, float]:
        files = states(get.home.snapshots).items()
        return {name: stamp for name, (stamp, _) in files if (get.home.snapshots / name).is_file()}

    first = get(project.path)
    before = written()
    assert get(project.path).tree == first.tree
    assert written() == before


def test_each_step_of_an_edited_tree_gives_its_own_tree(plain: Path, get: Fetcher, tmp_path: Path) -> None:
    def check(step: str) -> None:
        restore(tree_of(get, plain), tmp_path / step, get.home)
        assert contents(tmp_path / step) == contents(plain), step
        restore(tree_of(get, plain), tmp_path / f"{step} again", get.home)
        assert contents(tmp_path / f"{step} again") == contents(plain), step

    (plain / "a").write_text("a")
    check("a file")
    (plain / "a").unlink()
    (plain / "a").mkdir()
    (plain / "a" / "b").write_text("b")
    check("a directory in its place")
    (plain / "a").rename(plain / "real")
    (plain / "a").symlink_to("real")
    check("a link in the place of the directory")
    (plain / "a").unlink()
    (plain / "real").rename(plain / "a")
    check("the directory back")
    (plain / "a" / "b").chmod(0o755)
    check("another mode")
    (plain / "a" / "b").unlink()
    check("nothing in it")


def test_a_tracked_directory_that_became_a_link_is_stored_as_the_link(
    project: Repository, get: Fetcher, tmp_path: Path
) -> None:
    get(project.path)
    (project.path / "sub.d").rename(project.path / "real")
    (project.path / "sub.d").symlink_to("real")
    for step in ("once", "twice"):
        restore(tree_of(get, project.path), tmp_path / step, get.home)
        expected = {
            name: value for name, value in contents(project.path).items() if not name.startswith(".git/")
        }
        assert contents(tmp_path / step) == expected


def test_a_deleted_tracked_file_that_comes_back_is_seen(project: Repository, get: Fetcher) -> None:
    whole = tree_of(get, project.path)
    content = (project.path / "train.py").read_bytes()
    (project.path / "train.py").unlink()
    assert tree_of(get, project.path) != whole
    assert tree_of(get, project.path) != whole
    project.write("train.py", content)
    assert tree_of(get, project.path) == whole


def test_a_repository_inside_is_stored_as_plain_files(
    project: Repository, get: Fetcher, tmp_path: Path
) -> None:
    inner = make_repository(project.path / "vendor" / "inner")
    inner.write(".gitignore", "ignored\n")
    inner.write("ignored", "x")
    inner.write("new", "x")
    deeper = make_repository(inner.path / "deeper")
    first = tree_of(get, project.path)
    paths = paths_in(get.home, first)
    assert {"vendor/inner/train.py", "vendor/inner/new", "vendor/inner/deeper/sub.d/train.py"} <= set(paths)
    assert "vendor/inner/ignored" not in paths
    assert not any(".git/" in path for path in paths)
    assert tree_of(get, project.path) == first
    deeper.write("train.py", "changed")
    second = tree_of(get, project.path)
    assert second != first
    deeper.write("another", "x")
    assert tree_of(get, project.path) not in {first, second}


def test_a_broken_repository_inside_is_stored_as_plain_files(project: Repository, get: Fetcher) -> None:
    project.write("vendor/.git/HEAD", "nonsense")
    project.write("vendor/x.py", "x")
    assert "vendor/x.py" in paths_in(get.home, tree_of(get, project.path))


def test_a_submodule_is_stored_with_its_files(
    project: Repository, upstream: Repository, get: Fetcher
) -> None:
    project.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(upstream.path), "lib")
    project.commit("with a submodule")
    source = get(project.path)
    assert "lib/train.py" in paths_in(get.home, source.tree or "")
    assert not source.dirty
    (project.path / "lib" / "train.py").write_text("changed in the submodule")
    changed = get(project.path)
    assert changed.dirty
    assert changed.tree != source.tree


def test_a_large_file_is_known_by_its_hash(
    plain: Path, get: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIS_SNAPSHOT_MAX_FILE_SIZE", "1K")
    content = os.urandom(2000)
    (plain / "data").mkdir()
    (plain / "data" / "big.bin").write_bytes(content)
    (plain / "data" / "big.bin").chmod(0o755)
    source = get(plain)
    expected = LargeFile("data/big.bin", 2000, hashlib.sha256(content).hexdigest())
    assert source.large_files == (expected,)
    assert get(plain) == source
    assert source.tree is not None
    assert restore(source.tree, tmp_path / "without", get.home) == (expected,)
    assert restore(source.tree, tmp_path / "with", get.home, originals=plain) == ()
    assert contents(tmp_path / "with") == contents(plain)
    (plain / "data" / "big.bin").write_bytes(os.urandom(2000))
    assert get(plain).tree != source.tree
    assert restore(source.tree, tmp_path / "changed", get.home, originals=plain) == (expected,)


def test_a_large_file_that_shrinks_is_stored(
    plain: Path, get: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIS_SNAPSHOT_MAX_FILE_SIZE", "1K")
    (plain / "f").write_bytes(b"x" * 2000)
    large = get(plain)
    (plain / "f").write_bytes(b"x")
    small = get(plain)
    assert (len(large.large_files), len(small.large_files)) == (1, 0)
    (plain / "f").unlink()
    gone = get(plain)
    assert len({large.tree, small.tree, gone.tree}) == 3


def test_another_limit_gives_another_tree(plain: Path, get: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    (plain / "f").write_bytes(b"x" * 2000)
    whole = get(plain)
    monkeypatch.setenv("BIS_SNAPSHOT_MAX_FILE_SIZE", "1000")
    assert [file.path for file in get(plain).large_files] == ["f"]
    monkeypatch.setenv("BIS_SNAPSHOT_MAX_FILE_SIZE", "1MB")
    assert get(plain).tree == whole.tree


def test_a_limit_that_is_no_size_is_refused(
    plain: Path, get: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIS_SNAPSHOT_MAX_FILE_SIZE", "much")
    with pytest.raises(UsageError, match="is not a size"):
        get(plain)


def test_the_same_files_give_the_same_tree_in_every_home(plain: Path, tmp_path: Path, get: Fetcher) -> None:
    first = tree_of(get, plain)
    get.home = type(get.home)(tmp_path / "another home")
    assert tree_of(get, plain) == first


def test_a_snapshot_outlives_the_users_repository(project: Repository, get: Fetcher, tmp_path: Path) -> None:
    tree = tree_of(get, project.path)
    expected = {name: value for name, value in contents(project.path).items() if not name.startswith(".git/")}
    project.path.rename(tmp_path / "moved away")
    restore(tree, tmp_path / "again", get.home)
    assert contents(tmp_path / "again") == expected


def test_the_callers_git_variables_do_not_lead_astray(
    project: Repository, upstream: Repository, get: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.write("other", "x")
    monkeypatch.setenv("GIT_DIR", str(upstream.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(upstream.path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(upstream.path / "nonsense"))
    source = get(project.path)
    monkeypatch.undo()
    assert source.root == project.path
    assert source.tree == project.git("rev-parse", "HEAD^{tree}")


def test_a_killed_writer_of_the_index_is_no_hindrance(plain: Path, get: Fetcher) -> None:
    get(plain)
    (index,) = (get.home.snapshots / "indexes").glob("*/index")
    index.with_name("index.lock").touch()
    index.with_name("state.json").write_text('{"half"')
    (plain / "new").write_text("x")
    assert paths_in(get.home, tree_of(get, plain)) == ["new", "train.py"]


def test_a_lost_store_is_made_anew(plain: Path, get: Fetcher) -> None:
    tree = tree_of(get, plain)
    shutil.rmtree(get.home.snapshots)
    assert tree_of(get, plain) == tree
    shutil.rmtree(get.home.snapshots / "store.git")
    assert tree_of(get, plain) == tree
    assert paths_in(get.home, tree) == ["train.py"]


def test_a_tree_that_is_not_there_cannot_be_restored(get: Fetcher, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not in"):
        restore("0" * 40, tmp_path / "again", get.home)


def test_a_snapshot_is_not_restored_over_files(plain: Path, get: Fetcher) -> None:
    with pytest.raises(SourceError, match="not empty"):
        restore(tree_of(get, plain), plain, get.home)


@pytest.mark.parametrize("kind", ["repository", "plain"])
def test_a_home_inside_the_project_is_no_part_of_it(
    kind: str, project: Repository, plain: Path, get: Fetcher
) -> None:
    root = project.path if kind == "repository" else plain
    get.home = type(get.home)(root / ".bis")
    first = get(root)
    assert not first.dirty
    assert get(root).tree == first.tree
    assert not any(path.startswith(".bis") for path in paths_in(get.home, first.tree or ""))


def test_the_user_learns_which_file_cannot_be_read(
    plain: Path, get: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    (plain / "locked").write_text("x")
    (plain / "locked").chmod(0)
    if os.access(plain / "locked", os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(SourceError, match="locked") as caught:
        get(plain)
    assert ".gitignore" in (caught.value.hint or "")


EDITS = st.tuples(
    st.sampled_from(["write", "link", "remove", "directory", "executable", "track"]),
    st.sampled_from(["a", "b", "a/x", "a/y", "b/x", "c/d/e"]),
    st.sampled_from(["1", "2", "long text"]),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(EDITS, min_size=1, max_size=6))
def test_after_any_edits_the_tree_is_that_of_a_first_look(
    edits: list[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("edits")
    project = make_repository(place / "project")
    kept = Home(place / "kept")
    for number, (action, name, content) in enumerate(edits):
        _edit(project, action, name, content)
        fresh = Home(place / f"fresh {number}")
        trees = {fetch(str(project.path), None, home=home, notify=print).tree for home in (kept, fresh)}
        assert len(trees) == 1


def _edit(project: Repository, action: str, name: str, content: str) -> None:
    """One edit; what stands in its way is removed first."""
    path = project.path / name
    for step in (path, *path.parents):
        if step == project.path:
            break
        if (step.is_symlink() or step.exists()) and (step == path or step.is_symlink() or not step.is_dir()):
            shutil.rmtree(step) if step.is_dir() and not step.is_symlink() else step.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    if action == "link":
        path.symlink_to("sub.d")
    elif action == "directory":
        path.mkdir()
        (path / "inner").write_text(content)
    elif action != "remove":
        path.write_text(content)
        path.chmod(0o755 if action == "executable" else 0o644)
    if action == "track":
        project.git("add", "--all")
