"""Resolves what a project asks of conda to a lock: conda's packages by rattler, the pip section by uv."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from bis.environments import conda_names, installed, interpreters
from bis.environments.conda import engine, failures, packages, renv
from bis.environments.conda.channels import Channels, as_kept, is_defaults, without_credentials
from bis.environments.conda.installing import install_conda
from bis.environments.conda.progress import Progress
from bis.environments.conda_versions import parse
from bis.environments.credentials import without_user
from bis.environments.interpreters import Interpreter
from bis.environments.locks import Lock, platform_tag
from bis.environments.python_releases import newest_a_year_old
from bis.environments.resolving import locked_paths, solve, unhashed_notes
from bis.errors import BuildError, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.environments.as_of import AsOf
    from bis.environments.compiling import Solution
    from bis.environments.conda.channels import Channel
    from bis.environments.conda.packages import Package
    from bis.environments.conda.settings import Settings
    from bis.environments.spec import CondaDeclaration, EnvironmentSpec
    from bis.home import Home

_PROBE = (
    "import json, sys, sysconfig\n"
    "print(json.dumps({'version': sys.version_info[:3], 'library': sysconfig.get_path('purelib')}))"
)


@dataclasses.dataclass(frozen=True)
class Resolution:
    """One resolution: of what, as of when, where packages come from, and whom to tell."""

    spec: EnvironmentSpec
    as_of: AsOf
    digests: Mapping[str, str]
    settings: Settings
    home: Home
    notify: Callable[[str], None]

    def resolve(self) -> Lock:
        """Return the lock; raise ResolutionError, SpecError, HomeError, BuildError."""
        notes = list(self.spec.notes)
        for note in notes:
            self.notify(note)
        text_of_renv = renv.checked(self._declared.renv, self.spec.directory) if self._declared.renv else ""
        chosen, more = self._solve()
        notes += more
        if text_of_renv:
            notes.append(renv.note(chosen, text_of_renv))
        text = self._text(chosen)
        python = next((each.version for each in chosen if each.name == "python"), "")
        pip = self._solve_pip(text) if not self.spec.empty else None
        notes += pip.notes if pip else ()
        for note in notes[len(self.spec.notes) :]:
            self.notify(note)
        spec = self.spec
        return Lock(
            manager="conda",
            python=python,
            python_requested=spec.python,
            platform=platform_tag(),
            requirements=pip.text.hashed if pip else "",
            unhashed=pip.text.unhashed if pip else "",
            local=locked_paths(spec, self.digests, (), self.home),
            options=tuple(without_user(each) for each in spec.options),
            variables=spec.variables,
            undated=pip.undated if pip else (),
            as_of=self.as_of.text,
            as_of_origin=self.as_of.origin,
            notes=(*notes, *unhashed_notes(pip.text.unhashed if pip else "")),
            conda=text,
            renv=text_of_renv if renv.has_r(chosen) else "",
        )

    @property
    def _declared(self) -> CondaDeclaration:
        if self.spec.conda is None:
            raise SpecError("the project declares nothing for conda")
        return self.spec.conda

    @property
    def _channels(self) -> Channels:
        return Channels.here(self.settings, self.spec.directory)

    def _wanted(self) -> list[str]:
        """The channels as written; those that a dependency names come last."""
        names = [parsed.channel for text, _ in self._declared.dependencies if (parsed := parse(text))]
        found = self._channels.wanted(self._declared.channels)
        return list(dict.fromkeys((*found, *(each for each in names if each))))

    def _solve(self) -> tuple[list[Package], list[str]]:
        """Return the packages, and notes of what had to be left out to find them."""
        channels = [channel for each in self._wanted() for channel in self._channels.resolve(each)]
        specs = [self._readable(text) for text, _ in self._declared.dependencies]
        if self.spec.requirements and not any(_name(each) == "python" for each in specs):
            specs.append("python")
        day = f" as of {self.as_of.time:%Y-%m-%d}" if self.as_of.time else ""
        count = len(specs)
        self.notify(f"Solving {count} declared conda package{'' if count == 1 else 's'}{day}")
        notes = []
        if any(is_defaults(each.canonical) for each in channels):
            notes.append(
                "the channel `defaults` has terms of its own, which ask large organizations for a licence"
            )
        found, more = self._ask_again(channels, specs)
        return found, notes + more

    def _ask_again(self, channels: list[Channel], specs: list[str]) -> tuple[list[Package], list[str]]:
        """Ask, and where an export of another platform is the reason, for what this one can have of it."""
        with contextlib.suppress(engine.Conflict):
            return self._ask(channels, specs, limits=self._limits(specs)), []
        try:
            return self._ask(channels, specs), []
        except engine.Conflict as conflict:
            loosened = [_without_build(each) for each in specs]
            if loosened == specs:
                raise self._explained(conflict, channels, specs) from conflict
        left_out = sum(before != after for before, after in zip(specs, loosened, strict=True))
        notes = [f"build strings left out of {left_out} packages: they do not fit this platform"]
        try:
            return self._ask(channels, loosened), notes
        except engine.Conflict as conflict:
            own = [each for each in loosened if not _is_bound_to_a_platform(each)]
            if own == loosened:
                raise self._explained(conflict, channels, loosened) from conflict
        notes.append(f"left out, as other packages bring what this platform needs: {_names(loosened, own)}")
        try:
            return self._ask(channels, own), notes
        except engine.Conflict as conflict:
            raise self._explained(conflict, channels, own) from conflict

    def _limits(self, specs: list[str]) -> tuple[str, ...]:
        """Where the project pins no Python: the newest minor version that was a year old, as for other environments."""
        if any(_name(each) == "python" and _pins(each) for each in specs):
            return ()
        day = (self.as_of.time or datetime.now(timezone.utc)).date()
        major, minor = newest_a_year_old(day)
        return (f"python <{major}.{minor + 1}.0a0",)

    def _ask(
        self, channels: list[Channel], specs: list[str], *, dated: bool = True, limits: tuple[str, ...] = ()
    ) -> list[Package]:
        problem = engine.Problem(
            channels=tuple(dict.fromkeys(each.address for each in channels)),
            specs=tuple(specs),
            constraints=limits,
            as_of=self.as_of.time if dated else None,
            add_pip=self.settings.add_pip,
            strict=self.settings.strict_priority,
        )
        mirrors = {each.address: [each.address, *each.mirrors] for each in channels if each.mirrors}
        caches = engine.Caches.below(self.home.ensure(self.home.cache))
        try:
            found = engine.solve(problem, settings=self.settings, mirrors=mirrors, caches=caches)
        except engine.ChannelError as error:
            raise failures.unreachable(error, channels, self.spec) from error
        except engine.UnreadableSpecError as error:
            raise failures.unreadable(error, self.spec.file, self._declared) from error
        for package in found:
            if not (package.sha256 or package.md5):
                raise failures.without_hash(package, self.spec)
        return [_kept(package, channels) for package in found]

    def _explained(self, conflict: engine.Conflict, channels: list[Channel], specs: list[str]) -> Exception:
        later = False
        if self.as_of.time is not None:
            try:
                self._ask(channels, specs, dated=False)
                later = True
            except engine.Conflict:
                later = False
        return failures.unsolvable(
            conflict,
            spec=self.spec,
            as_of=self.as_of.time,
            channels=[each.canonical for each in channels],
            later=later,
        )

    def _readable(self, text: str) -> str:
        """A dependency with the address of the channel that it names, and no channel by name."""
        parsed = parse(text)
        if parsed is None or not parsed.channel:
            return text
        address = self._channels.resolve(parsed.channel)[0].address
        return f"{address}::{text.rpartition('::')[2]}"

    def _text(self, chosen: list[Package]) -> str:
        """The text of the lock, its channels as written without credentials."""
        written = [as_kept(each) for each in self._wanted()]
        source = self.spec.file.name if self.spec.file else "."
        return packages.to_text(chosen, channels=written, platform=engine.platform(), source=source)

    def _solve_pip(self, text: str) -> Solution:
        """Resolve the pip section in an environment of conda's packages, which is there for that alone."""
        self.notify("Fetching the conda packages, beside which the pip section is resolved")
        with tempfile.TemporaryDirectory(dir=self.home.ensure(self.home.cache), prefix="solving-") as name:
            prefix = Path(name) / "env"
            install_conda(text, prefix, channels=self._channels, home=self.home, progress=Progress())
            python = prefix / "bin" / "python"
            interpreter, library = _look(python)
            present = {
                name: version for name, version in installed.distributions(library) if _is_version(version)
            }
            return solve(
                self.spec, self.as_of, interpreter, home=self.home, notify=self.notify, present=present
            )


def _is_version(text: str) -> bool:
    """Whether it is a version to PyPI: what is installed by other means may have any text there."""
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _look(python: Path) -> tuple[Interpreter, Path]:
    """An interpreter of conda's, and where its packages are."""
    facts = interpreters.probe(python, _PROBE, isolated=True)
    if not facts:
        raise BuildError(
            "the Python that conda has installed does not run, so that nothing can be added with pip"
        )
    major, minor, patch = facts["version"]
    return Interpreter(python, (major, minor, patch)), Path(facts["library"])


def _kept(package: Package, channels: list[Channel]) -> Package:
    """The package with the address that a lock keeps."""
    for channel in channels:
        for address in (channel.address, without_credentials(channel.address)):
            if package.url.startswith(f"{address}/"):
                return dataclasses.replace(package, url=f"{channel.canonical}/{package.file}")
    return dataclasses.replace(package, url=without_credentials(package.url))


def _is_bound_to_a_platform(text: str) -> bool:
    """Whether an export names it only because another package needs it there."""
    name = _name(text)
    return conda_names.is_drawn_in(name) or name in conda_names.OF_OTHER_PLATFORMS


def _names(before: list[str], after: list[str]) -> str:
    return ", ".join(_name(each) for each in before if each not in after)


def _name(text: str) -> str:
    parsed = parse(text)
    return parsed.name.lower() if parsed else ""


def _pins(text: str) -> bool:
    parsed = parse(text)
    return parsed is not None and bool(parsed.version)


def _without_build(text: str) -> str:
    """``numpy=1.21=py38_0`` as ``numpy==1.21``; what has no build string stands as it is."""
    parsed = parse(text)
    if parsed is None or not parsed.build:
        return text
    channel = f"{parsed.channel}::" if parsed.channel else ""
    version = parsed.version.lstrip("=")
    return f"{channel}{parsed.name}=={version}" if version else f"{channel}{parsed.name}"
