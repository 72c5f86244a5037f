"""One execution of a plan on this machine."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from bis.errors import BisError, ExecutionError
from bis.execution import enclosing
from bis.execution.folders import FoundFolders
from bis.execution.group import Command
from bis.execution.interruption import Interruption, on_signals
from bis.execution.output import Streams
from bis.execution.record import Record
from bis.execution.supervision import KILL_AFTER_S, Ending, supervise
from bis.execution.tracked import Placement, TrackedRun, is_remote
from bis.execution.variables import PROBE, command_variables, loopback_variables, remote_variables
from bis.liveness import REPORT_MARK, Owner, RunningDirectory, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bis.client.system_metrics import Sampling
    from bis.environments import Environment
    from bis.execution.container import ContainerStart
    from bis.execution.watch import Observer, Watched
    from bis.execution.watch.tracing import Tracer
    from bis.home import Home
    from bis.plans import Prepared
    from bis.server.loopback import LoopbackServer
    from bis.tracking import Run, Store


@dataclass(frozen=True)
class Options:
    """How to execute: what does not decide the result."""

    placement: Placement = field(default_factory=Placement)
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of ``--env-file``."""
    timeout_s: float | None = None
    streams: Streams = field(default_factory=Streams.of_process)
    storage: Path | None = None
    """Where path parameters are downloaded to (``--storage-dir``); default: the running directory."""
    trace: Literal["audit", "full"] = "audit"
    """Who looks at the run: the probe in each Python process, or also an observer that sees every program."""
    kill_after_s: float = KILL_AFTER_S
    """Between TERM and KILL, when the run is ended before its time."""
    repeats: str | None = None
    """The id of the run that this one repeats."""
    quiet: bool = False
    """The runs that it starts say nothing of themselves."""
    system_metrics_s: float | None = None
    """Log how busy the machine is, each so many seconds."""


@dataclass(frozen=True)
class Outcome:
    """How it ended, as recorded."""

    record: Record
    run: Run


class Execution:
    """``begin`` makes the run, ``carry_on`` executes it and blocks until all is recorded."""

    def __init__(
        self,
        prepared: Prepared,
        environment: Environment,
        *,
        store: Store,
        home: Home,
        options: Options,
        notify: Callable[[str], None],
    ) -> None:
        self._prepared = prepared
        self._environment = environment
        self._store = store
        self._home = home
        self._options = options
        self._notify = notify
        self._interruption = Interruption()
        self._running: RunningDirectory
        self._tracked: TrackedRun
        self._downloaded: Mapping[str, str] = {}
        self._observer: Observer | None = None
        self._folders = FoundFolders()
        self._container: ContainerStart | None = None
        self._sampling: Sampling | None = None
        self._server_url = store.uri
        self._held = contextlib.ExitStack()

    def begin(self) -> str:
        """Fetch the inputs and create the run, marked as alive; returns its id. When it raises, there is no run."""
        if self._environment.engine is not None:
            from bis.execution import container

            container.check(self._environment, self._prepared.source.directory)
        self._running = RunningDirectory.create(self._home)
        self._held.callback(self._running.close)
        self._held.callback(self._interruption.close)
        try:
            self._held.enter_context(self._environment.hold())
            downloaded = {**self._prepared.places, **self._download()}
            wanted = self._options.placement.run_id or self._running.token
            tracking_uri = self._store.uri if is_remote(self._store) else None
            self._running.belong_to(Owner(wanted, tracking_uri))
            self._tracked = TrackedRun.begin(
                self._store, self._prepared, self._options.placement, wanted_id=wanted
            )
            if self._tracked.run_id != wanted:
                self._running.belong_to(Owner(self._tracked.run_id, tracking_uri))
        except BaseException:
            self._held.close()
            raise
        self._held.callback(self._prepared.source.close)
        self._downloaded = downloaded
        return self._tracked.run_id

    def cancel(self) -> None:
        """Ask for the end of the run, from any thread."""
        self._interruption.interrupt("cancelled")

    def carry_on(self) -> Outcome:
        """Execute the command and record how it ended. The run is never left RUNNING, whatever is raised."""
        try:
            with on_signals(self._interruption.interrupt):
                self._tracked.describe(self._prepared, self._downloaded, self._home, self._notify)
                ending, command = self._execute(self._downloaded)
                if ending.log_fault:
                    self._notify(f"the output was not kept whole: {ending.log_fault}")
                record = self._record(ending, command)
                outcome = Outcome(record, self._tracked.end(record, self._running.log))
                if ending.stopped_by is not None:
                    sweep(self._home, notify=self._notify)  # runs inside this one that were killed with it
                return outcome
        except BaseException as error:
            self._mark_failed()
            if isinstance(error, (BisError, OSError)):
                raise self._begun(error) from error
            raise
        finally:
            self._held.close()

    def _mark_failed(self) -> None:
        try:
            self._tracked.fail()
        except BisError:  # what was raised first says more; the next bis will mark it
            self._running.leave()

    def _begun(self, error: BisError | OSError) -> ExecutionError:
        """The error as one of a run that had begun, which has another exit status."""
        message = error.message if isinstance(error, BisError) else str(error)
        hint = error.hint if isinstance(error, BisError) else None
        return ExecutionError(f"run {self._tracked.run_id[:8]} could not go on: {message}", hint=hint)

    def _download(self) -> dict[str, str]:
        """Fetch the path parameters that lie elsewhere; returns name to local path."""
        downloads = self._prepared.downloads
        if not downloads:
            return {}
        from bis import projects, tracking

        self._notify(f"Downloading {', '.join(downloads)}")
        directory = self._storage()
        return projects.download_all(
            sorted(self._prepared.plan.parameters),  # in the order in which a plan is read back
            downloads,
            directory,
            resolve=lambda uri: tracking.resolve_artifact_uri(self._store, uri, directory / "tracked"),
        )

    def _storage(self) -> Path:
        if self._options.storage is None:
            return self._running.path / "inputs"
        import tempfile
        from pathlib import Path

        self._home.ensure(self._options.storage)
        return Path(tempfile.mkdtemp(dir=self._options.storage))

    def _execute(self, downloaded: Mapping[str, str]) -> tuple[Ending, str]:
        if self._environment.engine is not None:
            self._contain(downloaded)
        container = self._container
        command = self._prepared.plan.command(downloaded) if container is None else container.command()
        strict = self._prepared.plan.level == "strict"
        server = None if is_remote(self._store) else self._serve()
        env = self._variables(server)
        before: list[str] = []
        if container is not None:
            before, env = container.words(env, self._running.report)
        self._folders = FoundFolders.of(self._prepared.source.directory)
        tracer = self._trace() if self._options.trace == "full" else None
        try:
            ending = supervise(
                Command(
                    command,
                    cwd=self._prepared.source.directory if container is None else self._running.path,
                    env=env,
                    fix_addresses=strict and container is None,
                    words_before=before if tracer is None else tracer.words,
                    descriptors=() if tracer is None else (tracer.descriptor,),
                    clean_up=() if container is None else container.clean_up,
                ),
                log=self._running.log,
                streams=self._options.streams,
                interruption=self._interruption,
                timeout_s=self._options.timeout_s,
                on_start=lambda session: self._started(session, server, tracer),
                on_stop=self._stopping,
                kill_after_s=self._options.kill_after_s,
            )
        finally:
            self._finish(server, tracer)
        if strict and not ending.addresses_fixed:
            self._notify("this system keeps address randomization on: sets of objects may change their order")
        return ending, command

    def _finish(self, server: LoopbackServer | None, tracer: Tracer | None) -> None:
        """End what went on beside the command."""
        if self._sampling is not None:
            self._sampling.stop()
        if tracer is not None:
            self._observer = tracer.finish()
        if server is not None:
            self._server_url = server.url
            server.stop()
        if self._container is not None:
            self._container.finish(self._running.report)

    def _contain(self, downloaded: Mapping[str, str]) -> None:
        """Make what the container starts with; from here on the source is its own copy."""
        from bis.execution.container import ContainerStart

        self._container = ContainerStart(
            self._environment,
            self._prepared.source,
            plan=self._prepared.plan,
            downloaded=downloaded,
            steps=self._prepared.steps,
            running=self._running.path,
            home=self._home,
            run_id=self._tracked.run_id,
            notify=self._notify,
        )
        self._prepared = replace(self._prepared, source=self._container.source)

    def _trace(self) -> Tracer | None:
        from bis.execution.watch.observers import AUDIT_HOOK
        from bis.execution.watch.tracing import Tracer, is_possible

        if self._container is not None:
            self._observer = AUDIT_HOOK.because("the programs of a container are no children of this process")
            return None
        if not is_possible():
            self._observer = AUDIT_HOOK.because("only Linux lets every program be observed")
            return None
        prefix = self._environment.prefix
        return Tracer(
            self._running.report,
            directory=self._prepared.source.directory,
            passed_over=() if prefix is None else (prefix,),
        )

    def _started(self, session: int, server: LoopbackServer | None, tracer: Tracer | None) -> None:
        """Do what can be done while the user's interpreter starts."""
        if self._options.system_metrics_s is not None:
            self._sample(session, self._options.system_metrics_s)
        if tracer is not None:
            tracer.started()
        if server is not None:
            server.start()
        import bis.execution.watch  # noqa: F401

    def _sample(self, session: int, interval_s: float) -> None:
        from bis.execution.system_metrics import sampling

        uri = self._store.uri if is_remote(self._store) else None
        run_id = self._tracked.run_id
        self._sampling = sampling(self._home, uri, run_id, session, interval_s, notify=self._notify)
        self._sampling.start()

    def _stopping(self, reason: str) -> None:
        is_inside = self._options.placement.parent_run_id is not None  # the run around it has said so
        if reason.startswith("SIG") and not is_inside:
            self._notify(f"{reason}: ending the command; once more ends it at once")

    def _serve(self) -> LoopbackServer:
        from bis.server.loopback import LoopbackServer

        socket_file = None if self._container is None else self._container.socket
        return LoopbackServer(self._home.database, self._home.artifacts, socket_file=socket_file)

    def _variables(self, server: LoopbackServer | None) -> dict[str, str]:
        run_id, experiment_id = self._tracked.run_id, self._tracked.experiment_id
        caller = {**os.environ, **self._options.variables}
        if server is None:
            tracking = remote_variables(uri=self._store.uri, run_id=run_id, experiment_id=experiment_id)
        else:
            tracking = loopback_variables(
                caller, url=server.url, token=server.token, run_id=run_id, experiment_id=experiment_id
            )
        variables = command_variables(
            os.environ if self._container is None else {},
            self._prepared.plan,
            self._environment,
            named=self._options.variables,
            tracking=tracking,
            report=self._report(),
        )
        if self._container is not None:  # no bis can be started in there
            return variables
        return {**variables, enclosing.VARIABLE: str(self._tell_nested(variables))}

    def _tell_nested(self, variables: Mapping[str, str]) -> Path:
        """Write down what the runs that the command starts have to know of this one; returns the file."""
        put, before = enclosing.changed_variables(os.environ, variables, self._options.variables)
        file = self._running.path / enclosing.FILE
        enclosing.Enclosing(
            run_id=self._tracked.run_id,
            home=str(self._home.root),
            command=enclosing.boot_command(),
            put=put,
            before=before,
            of_environment=enclosing.environment_names(self._environment, os.environ),
            folders=(str(PROBE), *map(str, self._environment.import_paths)),
            manager=self._prepared.lock.manager,
            trace=self._options.trace,
            kill_after_s=self._options.kill_after_s,
            repeats=self._options.repeats,
            quiet=self._options.quiet,
            root=str(self._prepared.source.root),
            source=enclosing.source_document(self._prepared.source),
        ).write(file)
        return file

    def _report(self) -> Path:
        """The directory that the probe writes what it sees into."""
        report = self._running.report
        report.mkdir()
        (report / REPORT_MARK).touch()
        return report

    def _watched(self, command: str) -> Watched:
        from bis.execution.watch import AUDIT_HOOK, collect

        watched = collect(
            self._running.report,
            source=self._prepared.source,
            environment=self._environment,
            plan=self._prepared.plan,
            home=self._home,
            command=command,
            downloaded=self._downloaded,
            server=self._server_url,
            observer=self._observer or AUDIT_HOOK,
            folders=self._folders,
        )
        for path in watched.changed_while_read:
            self._notify(f"{path} changed while the run read it: what was read is not known")
        return watched

    def _record(self, ending: Ending, command: str) -> Record:
        from bis.execution.watch import fingerprint

        started_ms = self._tracked.started_ms
        ended_ms = max(started_ms, time.time_ns() // 1_000_000)
        watched = self._watched(command)
        peaks = [peak for peak in (ending.usage.memory_peak_bytes, watched.memory_peak_bytes) if peak]
        return Record(
            run_id=self._tracked.run_id,
            plan_digest=self._prepared.plan.digest,
            command=command,
            status=_status(ending),
            exit_code=ending.exit_code,
            stopped_by=ending.stopped_by,
            started_ms=started_ms,
            ended_ms=ended_ms,
            duration_s=ending.duration_s,
            directory=str(self._prepared.source.directory),
            environment_created=self._environment.created,
            environment_s=self._environment.seconds,
            host=fingerprint(),
            watched=watched,
            cpu_s=ending.usage.cpu_s,
            memory_peak_bytes=max(peaks, default=None),
            addresses_fixed=ending.addresses_fixed,
        )


def _status(ending: Ending) -> str:
    if ending.stopped_by is None:
        return "FINISHED" if ending.exit_code == 0 else "FAILED"
    return "FAILED" if ending.stopped_by == "timeout" else "KILLED"
