"""Every value arrives in the user's program as exactly the text the user gave, wherever its placeholder stands."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bis.errors import BisError, ParameterError
from bis.projects.command import build_command
from bis.projects.quoting import quote

if TYPE_CHECKING:
    from pathlib import Path

# What a program prints of its arguments; `args` stands for it in the commands below
_PRELUDE = "args() { printf '%s\\0' \"$@\"; }\n"

# Commands with one placeholder, and what the program must get for the value V: each a whole argument
CONTEXTS = {
    "bare": ("args {x} end", ["V", "end"]),
    "after an equals sign": ("args --opt={x} end", ["--opt=V", "end"]),
    "between letters": ("args pre{x}post", ["preVpost"]),
    "twice": ("args {x}{x} {x}", ["VV", "V"]),
    "single quotes": ("args '{x}' end", ["V", "end"]),
    "single quotes with text": ("args 'a {x} b'", ["a V b"]),
    "double quotes": ('args "{x}" end', ["V", "end"]),
    "double quotes with text": ("args \"a '{x}' b\"", ["a 'V' b"]),
    "escaped single quotes": (r"args \'{x}\'", ["'V'"]),
    "escaped double quotes": (r"args \"{x}\"", ['"V"']),
    "json in single quotes": ('args \'{{"k": "{x}"}}\'', ['{"k": "V"}']),
    "ansi quotes": (r"args $'a\t{x}'", ["a\tV"]),
    "after a variable": ("D=dir; args $D{x}", ["dirV"]),
    "after a variable in quotes": ('D=dir; args "$D{x}"', ["dirV"]),
    "after the name of the shell": ("args $${x} | cat >/dev/null; args {x}", ["V"]),
    "with a dollar": ("args ${x} end", ["V", "end"]),
    "with a dollar in double quotes": ('args "${x}"', ["V"]),
    "with an escaped dollar": (r'args "\${x}" \${x}', ["$V", "$V"]),
    "with a dollar in single quotes": ("args '${x}'", ["$V"]),
    "substitution": ('args "$(printf %s {x}; printf .)"', ["V."]),
    "substitution with quotes": ("args \"$(printf '%s' '{x}'; printf .)\"", ["V."]),
    "substitution with double quotes": ('args "$(printf %s "{x}"; printf .)" {x}', ["V.", "V"]),
    "nested substitution": ('args "$(printf %s "$(printf %s {x}; printf .)")"', ["V."]),
    "backticks": ('args "`printf %s {x}; printf .`"', ["V."]),
    "bare backticks": ("IFS=; args `printf %s {x}; printf .` {x}", ["V.", "V"]),
    "quotes in backticks": ("args \"`printf %s '{x}'; printf .`\"", ["V."]),
    "double quotes in backticks": ('IFS=; args `printf %s "{x}"; printf .`', ["V."]),
    "after a comment": ("# don't mind {x}\nargs {x} # it's {x}", ["V"]),
    "no comment": ("args a#'b {x}' \"#\" {x}", ["a#b V", "#", "V"]),
    "here-document": ('args "$(cat <<EOF; printf .\nit\'s "{x}"\nEOF\n)"', ['it\'s "V"\n.']),
    "quoted here-document": ("args \"$(cat <<'EOF'; printf .\n$x '{x}'\nEOF\n)\"", ["$x 'V'\n."]),
    "after a here-document": ("cat >/dev/null <<A <<-\"B\"\n'\nA\n\t\"\n\tB\nargs {x} '{x}'", ["V", "V"]),
    "here-string": ('args "$(cat <<<{x}; printf .)"', ["V\n."]),
    "after arithmetic": ('args $(( (1 + 2) << 1 )) "{x}"', ["6", "V"]),
    "after a parameter expansion": ("args ${{HOME:+\"a b\"}} '{x}'", ["a b", "V"]),
    "continued lines": ("args \\\n  --x {x} \\\n  --y '{x}'\\\n", ["--x", "V", "--y", "V"]),
    "subshell": ("(args {x}; args '{x}')", ["V", "V"]),
    "brackets in arithmetic": ("args $(( (2 << 1) + `echo 1` + $(echo 1) )) '{x}'", ["6", "V"]),
    "double quotes in an expansion": (
        'args "${{HOME:+"a"}}" ${{HOME:+\\a$(echo b)`echo c`\'d\'}} {x}',
        ["a", "abcd", "V"],
    ),
    "here-documents in a row": ("cat <<A - <<'B' >/dev/null\n\\`$HOME it's\nA\n'\nB\nargs {x}", ["V"]),
    "commands in a here-document": ("args \"$(cat <<E\n`echo a` $(echo ')') \\$\nE\n)\" {x}", ["a ) $", "V"]),
    "function": ("f() {{ args \"$1\" '{x}'; }}; f {x}", ["V", "V"]),
    "case": ("case {x} in *) args {x} '{x}';; esac", ["V", "V"]),
    "array": ("a=({x} '{x}'); args \"${{a[@]}}\"", ["V", "V"]),
    "escaped placeholder": (r"args a\{x}b", ["aVb"]),
    "escaped placeholder in quotes": (r'args "a\{x}b"', [r"a\Vb"]),
    "process substitution": ("args \"$(cat <(printf %s {x}) '-' </dev/null; printf .)\"", ["V."]),
}

# Text without NUL; lone surrogates cannot be encoded. Shell characters are made likely.
_VALUES = st.one_of(
    st.text(alphabet="'\"\\$`(){}[]<>|&;#!*?~ \t\nab=-%^EOFé", max_size=12),
    st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(
        ["", "-", "--help", "-n", "$(touch pwned)", "`id`", "a'b", 'a"b', "\\", "\\\\'", "a\\\nb"]
    ),
)


def _arguments(command: str) -> list[str]:
    done = subprocess.run(
        ["bash", "-c", _PRELUDE + command],
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/"},
    )
    assert done.stderr == b"", (command, done.stderr)
    return done.stdout.decode().split("\0")[:-1]


def _wanted(words: list[str], value: str) -> list[str]:
    return [word.replace("V", value) for word in words]


@pytest.mark.parametrize("context", CONTEXTS)
@given(value=_VALUES)
@example(value='it\'s "$HOME" `id` $(id) \\ ; rm -rf / & | < > * ? [a] {b} ~ # ! é\n end')
@example(value="")
@example(value="\\'")
@settings(max_examples=25, deadline=None)
def test_a_value_arrives_as_it_was_given(context: str, value: str) -> None:
    template, words = CONTEXTS[context]
    command = build_command(template, {"x": value}, (), {})
    assert _arguments(command) == _wanted(words, value)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_plain_value_is_written_as_it_is(context: str) -> None:
    template, words = CONTEXTS[context]
    assert _arguments(build_command(template, {"x": "0.1"}, (), {})) == _wanted(words, "0.1")


@given(name=_VALUES.filter(bool), value=_VALUES)
@settings(max_examples=50, deadline=None)
def test_an_extra_parameter_is_two_words(name: str, value: str) -> None:
    command = build_command("args one\n", {name: value}, (name,), {})
    assert _arguments(command) == ["one", f"--{name}", value]


@given(st.text(alphabet=st.characters(exclude_characters="\0")))
def test_quoting_is_that_of_the_standard_library(text: str) -> None:
    import shlex

    assert quote(text) == shlex.quote(text)


@pytest.mark.parametrize(
    "template",
    [
        "echo $(( {x} + 1 ))",
        "(( i = {x} ))",
        'echo "$(( {x} ))"',
        "echo ${{V:-{x}}}",
        'echo "${{V:{x}:1}}"',
        'echo "$(case a in a) echo {x};; esac)"',
        "echo $(echo `echo \\`echo {x}\\``)",
        "echo $[ {x} ]",
    ],
)
def test_where_bash_cannot_quote_only_plain_values_are_taken(template: str) -> None:
    assert "7" in build_command(template, {"x": "7"}, (), {})
    with pytest.raises(ParameterError, match=r"no way to quote where \{x\} stands"):
        build_command(template, {"x": "a[$(touch pwned)]"}, (), {})


@pytest.mark.parametrize("value", ["EOF", "a\nEOF", "EOF\nrm -rf /"])
def test_a_value_cannot_end_a_here_document(value: str) -> None:
    with pytest.raises(ParameterError, match="holds the line 'EOF'"):
        build_command("cat <<EOF\n{x}\nEOF\n", {"x": value}, (), {})


def test_a_value_cannot_be_put_together_to_end_a_here_document() -> None:
    with pytest.raises(ParameterError, match="holds the line 'EOF'"):
        build_command("cat <<'EOF'\n{a}{b}\nEOF\n", {"a": "EO", "b": "F"}, (), {})


def test_a_tab_is_not_lost_in_a_here_document_that_strips_tabs() -> None:
    with pytest.raises(ParameterError, match="holds a tab"):
        build_command("cat <<-EOF\n{x}\nEOF\n", {"x": "\ta"}, (), {})


def test_a_newline_cannot_end_a_comment() -> None:
    assert _arguments(build_command("args a # {x}", {"x": "b\nargs c"}, (), {})) == ["a"]


# Commands of a fuzzer that once let a value run; also broken ones, which bash reads on from the middle
ESCAPES = [
    ("<<E\n{x}$(\nE\n", "\nE\ntouch pwned\n"),
    ("<<E\n$({x}\nE\n", "\nE\ntouch pwned\n"),
    ("<<E\n`esac{x}esac", "\nE\ntouch pwned\n"),
    ("echo $\\{x}{x}", "\\'\ntouch pwned\n"),
    ("$((`|cat $'{x}`))", ")\ntouch pwned\n"),
    ("\\'`$'<<-E\n`$\"{x}$$", '\\";touch pwned;'),
    ("esac=((<({x}if", "'\ntouch pwned\n'"),
    ("echo \"`echo '{x}'`\"", "{$(touch pwned)"),
    ("cat <\\\n<E\n{x}\nE\n", "$(touch pwned)"),
]
_FRAGMENTS = st.sampled_from(
    [
        *"'\"`\\ \n#a$)(=",
        "$(",
        "${{V:-",
        "}}",
        "<<E\n",
        "<<'E'\n",
        "<<-E\n",
        "\nE\n",
        "((",
        "))",
        "$((",
        "case a in a)",
        "esac",
        ";;",
        "{x}",
        "{x}",
        "{x}",
        "echo ",
        "; ",
        "$'",
        "<(",
        "|cat ",
        "<<<",
        "\\`",
        "$$",
        "\\\n",
        "[[ ",
        "if ",
    ]
)
_ATTACKS = st.sampled_from(
    [value for _, value in ESCAPES]
    + [
        ";touch pwned;",
        "\ntouch pwned\n",
        "$(touch pwned)",
        "`touch pwned`",
        "'\ntouch pwned\n'",
        '"\ntouch pwned\n"',
    ]
    + ["));touch pwned;", "a[$(touch pwned)]", "}\ntouch pwned\n", "\\`touch pwned\\`", "\\$(touch pwned)"]
)


def _runs(template: str, value: str, directory: Path) -> bool:
    try:
        command = build_command(template, {"x": value}, (), {})
    except BisError:
        return False
    subprocess.run(
        ["bash", "-c", command], cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return (directory / "pwned").exists()


@pytest.mark.parametrize(("template", "value"), ESCAPES)
def test_a_value_never_runs(template: str, value: str, tmp_path: Path) -> None:
    assert not _runs(template, value, tmp_path)


@given(fragments=st.lists(_FRAGMENTS, max_size=12), value=_ATTACKS)
@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,  # the same commands in each run of the tests
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_value_never_runs_whatever_the_command(fragments: list[str], value: str, tmp_path: Path) -> None:
    assert not _runs("".join(fragments), value, tmp_path)
