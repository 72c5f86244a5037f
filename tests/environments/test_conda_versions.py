from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from bis.environments.conda_versions import CondaSpec, parse, to_pep440


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numpy", CondaSpec("numpy")),
        ("numpy=1.21", CondaSpec("numpy", "=1.21")),
        ("numpy==1.21.2", CondaSpec("numpy", "==1.21.2")),
        ("numpy 1.21.*", CondaSpec("numpy", "1.21.*")),
        ("numpy=1.21=py38_0", CondaSpec("numpy", "=1.21", "py38_0")),
        ("numpy==1.21=py38_0", CondaSpec("numpy", "==1.21", "py38_0")),
        ("numpy 1.21 py38_0", CondaSpec("numpy", "1.21", "py38_0")),
        ("numpy >=1.16, <2", CondaSpec("numpy", ">=1.16,<2")),
        ("numpy>= 1.16", CondaSpec("numpy", ">=1.16")),
        ("numpy>=1.16,<2", CondaSpec("numpy", ">=1.16,<2")),
        ("blas=*=openblas", CondaSpec("blas", "", "openblas")),
        ("conda-forge::numpy", CondaSpec("numpy", channel="conda-forge")),
        ("conda-forge/linux-64::numpy=1.2", CondaSpec("numpy", "=1.2", channel="conda-forge/linux-64")),
        ("numpy[version='>=1.2,<2', build=py38_0]", CondaSpec("numpy", ">=1.2,<2", "py38_0")),
        ("_libgcc_mutex=0.1=main", CondaSpec("_libgcc_mutex", "=0.1", "main")),
        ("numpy=1.2|1.3", CondaSpec("numpy", "=1.2|1.3")),
        ("ruamel.yaml=0.17  # why", CondaSpec("ruamel.yaml", "=0.17")),
    ],
)
def test_a_conda_dependency_is_taken_apart(text: str, expected: CondaSpec) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "=1.2", "num py[", "{x}"])
def test_what_is_no_conda_dependency_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("", ""),
        ("=1.2", "==1.2.*"),
        ("=1.2.*", "==1.2.*"),
        ("1.2.*", "==1.2.*"),
        ("1.2*", "==1.2.*"),
        ("==1.2", "==1.2"),
        ("==1.2.*", "==1.2.*"),
        ("1.2", "==1.2"),
        (">=1.2", ">=1.2"),
        (">=1.2.*", ">=1.2"),
        (">=1,<2.0a0", ">=1,<2.0a0"),
        (">=1,!=1.5.*,<2", ">=1,!=1.5.*,<2"),
        ("~=1.4.2", "~=1.4.2"),
        ("1.2|1.3", None),
        ("(>=1,<2)|3", None),
        ("=>1.2", None),
        ("=1.*.2", None),
    ],
)
def test_a_conda_version_becomes_a_pep_440_specifier_or_is_refused(
    version: str, expected: str | None
) -> None:
    assert to_pep440(version) == expected


def test_a_build_string_makes_a_fuzzy_version_one_version() -> None:
    assert to_pep440("=1.2.3", exact=True) == "==1.2.3"


_NUMBERS = st.lists(st.integers(0, 99), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
_CLAUSES = st.tuples(
    st.sampled_from(["", "=", "==", "!=", ">=", "<=", "<", ">"]), _NUMBERS, st.sampled_from(["", ".*"])
)


@given(st.lists(_CLAUSES, max_size=3))
def test_every_translation_is_a_specifier_that_pip_reads(clauses: list[tuple[str, str, str]]) -> None:
    translated = to_pep440(",".join("".join(clause) for clause in clauses))
    assert translated is not None
    SpecifierSet(translated)


@given(_NUMBERS)
def test_the_version_itself_satisfies_the_translation_of_a_pin(version: str) -> None:
    for operator in ("", "=", "==", ">=", "<="):
        assert SpecifierSet(to_pep440(f"{operator}{version}") or "").contains(version)
