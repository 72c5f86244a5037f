"""The model registry in SQL: registered models, their versions, aliases and stages."""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

from typing import TYPE_CHECKING

from bis.tracking.experiments import now_ms
from bis.tracking.model import Page
from bis.tracking.refusals import absent, invalid, taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from bis.tracking.database import Database, Statements
    from bis.tracking.model import Tag
    from bis.tracking.registry_model import ModelVersion, RegisteredModel

STAGES = ("None", "Staging", "Production", "Archived")
_MODEL = "m.name, m.description, m.creation_time, m.last_updated_time"
_VERSION = (
    "m.name, m.version, m.source, m.run_id, m.run_link, m.model_id, m.stage, m.description, m.creation_time,"
    " m.last_updated_time"
)


_CHUNK = 300
"""Models whose data are read by one query."""


class SqlRegistry:
    """The part of a store that keeps registered models."""

    _db: Database

    def create_registered_model(
        self, name: str, *, description: str = "", tags: Iterable[Tag] = ()
    ) -> RegisteredModel:
        """Make a name under which versions can be kept."""
        if not name.strip():
            raise invalid("Registered model name cannot be empty.")
        now = now_ms()
        with self._db.writing() as connection:
            if connection.execute("SELECT 1 FROM registered_models WHERE name = ?", (name,)).fetchone():
                raise taken(f"Registered Model (name={name}) already exists.")
            connection.execute(
                "INSERT INTO registered_models (name, description, creation_time, last_updated_time)"
                " VALUES (?, ?, ?, ?)",
                (name, description, now, now),
            )
            connection.executemany(SET_MODEL_TAG, [(name, tag.key, tag.value) for tag in tags])
        return self.registered_model(name)

    def registered_model(self, name: str) -> RegisteredModel:
        """The registered model with that name."""
        found = self._registered("WHERE m.name = ?", (name,))
        if not found:
            raise _unknown_model(name)
        return found[0]

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Give the model, with all its versions, another name."""
        with self._db.writing() as connection:
            _touch_model(connection, name)
            if name != new_name:
                if connection.execute(
                    "SELECT 1 FROM registered_models WHERE name = ?", (new_name,)
                ).fetchone():
                    raise taken(f"Registered Model (name={new_name}) already exists.")
                connection.execute("UPDATE registered_models SET name = ? WHERE name = ?", (new_name, name))
        return self.registered_model(new_name)

    def describe_registered_model(self, name: str, description: str) -> RegisteredModel:
        """Set the description."""
        with self._db.writing() as connection:
            _touch_model(connection, name)
            connection.execute(
                "UPDATE registered_models SET description = ? WHERE name = ?", (description, name)
            )
        return self.registered_model(name)

    def delete_registered_model(self, name: str) -> None:
        """Remove the name and all its versions; their files stay."""
        with self._db.writing() as connection:
            _touch_model(connection, name)
            connection.execute("DELETE FROM registered_models WHERE name = ?", (name,))

    def search_registered_models(
        self,
        *,
        filter: str = "",
        order_by: Sequence[str] = (),
        max_results: int = 100,
        page_token: str | None = None,
    ) -> Page[RegisteredModel]:
        """Registered models that fulfil the filter, by name unless said otherwise."""
        from bis.tracking.search import search
        from bis.tracking.search_subjects import REGISTERED_MODELS

        with self._db.reading():
            found = search(
                self._db,
                REGISTERED_MODELS,
                _MODEL,
                filter=filter,
                order_by=order_by,
                max_results=max_results,
                page_token=page_token,
            )
            return Page(tuple(self._registered_of(found.items)), found.next_token)

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of the registered model."""
        with self._db.writing() as connection:
            _touch_model(connection, name)
            connection.execute(SET_MODEL_TAG, (name, key, value))

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of the registered model; none there is no error, as in MLflow."""
        with self._db.writing() as connection:
            _touch_model(connection, name)
            connection.execute("DELETE FROM registered_model_tags WHERE name = ? AND key = ?", (name, key))

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let the alias name this version, and no other."""
        with self._db.writing() as connection:
            _touch_version(connection, name, version)
            connection.execute(SET_ALIAS, (name, alias, version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove the alias; none there is no error, as in MLflow."""
        with self._db.writing() as connection:
            _touch_model(connection, name)
            connection.execute(
                "DELETE FROM registered_model_aliases WHERE name = ? AND alias = ?", (name, alias)
            )

    def version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that the alias names."""
        found = self._versions(
            "JOIN registered_model_aliases a ON a.name = m.name AND a.version = m.version"
            " WHERE a.name = ? AND a.alias = ?",
            (name, alias),
        )
        if not found:
            raise invalid(f"Registered model alias {alias[:100]} not found.")
        return found[0]

    def create_model_version(
        self,
        name: str,
        source: str,
        *,
        run_id: str = "",
        run_link: str = "",
        model_id: str = "",
        description: str = "",
        tags: Iterable[Tag] = (),
    ) -> ModelVersion:
        """Register the model at ``source`` as the next version."""
        now = now_ms()
        with self._db.writing() as connection:
            _touch_model(connection, name)
            connection.execute(
                "UPDATE registered_models SET last_version = last_version + 1 WHERE name = ?", (name,)
            )
            version: int = connection.execute(
                "SELECT last_version FROM registered_models WHERE name = ?", (name,)
            ).fetchone()[0]
            connection.execute(
                "INSERT INTO model_versions (name, version, description, source, run_id, run_link, model_id,"
                " creation_time, last_updated_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (name, version, description, source, run_id, run_link, model_id, now, now),
            )
            connection.executemany(SET_VERSION_TAG, [(name, version, tag.key, tag.value) for tag in tags])
        return self.model_version(name, version)

    def model_version(self, name: str, version: int) -> ModelVersion:
        """One version."""
        found = self._versions("WHERE m.name = ? AND m.version = ?", (name, version))
        if not found:
            raise _unknown_version(name, version)
        return found[0]

    def describe_model_version(self, name: str, version: int, description: str) -> ModelVersion:
        """Set the description of a version."""
        with self._db.writing() as connection:
            _touch_version(connection, name, version)
            connection.execute(
                "UPDATE model_versions SET description = ? WHERE name = ? AND version = ?",
                (description, name, version),
            )
        return self.model_version(name, version)

    def transition_model_version(
        self, name: str, version: int, stage: str, *, archive_existing: bool = False
    ) -> ModelVersion:
        """Put the version into a stage, and the others of that stage into the archive when told so."""
        canonical = canonical_stage(stage)
        with self._db.writing() as connection:
            _touch_version(connection, name, version)
            if archive_existing and canonical in ("Staging", "Production"):
                connection.execute(
                    "UPDATE model_versions SET stage = 'Archived' WHERE name = ? AND stage = ? AND version"
                    " <> ?",
                    (name, canonical, version),
                )
            connection.execute(
                "UPDATE model_versions SET stage = ? WHERE name = ? AND version = ?",
                (canonical, name, version),
            )
        return self.model_version(name, version)

    def delete_model_version(self, name: str, version: int) -> None:
        """Remove a version; its files stay, its number is not given again."""
        with self._db.writing() as connection:
            _touch_version(connection, name, version)
            connection.execute("DELETE FROM model_versions WHERE name = ? AND version = ?", (name, version))

    def set_model_version_tag(self, name: str, version: int, key: str, value: str) -> None:
        """Set a tag of a version."""
        with self._db.writing() as connection:
            _touch_version(connection, name, version)
            connection.execute(SET_VERSION_TAG, (name, version, key, value))

    def delete_model_version_tag(self, name: str, version: int, key: str) -> None:
        """Remove a tag of a version; none there is no error, as in MLflow."""
        with self._db.writing() as connection:
            _touch_version(connection, name, version)
            connection.execute(
                "DELETE FROM model_version_tags WHERE name = ? AND version = ? AND key = ?",
                (name, version, key),
            )

    def search_model_versions(
        self,
        *,
        filter: str = "",
        order_by: Sequence[str] = (),
        max_results: int = 10_000,
        page_token: str | None = None,
    ) -> Page[ModelVersion]:
        """Versions that fulfil the filter, the last changed first unless said otherwise."""
        from bis.tracking.search import search
        from bis.tracking.search_subjects import MODEL_VERSIONS

        with self._db.reading():
            found = search(
                self._db,
                MODEL_VERSIONS,
                _VERSION,
                filter=filter,
                order_by=order_by,
                max_results=max_results,
                page_token=page_token,
            )
            return Page(tuple(self._versions_of(found.items)), found.next_token)

    def latest_versions(self, name: str, stages: Sequence[str] = ()) -> tuple[ModelVersion, ...]:
        """The newest version of each of these stages (of every stage when none is given)."""
        wanted = [canonical_stage(stage) for stage in stages] or list(STAGES)
        newest: dict[str, ModelVersion] = {}
        for version in self._versions("WHERE m.name = ? ORDER BY m.version", (name,)):
            newest[version.stage] = version
        return tuple(newest[stage] for stage in wanted if stage in newest)

    def _registered(self, tail: str, parameters: Sequence[object]) -> list[RegisteredModel]:
        with self._db.reading():
            return self._registered_of(
                self._db.rows(f"SELECT {_MODEL} FROM registered_models m {tail}", parameters)
            )

    def _registered_of(self, rows: Sequence[Sequence[Any]]) -> list[RegisteredModel]:
        """The registered models of these rows, of which more columns may follow."""
        from bis.tracking.registry_model import RegisteredModel  # `bis run` itself has no models

        found: list[RegisteredModel] = []
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            names = [row[0] for row in part]
            tags: dict[str, dict[str, str]] = {name: {} for name in names}
            aliases: dict[str, dict[str, int]] = {name: {} for name in names}
            newest: dict[str, dict[str, ModelVersion]] = {name: {} for name in names}
            for name, key, value in self._of_names(_MODEL_TAGS, names):
                tags[name][key] = value
            for name, alias, version in self._of_names(_ALIASES, names):
                aliases[name][alias] = version
            for version in self._versions_of(self._of_names(_NEWEST, names)):
                newest[version.name][version.stage] = version
            found += [
                RegisteredModel(*[*row[:4], tags[row[0]], aliases[row[0]], _by_stage(newest[row[0]])])
                for row in part
            ]
        return found

    def _of_names(self, select: str, names: list[str]) -> list[Any]:
        return self._db.rows(select.replace("$NAMES", ",".join("?" * len(names))), names)

    def _versions(self, tail: str, parameters: Sequence[object]) -> list[ModelVersion]:
        with self._db.reading():
            return self._versions_of(
                self._db.rows(f"SELECT {_VERSION} FROM model_versions m {tail}", parameters)
            )

    def _versions_of(self, rows: Sequence[Sequence[Any]]) -> list[ModelVersion]:
        """The versions of these rows, of which more columns may follow."""
        from bis.tracking.registry_model import ModelVersion

        found: list[ModelVersion] = []
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            tags: dict[tuple[str, int], dict[str, str]] = {(row[0], row[1]): {} for row in part}
            aliases: dict[tuple[str, int], list[str]] = {(row[0], row[1]): [] for row in part}
            pairs = [value for pair in tags for value in pair]
            marks = ",".join(["(?, ?)"] * len(tags))
            for name, version, key, value in self._db.rows(f"{_VERSION_TAGS} (VALUES {marks})", pairs):
                tags[name, version][key] = value
            for name, version, alias in self._db.rows(f"{_VERSION_ALIASES} (VALUES {marks})", pairs):
                aliases[name, version].append(alias)
            found += [
                ModelVersion(*[*row[:10], tags[row[0], row[1]], tuple(aliases[row[0], row[1]])])
                for row in part
            ]
        return found


_MODEL_TAGS = "SELECT name, key, value FROM registered_model_tags WHERE name IN ($NAMES)"
_ALIASES = "SELECT name, alias, version FROM registered_model_aliases WHERE name IN ($NAMES)"
_NEWEST = (
    f"SELECT {_VERSION} FROM model_versions m JOIN (SELECT name, stage, MAX(version) AS version FROM model_versions"
    " WHERE name IN ($NAMES) GROUP BY name, stage) n ON n.name = m.name AND n.version = m.version"
)
_VERSION_TAGS = "SELECT name, version, key, value FROM model_version_tags WHERE (name, version) IN"
_VERSION_ALIASES = "SELECT name, version, alias FROM registered_model_aliases WHERE (name, version) IN"
SET_MODEL_TAG = (
    "INSERT INTO registered_model_tags (name, key, value) VALUES (?, ?, ?)"
    " ON CONFLICT (name, key) DO UPDATE SET value = excluded.value"
)
SET_VERSION_TAG = (
    "INSERT INTO model_version_tags (name, version, key, value) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (name, version, key) DO UPDATE SET value = excluded.value"
)
SET_ALIAS = (
    "INSERT INTO registered_model_aliases (name, alias, version) VALUES (?, ?, ?)"
    " ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version"
)


def _by_stage(newest: dict[str, ModelVersion]) -> tuple[ModelVersion, ...]:
    return tuple(newest[stage] for stage in STAGES if stage in newest)


def canonical_stage(stage: str) -> str:
    """The stage as it is written, whatever the case it was given in."""
    for known in STAGES:
        if stage.lower() == known.lower():
            return known
    raise invalid(f"Invalid Model Version stage: {stage[:100]}. Value must be one of {', '.join(STAGES)}.")


def _unknown_model(name: str) -> Exception:
    return absent(f"Registered Model with name={name[:100]} not found")


def _unknown_version(name: str, version: int) -> Exception:
    return absent(f"Model Version (name={name[:100]}, version={version}) not found")


def _touch_model(connection: Statements, name: str) -> None:
    """Note that the model changes; refused when there is none."""
    if not connection.execute(
        "UPDATE registered_models SET last_updated_time = ? WHERE name = ?", (now_ms(), name)
    ).rowcount:
        raise _unknown_model(name)


def _touch_version(connection: Statements, name: str, version: int) -> None:
    """Note that the version changes; refused when there is none."""
    if not connection.execute(
        "UPDATE model_versions SET last_updated_time = ? WHERE name = ? AND version = ?",
        (now_ms(), name, version),
    ).rowcount:
        raise _unknown_version(name, version)
