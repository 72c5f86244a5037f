"""Runs over REST: their life, and finding them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.server.encoding import page
from bis.server.experiments import MOST_RESULTS
from bis.server.routes import reads, writes
from bis.server.run_data import run_tag
from bis.tracking.limits import check_tag
from bis.tracking.model import RunStatus, View
from bis.tracking.refusals import absent, invalid

if TYPE_CHECKING:
    from bis.server.encoding import Json
    from bis.server.routes import Call, Routes


def _create(call: Call) -> Json:
    fields = call.fields
    tags = [run_tag(item) for item in fields.objects("tags")]
    for tag in tags:
        check_tag(tag)
    run = call.store.create_run(
        fields.text("experiment_id") or "0",
        name=fields.text("run_name"),
        user_id=fields.text("user_id"),
        start_time=fields.integer("start_time"),
        tags=tags,
    )
    return {"run": call.encoder.run(run)}


def _get(call: Call) -> Json:
    return {"run": call.encoder.run(call.store.run(call.fields.run_id()))}


def _update(call: Call) -> Json:
    status = call.fields.text("status")
    if status and status not in RunStatus.__members__:
        raise invalid(f"Invalid value {status[:100]!r} for parameter 'status' supplied.")
    info = call.store.update_run(
        call.fields.run_id(),
        status=RunStatus[status] if status else None,
        end_time=call.fields.integer("end_time"),
        name=call.fields.text("run_name"),
    )
    return {"run_info": call.encoder.run_info(info)}


def _delete(call: Call) -> Json:
    call.store.delete_run(call.fields.run_id())
    return {}


def _restore(call: Call) -> Json:
    call.store.restore_run(call.fields.run_id())
    return {}


def _search(call: Call) -> Json:
    found = call.store.search_runs(
        call.fields.texts("experiment_ids"),
        filter=call.fields.text("filter"),
        order_by=call.fields.texts("order_by"),
        max_results=call.fields.max_results(1000, MOST_RESULTS),
        page_token=call.fields.text("page_token"),
        view=call.fields.choice("run_view_type", View, View.ACTIVE_ONLY),
    )
    return page("runs", [call.encoder.run(run) for run in found.items], found)


def _move(call: Call) -> Json:
    """A word of bis's own: put a run into another experiment, which is named by its id or its name."""
    experiment_id = call.fields.text("experiment_id")
    if not experiment_id:
        name = call.fields.required("experiment_name")
        found = call.store.experiment_named(name)
        if found is None:
            raise absent(f"Could not find experiment with name '{name[:500]}'")
        experiment_id = found.experiment_id
    call.store.move_run(call.fields.run_id(), experiment_id)
    return {"experiment_id": experiment_id}


ROUTES: Routes = (
    writes(
        "POST",
        "mlflow/runs/create",
        _create,
        "experiment_id run_name user_id start_time:int tags:NewTag[]",
        "run:Run!",
    ),
    reads("GET", "mlflow/runs/get", _get, "run_id! run_uuid", "run:Run!"),
    writes(
        "POST",
        "mlflow/runs/update",
        _update,
        "run_id! run_uuid status:RunStatus end_time:int run_name",
        "run_info:RunInfo!",
    ),
    writes("POST", "mlflow/runs/delete", _delete, "run_id!"),
    writes("POST", "mlflow/runs/restore", _restore, "run_id!"),
    reads(
        "POST",
        "mlflow/runs/search",
        _search,
        "experiment_ids[] filter run_view_type:View max_results:int order_by[] page_token",
        "runs:Run[] next_page_token",
    ),
    writes("POST", "bis/runs/move", _move, "run_id! experiment_id experiment_name", "experiment_id!"),
)
