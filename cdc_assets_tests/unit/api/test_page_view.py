"""What the page makes of a pipeline's document: every word has a tone, and only buttons that can work are shown."""

from typing import Any

import pytest

from cdc_assets.api.page.links import DagsterLinks
from cdc_assets.api.page.view import PipelineView, bytes_text, pipeline_view
from cdc_assets.model.status import Intent, PipelineStatus, TableState

_LINKS = DagsterLinks("http://ui:3000")


def _document(status: str, state: str = "STREAMING", **table: object) -> dict[str, Any]:
    return {
        "name": "sales",
        "mode": "full_load_and_cdc",
        "status": status,
        "intent": Intent.RUNNING,
        "slot_name": "cdc_sales",
        "updated_at": "2026-01-31T08:00:05+00:00",
        "last_error": None,
        "source": {"connection": "app", "database": "shop", "schema": "public"},
        "target": {"connection": "dw", "database": "dw", "schema": "dbo"},
        "tables": [
            {"name": "a/b", "target_table": "a/b", "state": state, "rows_loaded": 0, "rows_estimated": None, **table}
        ],
    }


def _view(status: str, state: str = "STREAMING", **table: object) -> PipelineView:
    return pipeline_view(_document(status, state, **table), _LINKS)


@pytest.mark.parametrize("status", PipelineStatus)
@pytest.mark.parametrize("state", TableState)
def test_every_word_is_shown(status: PipelineStatus, state: TableState) -> None:
    view = _view(status, state)
    assert (view.status, view.tables[0].state) == (status, state)


def test_only_what_can_be_done_is_offered() -> None:
    assert _view("RUNNING").actions == ("pause", "stop")
    assert _view("PAUSED").actions == ("resume", "stop")
    assert _view("INVALID").actions == ()
    assert _view("RUNNING", "STREAMING").tables[0].action == "pause"
    assert _view("ERROR", "QUARANTINED").tables[0].action == "resume"
    assert _view("RUNNING", "LOADING").tables[0].action is None


@pytest.mark.parametrize(
    ("rows", "estimated", "percent"), [(0, None, 0), (1, 0, 0), (50, 200, 25), (200, 200, 99), (900, 200, 99)]
)
def test_an_estimate_never_says_that_a_load_is_done(rows: int, estimated: int | None, percent: int) -> None:
    view = _view("STARTING", "LOADING", rows_loaded=rows, rows_estimated=estimated)
    assert (view.tables[0].percent, view.percent) == (percent, percent)


def test_trouble_is_told_once_with_its_fix() -> None:
    told = {"last_error": "it broke. Fix: mend it", "last_error_code": "CONNECTOR_FAILED"}
    whole = pipeline_view({**_document("ERROR"), **told}, _LINKS)
    assert whole.trouble is not None
    assert (whole.trouble.code, whole.trouble.what, whole.trouble.fix) == ("CONNECTOR_FAILED", "it broke", "mend it")
    both = pipeline_view({**_document("ERROR", "QUARANTINED", **told), **told}, _LINKS)
    assert both.trouble is None
    assert both.tables[0].trouble == whole.trouble


def test_names_are_quoted_in_addresses() -> None:
    view = _view("RUNNING")
    assert view.tables[0].link == "http://ui:3000/assets/dw/dw/dbo/a%2Fb"
    assert view.runs == "http://ui:3000/runs?q[0]=tag%3Acdc_assets/pipeline%3Dsales"


def test_sizes_have_units() -> None:
    assert [bytes_text(size) for size in (0, 1023, 1024, 5 * 1024**3, 3 * 1024**4)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 GiB",
        "3.0 TiB",
    ]
