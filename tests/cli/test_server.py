"""``bis server``, ``bis ui`` and ``bis tokens``, as processes on loopback."""

from __future__ import annotations

import base64
import json
import os
import pty
import signal
import socket
import sqlite3
import sys
import threading
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from bis_server import serving
from object_stores import s3_server, use_s3

if TYPE_CHECKING:
    from pathlib import Path

    from bis_command import Bis
    from raw_http import Wire

API = "/api/2.0/mlflow"
SECRET = "value-of-a-parameter"


_ASKED = f"{API}/experiments/get?experiment_id=0"
WAYS_ROUND = [
    (f"GET {_ASKED}", ""),
    (f"GET /{_ASKED}", ""),
    (f"GET http://localhost{_ASKED}", ""),
    (f"GET /health/..{_ASKED}", ""),
    (f"GET /health;{_ASKED}", ""),
    ("GET /health%2f..%2fapi/2.0/mlflow/experiments/get?experiment_id=0", ""),
    ("GET /API/2.0/mlflow/experiments/get?experiment_id=0", ""),
    ("GET /ajax-api/2.0/preview/mlflow/experiments/get?experiment_id=0", ""),
    (f"HEAD {_ASKED}", ""),
    (f"OPTIONS {_ASKED}", ""),
    ("POST /health", ""),
    ("DELETE /version", ""),
    ("GET /openapi.json", ""),
    ("GET /metrics", ""),
    (f"POST {API}/runs/search", ""),
    (f"GET {_ASKED}", "Authorization: Bearer\r\n"),
    (f"GET {_ASKED}", "Authorization: Basic Og==\r\n"),
    (f"GET {_ASKED}", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"),
    (f"GET {_ASKED}", "X-Original-URL: /health\r\nX-Rewrite-URL: /health\r\n"),
    (f"GET {_ASKED}", "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: localhost\r\n"),
    ("PUT /api/2.0/mlflow-artifacts/artifacts/x", ""),
    ("GET /get-artifact?path=x&run_uuid=y", ""),
]
"""Requests without a valid token, in every form that a check by path, method or header may overlook."""

BEYOND_READING = [
    f"POST {API}/runs/create",
    f"POST {API}/runs%2Fcreate",
    f"POST {API}/runs/search/../create",
    "POST /ajax-api/2.0/preview/mlflow/runs/create",
    "POST /api/3.0/mlflow/logged-models",
    f"DELETE {API}/registered-models/delete",
    "PUT /api/2.0/mlflow-artifacts/artifacts/search",
    f"PATCH {API}/registered-models/update",
    f"POST {API}/experiments/delete",
]


def create_run(wire: Wire) -> str:
    reply = wire.ask("POST", f"{API}/runs/create", {"experiment_id": "0"})
    assert reply.status == 200, reply.body
    return str(reply.json["run"]["info"]["run_id"])


def audit(bis: Bis) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (bis.home / "audit.jsonl").read_text().splitlines()]


def token(bis: Bis, role: str, *words: str) -> str:
    result = bis("tokens", "create", "--role", role, *words)
    assert result.status == 0, result.err
    return result.out.strip()


class TestListening:
    """Where it listens, and what it says."""

    def test_it_serves_the_home_on_loopback_without_a_token(self, bis: Bis) -> None:
        with serving(bis) as served:
            wire = served.wire(token="")
            run_id = create_run(wire)
            assert served.url.startswith("http://127.0.0.1:")
            assert f"MLFLOW_TRACKING_URI={served.url}" in served.log
            assert served.end() == 0
        assert [run["run_id"] for run in bis("list", "--json").json] == [run_id]

    def test_bis_ui_is_the_same_for_one_person(self, bis: Bis) -> None:
        with serving(bis, command="ui", BIS_HOST="0.0.0.0", BIS_ALLOWED_HOSTS="evil.com") as served:
            wire = served.wire()
            assert wire.ask("GET", f"{API}/experiments/get?experiment_id=0").status == 200
            assert wire.ask("GET", "/metrics", Host="evil.com").status == 403
            assert wire.ask("POST", f"{API}/runs/create", {}, Origin="http://evil.com").status == 403
            assert served.url.startswith("http://127.0.0.1:")

    def test_a_port_that_is_taken_is_said_with_a_way_out(self, bis: Bis) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            result = bis("server", "--port", str(port))
        assert result.status == 2
        assert f"port {port} is taken" in result.err
        assert "--port 0" in result.err

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--port", "x"), "is not a port"),
            (("--port", "65536"), "is not a port"),
            (("--host", "no.such.host.invalid"), "is not an address of this machine"),
            (("--host", "192.0.2.1"), "cannot listen at 192.0.2.1"),
            (("--store", "mysql://a/b"), "no store for mysql://"),
            (("--drain", "-1"), "is not a number of seconds"),
            (("--allowed-host", "https://a.example.org"), "is not a name"),
            (("--allowed-host", "*"), "is not a name"),
            (("--trusted-proxy", "proxy"), "is not an address"),
            (("--auth", "--no-auth"), "not allowed with"),
            (("--artifacts", "ftp://a/b"), "no artifacts at ftp://"),
            (("--artifacts", __file__), "is no folder"),
            (("--artifacts", f"{__file__}/below"), "is no folder"),
            (("--store", "."), "is a directory"),
            (("--audit", "."), "cannot write the log ."),
        ],
    )
    def test_a_wrong_option_is_said(self, bis: Bis, words: tuple[str, ...], said: str) -> None:
        result = bis("server", "--port", "0", *words)
        assert result.status == 2
        assert said in result.err

    def test_variables_stand_for_options(self, bis: Bis, tmp_path: Path) -> None:
        store = tmp_path / "team" / "store.db"
        log = tmp_path / "access.jsonl"
        (tmp_path / "url").write_text(f"sqlite:///{store}\n")
        with serving(
            bis, BIS_STORE_FILE=str(tmp_path / "url"), BIS_ACCESS_LOG=str(log), BIS_AUTH="yes"
        ) as served:
            create_run(served.wire())
            assert served.end() == 0
        assert store.exists()
        assert store.with_name("audit.jsonl").exists()
        assert not bis.home.exists()
        assert [json.loads(line)["route"] for line in log.read_text().splitlines()] == ["runs/create"]

    def test_artifacts_lie_where_it_is_said(
        self, bis: Bis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("obstore")
        path = "/api/2.0/mlflow-artifacts/artifacts/0/a.txt"
        with s3_server() as address:
            use_s3(address, monkeypatch, tmp_path)
            for place in (tmp_path / "files", "s3://bucket/team"):
                with serving(bis, "--artifacts", place, MLFLOW_S3_ENDPOINT_URL=address) as served:
                    assert served.wire().ask("PUT", path, b"content").status == 200
                    assert served.wire().ask("GET", path).body == b"content"
            with urllib.request.urlopen(f"{address}/bucket?list-type=2") as listed:
                assert b"<Key>team/0/a.txt</Key>" in listed.read()
        assert (tmp_path / "files" / "0" / "a.txt").read_bytes() == b"content"

    def test_a_client_that_comes_during_the_start_waits(self, bis: Bis) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = bis.start("server", "--port", str(port))
        try:
            while True:
                try:
                    early = socket.create_connection(("127.0.0.1", port), timeout=30)
                except ConnectionRefusedError:
                    assert process.poll() is None
                else:
                    break
            early.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert early.recv(100).startswith(b"HTTP/1.1 200")
            early.close()
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


class TestTokens:
    """Who may ask."""

    def test_beyond_loopback_a_token_is_made_at_the_first_start_and_asked(self, bis: Bis) -> None:
        with serving(bis, "--host", "0.0.0.0") as served:
            assert served.token.startswith("bis_")
            assert served.log.count(served.token) == 1
            assert "bis tokens create --role" in served.log
            assert served.wire(token="").ask("GET", f"{API}/experiments/get?experiment_id=0").status == 401
            assert served.wire().ask("GET", f"{API}/experiments/get?experiment_id=0").status == 200
            first = served.token
        with serving(bis, "--host", "0.0.0.0") as served:
            assert served.token == ""
            assert "MLFLOW_TRACKING_TOKEN=..." in served.log
            assert served.wire(first).ask("GET", "/metrics").status == 200

    def test_the_first_start_says_in_which_store_to_make_more(self, bis: Bis, tmp_path: Path) -> None:
        with serving(bis, "--auth", "--store", "my team.db") as served:
            assert f"bis tokens create --store '{tmp_path}/my team.db' --role write" in served.log

    def test_without_one_only_what_says_nothing_is_open(self, bis: Bis) -> None:
        with serving(bis, "--auth") as served:
            wire = served.wire(token="")
            for path in ("/health", "/version", "/ready"):
                assert wire.ask("GET", path, Authorization=None).status == 200
            for path in (
                "/",
                "/metrics",
                "/nothing",
                f"{API}/runs/get",
                "/api/2.0/mlflow-artifacts/artifacts/x",
            ):
                reply = wire.ask("GET", path, Authorization=None)
                assert (reply.status, reply.code) == (401, "CUSTOMER_UNAUTHORIZED")
                assert reply.headers["www-authenticate"].startswith("Basic")
            assert wire.ask("POST", f"{API}/runs/search", {}, Authorization=None).status == 401

    def test_no_form_of_a_request_goes_round_the_token(self, bis: Bis) -> None:
        with serving(bis, "--auth") as served:
            for line, more in WAYS_ROUND:
                wire = served.wire()
                head = f"{line} HTTP/1.1\r\nHost: localhost\r\n{more}Content-Type: application/json\r\n"
                wire.socket.sendall(f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
                reply = wire.socket.recv(65536)
                assert reply.split()[1] in (b"400", b"401"), line
                assert b"lifecycle_stage" not in reply
                wire.close()

    def test_no_form_of_a_request_goes_beyond_a_role(self, bis: Bis) -> None:
        with serving(bis, "--auth") as served:
            reading = token(bis, "read")
            for line in BEYOND_READING:
                wire = served.wire(reading)
                override = {"X_HTTP_Method_Override": "POST", "X_Original_URL": f"{API}/runs/search"}
                method, path = line.split(" ", 1)
                assert wire.ask(method, path, {"experiment_id": "0"}, **override).status in (403, 404, 405), (
                    line
                )
                wire.close()
            wire = served.wire(reading)
            found = wire.ask("GET", f"{API}/experiments/get-by-name?experiment_name=Default")
            assert found.json["experiment"]["lifecycle_stage"] == "active"
            assert "bis_runs_active 0" in wire.ask("GET", "/metrics").body.decode()

    def test_no_auth_in_so_many_words_asks_none_and_warns(self, bis: Bis) -> None:
        with serving(bis, "--host", "0.0.0.0", "--no-auth") as served:
            create_run(served.wire(token=""))
            assert "whoever reaches this address can read and delete everything" in served.log

    def test_a_name_for_others_asks_for_a_token_on_loopback_too(self, bis: Bis) -> None:
        with serving(bis, "--allowed-host", "mlflow.example.org") as served:
            path = f"{API}/experiments/get?experiment_id=0"
            assert served.wire(token="").ask("GET", path, Host="mlflow.example.org").status == 401
            assert served.wire().ask("GET", path, Host="mlflow.example.org").status == 200
            assert served.wire().ask("GET", path, Host="other.example.org").status == 403

    def test_roles_allow_what_they_say(self, bis: Bis) -> None:
        with serving(bis, "--auth") as served:
            reading, writing = (served.wire(token(bis, role)) for role in ("read", "write"))
            admin = served.wire()
            assert reading.ask("POST", f"{API}/runs/search", {"experiment_ids": ["0"]}).status == 200
            assert reading.ask("POST", f"{API}/runs/create", {"experiment_id": "0"}).status == 403
            create_run(writing)
            model = {"name": "m"}
            assert writing.ask("POST", f"{API}/registered-models/create", model).status == 200
            assert writing.ask("DELETE", f"{API}/registered-models/delete", model).status == 403
            assert admin.ask("DELETE", f"{API}/registered-models/delete", model).status == 200

    def test_basic_carries_a_token_as_password(self, bis: Bis) -> None:
        with serving(bis, "--auth") as served:
            pair = base64.b64encode(f"alice:{served.token}".encode()).decode()
            assert served.wire().ask("GET", "/metrics", Authorization=f"Basic {pair}").status == 200

    def test_a_revoked_token_is_refused_while_serving(self, bis: Bis) -> None:
        with serving(bis, "--auth") as served:
            made = bis("tokens", "create", "--role", "read", "--name", "bob", "--json").json
            wire = served.wire(made["token"])
            assert wire.ask("GET", "/metrics").status == 200
            assert bis("tokens", "revoke", made["id"]).out == f"Revoked {made['id']} (bob)\n"
            until = threading.Event()
            while wire.ask("GET", "/metrics").status == 200:
                until.wait(0.1)
            assert wire.ask("GET", "/metrics").status == 401

    def test_the_list_shows_no_secret(self, bis: Bis) -> None:
        text = token(bis, "read", "--name", "alice", "--expires", "7")
        shown = bis("tokens", "list")
        assert shown.status == 0
        assert text not in shown.out
        assert [word in shown.out for word in ("alice", "read", "valid")] == [True] * 3
        (document,) = bis("tokens", "list", "--json").json
        assert document["expires"] - document["created"] == pytest.approx(7 * 86_400_000, abs=5000)
        assert text.encode() not in (bis.home / "tracking.db").read_bytes()

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("create", "--role", "root"), "there is no value 'root'"),
            (("create", "--expires", "never"), "is not a number of days"),
            (("create", "--name", "a\nb"), "cannot be printed"),
            (("revoke", "abc"), "no token whose id begins with 'abc'"),
            (("create", "--expires", "0"), "above 0 and at most 36500"),
            (("list", "--store", "typo.db"), "there is no store at"),
            (("revoke", "abc", "--store", "typo.db"), "there is no store at"),
        ],
    )
    def test_wrong_use_is_said(self, bis: Bis, words: tuple[str, ...], said: str) -> None:
        result = bis("tokens", *words)
        assert result.status == 2
        assert said in result.err

    def test_who_guesses_waits_and_others_do_not(self, bis: Bis) -> None:
        with serving(bis, "--auth") as served:
            guesses = [served.wire() for _ in range(12)]
            for wire in guesses:
                wire.socket.sendall(
                    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n"
                )
            assert served.wire().ask("GET", "/metrics").status == 200
            statuses = sorted(wire.reply().status for wire in guesses)
            assert statuses == [401] * 8 + [429] * 4


class TestLogs:
    """What stands in the audit log and in the access log."""

    def test_writes_are_audited_with_who_and_what(self, bis: Bis) -> None:
        with serving(bis, "--auth") as served:
            made = bis("tokens", "create", "--role", "write", "--name", "alice", "--json").json
            wire = served.wire(made["token"])
            run_id = create_run(wire)
            param = {"run_id": run_id, "key": "p", "value": SECRET}
            assert wire.ask("POST", f"{API}/runs/log-parameter", param).status == 200
            assert wire.ask("POST", f"{API}/runs/log-parameter", {**param, "value": "other"}).status == 400
            assert wire.ask("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/a%0Ab", b"x").status == 200
            assert wire.ask("DELETE", "/api/2.0/mlflow-artifacts/artifacts/0/a%0Ab").status == 403
            assert wire.ask("POST", f"{API}/runs/search", {"experiment_ids": ["0"]}).status == 200
            assert served.wire("wrong").ask("POST", f"{API}/runs/create", {}).status == 401
            served.end()
        entries = audit(bis)
        assert [(one["method"], one["route"], one["status"]) for one in entries] == [
            ("POST", "runs/create", 200),
            ("POST", "runs/log-parameter", 200),
            ("POST", "runs/log-parameter", 400),
            ("PUT", "artifacts", 200),
            ("DELETE", "artifacts", 403),
        ]
        assert {(one["token"], one["name"], one["remote"]) for one in entries} == {
            (made["id"], "alice", "127.0.0.1")
        }
        assert entries[0]["ids"] == {"experiment_id": "0", "run_id": run_id}
        assert entries[1]["ids"] == {"run_id": run_id, "key": "p"}
        assert entries[3]["path"].endswith("/a\nb")
        text = (bis.home / "audit.jsonl").read_text()
        assert SECRET not in text
        assert made["token"] not in text

    def test_the_access_log_has_every_request(self, bis: Bis, tmp_path: Path) -> None:
        log = tmp_path / "log"
        with serving(bis, "--access-log", log, "--trusted-proxy", "127.0.0.1") as served:
            wire = served.wire(token="")
            wire.ask("GET", "/health")
            wire.ask("GET", "/nothing?token=bis_x", X_Forwarded_For="6.6.6.6, 203.0.113.9")
            served.end()
        first, second = (json.loads(line) for line in log.read_text().splitlines())
        assert (first["method"], first["route"], first["status"], first["bytes"]) == ("GET", "health", 200, 2)
        assert (second["route"], second["status"], second["remote"]) == ("other", 404, "203.0.113.9")
        assert "bis_x" not in log.read_text()

    def test_an_address_is_not_believed_from_anybody(self, bis: Bis, tmp_path: Path) -> None:
        with serving(bis, "--access-log", tmp_path / "log") as served:
            served.wire(token="").ask("GET", "/health", X_Forwarded_For="203.0.113.9")
            served.end()
        assert json.loads((tmp_path / "log").read_text())["remote"] == "127.0.0.1"

    def test_a_rotation_begins_a_new_file(self, bis: Bis, tmp_path: Path) -> None:
        log = tmp_path / "log"
        with serving(bis, "--access-log", log) as served:
            wire = served.wire(token="")
            wire.ask("GET", "/health")
            until = threading.Event()
            while not log.stat().st_size:  # a line is written when the answer is on its way
                until.wait(0.01)
            log.rename(tmp_path / "log.1")
            served.process.send_signal(signal.SIGHUP)
            while not log.exists():
                until.wait(0.01)
            wire.ask("GET", "/version")
            served.end()
        assert json.loads((tmp_path / "log.1").read_text())["route"] == "health"
        assert json.loads(log.read_text())["route"] == "version"


class TestWatching:
    """What those who run a server ask it."""

    def test_prometheus_reads_it(self, bis: Bis) -> None:
        from prometheus_client.parser import text_string_to_metric_families

        with serving(bis) as served:
            wire = served.wire(token="")
            create_run(wire)
            reply = wire.ask("GET", "/metrics")
        assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
        families = {one.name: one for one in text_string_to_metric_families(reply.body.decode())}
        assert families["bis_runs_active"].samples[0].value == 1
        assert families["bis_http_connections"].samples[0].value == 1
        assert families["bis_store_up"].samples[0].value == 1
        assert families["bis_store_writes_waiting"].samples[0].value == 0
        assert families["bis_store_groups"].samples[0].value == 1
        assert families["bis_store_grouped_writes"].samples[0].value == 1
        assert {"bis_http_requests", "bis_http_request_duration_seconds", "process_cpu_seconds"} <= set(
            families
        )

    def test_its_memory_is_small(self, bis: Bis) -> None:
        with serving(bis, "--auth") as served:
            wire = served.wire()
            for _ in range(50):
                create_run(wire)
            body = wire.ask("GET", "/metrics").body.decode()
        (line,) = [line for line in body.splitlines() if line.startswith("process_resident_memory_bytes")]
        assert float(line.split()[1]) < 80e6

    def test_check_says_what_is_there_and_what_is_not(self, bis: Bis, tmp_path: Path) -> None:
        fresh = bis("server", "--check", "--json")
        assert fresh.status == 0
        assert all(one["ok"] for one in fresh.json)
        assert not (bis.home / "tracking.db").exists()
        assert bis("list").status == 0
        assert bis("server", "--check").status == 0
        broken = tmp_path / "broken.db"
        broken.write_bytes(b"no database" * 1000)
        result = bis("server", "--check", "--store", broken, "--json")
        assert result.status == 1
        assert result.json[0]["ok"] is False

    @pytest.mark.parametrize(
        ("store", "artifacts", "said"),
        [
            (".", "files", "is a directory"),
            ("mlflow.db", "files", "a database of MLflow"),
            ("file/t.db", "files", "is no folder"),
            ("deep/er/t.db", "file", "is no folder"),
            ("deep/er/t.db", "file/below", "is no folder"),
        ],
    )
    def test_check_makes_nothing_and_says_what_is_in_the_way(
        self, bis: Bis, tmp_path: Path, store: str, artifacts: str, said: str
    ) -> None:
        (tmp_path / "file").touch()
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num)")
        before = set(tmp_path.rglob("*"))
        found = bis("server", "--check", "--json", "--store", store, "--artifacts", artifacts)
        assert found.status == 1
        assert [said in one["detail"] for one in found.json if not one["ok"]] == [True]
        assert set(tmp_path.rglob("*")) == before

    def test_systemd_hears_of_its_life(self, bis: Bis, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(tmp_path / "n"))
            manager.settimeout(30)
            with serving(bis, NOTIFY_SOCKET=str(tmp_path / "n")) as served:
                assert manager.recv(1000).decode().split("\n") == ["READY=1", f"MAINPID={served.process.pid}"]
                served.end()
                assert manager.recv(1000) == b"STOPPING=1"


class TestEnding:
    """How it ends."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_answers_what_it_accepted(self, bis: Bis, number: int) -> None:
        with serving(bis) as served:
            wire = served.wire(token="")
            run_id = create_run(wire)
            body = json.dumps({"run_id": run_id, "key": "m", "value": 1, "timestamp": 1}).encode()
            head = f"POST {API}/runs/log-metric HTTP/1.1\r\nHost: localhost\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            wire.socket.sendall(head.encode() + body[:5])
            threading.Event().wait(0.2)
            served.process.send_signal(number)
            threading.Event().wait(0.2)
            wire.socket.sendall(body[5:])
            assert wire.reply().status == 200
            assert served.process.wait(30) == 0
            with pytest.raises(ConnectionRefusedError):
                served.wire()
        assert bis("show", run_id, "--json").json["metrics"]["m"] == 1

    def test_it_says_that_it_is_about_to_end_while_it_drains(self, bis: Bis) -> None:
        with serving(bis, "--drain", "60") as served:
            assert served.wire(token="").ask("GET", "/ready").status == 200
            served.process.send_signal(signal.SIGTERM)
            until = threading.Event()
            while served.wire(token="").ask("GET", "/ready").status == 200:
                until.wait(0.01)
            reply = served.wire(token="").ask("GET", "/ready")
            assert reply.status == 503
            assert served.wire(token="").ask("GET", "/health").status == 200
            assert served.end() == 128 + signal.SIGTERM  # the second signal ends it at once

    def test_it_ends_with_its_terminal(self, bis: Bis) -> None:
        child, leader = pty.fork()
        if child == 0:
            words = [sys.executable, "-m", "bis", "server", "--port", "0"]
            os.execve(sys.executable, words, bis.environ())
        shown = b""
        while b"MLFLOW_TRACKING_URI" not in shown:
            shown += os.read(leader, 1000)
        os.close(leader)  # which hangs up
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def test_a_request_that_never_ends_does_not_keep_it(self, bis: Bis) -> None:
        with serving(bis, "--grace", "0.2") as served:
            wire = served.wire(token="")
            wire.socket.sendall(
                b"PUT /api/2.0/mlflow-artifacts/artifacts/0/x HTTP/1.1\r\nHost: localhost\r\n"
            )
            wire.socket.sendall(b"Content-Length: 10\r\n\r\nhalf")
            threading.Event().wait(0.2)
            assert served.end() == 0
        assert not (bis.home / "artifacts" / "0" / "x").exists()


def test_no_password_of_a_database_is_shown(bis: Bis) -> None:
    """It comes by a variable, and stands neither in the process list nor in what is said."""
    url = "postgresql://bis:topsecret@127.0.0.1:1/none"
    result = bis("server", "--port", "0", BIS_STORE=url)
    assert result.status == 2
    assert "topsecret" not in result.out + result.err
    assert result.err.count("\n") <= 3
