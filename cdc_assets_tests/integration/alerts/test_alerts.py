"""What operators would lose: that they are told, once, though a receiver is slow or away and processes die."""

import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from threading import Event

import psycopg
import pytest
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets import wiring
from cdc_assets.cli.pipelines import _alert_checks
from cdc_assets.model.errors import DefinitionError
from cdc_assets.model.preflight import CheckStatus
from cdc_assets.model.status import Intent
from cdc_assets.settings import Settings
from cdc_assets.wiring.alerts import open_alert_book
from cdc_assets_tests.integration.state.run_process import OK, run_process
from cdc_assets_tests.integration.state.steps import STEPS, pipeline
from cdc_assets_tests.services.receivers import PASSWORD, TOKEN, Mailbox, Webhook

Configure = Callable[..., Settings]
TROUBLE = {"other table fails", "load fails", "error recorded", "table error gone", "load goes on", "error gone"}
FLOWING = [step for step in list(STEPS)[: list(STEPS).index("flowing") + 1] if step not in TROUBLE]
FAILED = list(STEPS)[: list(STEPS).index("error recorded") + 1]


def walk(settings: Settings, steps: list[str], name: str = "sales") -> None:
    """Lead a pipeline through these steps of its life, as a run does."""
    store = wiring.open_store(settings)
    store.ensure_pipeline(pipeline(name))
    if store.write_intent(name, Intent.RUNNING, cause="a test").suffix is not None:
        steps = [step for step in steps if STEPS[step].method != "set_names"]
    with store.take_lease(name, run_id="6f4bd1c6-7c4e-4b3e-8f8e-111111111111") as lease:
        for step in steps:
            STEPS[step].act(lease)
        lease.serve()


def tick(settings: Settings, log: list[str] | None = None) -> str:
    return wiring.send_alerts(settings, log=(log if log is not None else []).append)


def eventually(is_so: Callable[[], bool]) -> None:
    Retrying(retry=retry_if_not_result(bool), stop=stop_after_delay(60), wait=wait_fixed(0.1))(is_so)


def due_now(settings: Settings) -> None:
    """Let the pauses between tries be over."""
    with psycopg.connect(settings.database_url) as session:
        session.execute("UPDATE alert_messages SET next_try_at = clock_timestamp() - interval '1 second'")


def test_a_load_that_failed_arrives_as_mail_and_at_the_webhook_with_cause_fix_and_run(
    configure: Configure, mailbox: Mailbox, webhook: Webhook
) -> None:
    settings = configure(mail=mailbox.url, hook=webhook.url)
    tick(settings)
    walk(settings, FAILED)
    tick(settings)
    eventually(lambda: bool(mailbox.mails and webhook.received))
    (mail,) = mailbox.mails
    assert "Subject: sales: the full load failed (1 table)" in mail
    (post,) = webhook.received
    assert post["type"] == "failure"
    for part in (
        "orders: table orders cannot be read",
        "Fix: grant SELECT",
        "/runs/6f4bd1c6-7c4e-4b3e-8f8e-111111111111",
        "/api/pipelines/sales",
    ):
        assert part in post["message"]
        assert part in mail.replace("=\n", "")
    for _ in range(5):
        tick(settings)
    assert len(mailbox.mails) == len(webhook.received) == 1


def test_a_finished_load_is_told_once_also_by_a_process_that_begins_later(
    configure: Configure, webhook: Webhook
) -> None:
    settings = configure(hook=webhook.url)
    tick(settings)
    walk(settings, FLOWING)
    tick(settings)
    eventually(lambda: len(webhook.received) == 1)
    # What another process knows is what the database holds.
    wiring.alerts._book.cache_clear()
    tick(settings)
    assert webhook.titles == ["sales: the full load has finished"]


def test_what_a_look_at_the_stream_found_is_told_and_of_an_unknown_pipeline_nothing_is_noted(
    configure: Configure, webhook: Webhook
) -> None:
    settings = configure("failed_seconds: 3600", hook=webhook.url)
    tick(settings)
    walk(settings, FLOWING)
    store = wiring.open_store(settings)
    store.note("sales", "finding", None, "WAL_HELD", cause="the source keeps 9 GB. Fix: look")
    store.note("nobody", "finding", None, "WAL_HELD", cause="the source keeps 9 GB. Fix: look")
    assert store.events("nobody") == ()
    tick(settings)
    eventually(lambda: "sales: the source keeps much log" in webhook.titles)


@pytest.mark.parametrize("is_served", [False, True])
def test_a_run_that_was_killed_arrives_with_cause_and_fix(
    configure: Configure, webhook: Webhook, *, is_served: bool
) -> None:
    settings = configure(hook=webhook.url)
    tick(settings)
    walk(settings, FLOWING if is_served else [])
    store = wiring.open_store(settings)
    if not is_served:
        store.write_intent("sales", Intent.RUNNING, cause="a test")
        with psycopg.connect(settings.database_url) as session:
            session.execute("UPDATE pipelines SET served_version = intent_version - 1")
    with run_process(settings.database_url, life=timedelta(minutes=1)) as run:
        assert run.take("sales", "6f4bd1c6-7c4e-4b3e-8f8e-222222222222") == OK
        run.kill()
    with psycopg.connect(settings.database_url) as session:
        session.execute("UPDATE pipeline_leases SET expires_at = clock_timestamp() - interval '1 microsecond'")
    with store.take_lease("sales", run_id="6f4bd1c6-7c4e-4b3e-8f8e-333333333333"):
        pass
    tick(settings)
    eventually(lambda: "sales: a run died" in webhook.titles)
    message = next(each["message"] for each in webhook.received if each["title"] == "sales: a run died")
    assert "ended without a word" in message
    assert "Fix: nothing, it is tried again" in message
    assert "/runs/6f4bd1c6-7c4e-4b3e-8f8e" in message


def test_history_from_before_the_first_look_is_not_told(configure: Configure, webhook: Webhook) -> None:
    settings = configure(hook=webhook.url)
    walk(settings, FLOWING)
    tick(settings)
    tick(settings)
    assert webhook.received == []


def test_what_a_receiver_refuses_comes_again_and_is_seen_meanwhile(configure: Configure, webhook: Webhook) -> None:
    settings = configure(hook=webhook.url)
    tick(settings)
    webhook.status = 503
    walk(settings, FAILED)
    log: list[str] = []
    tick(settings, log)
    eventually(lambda: any("try 1" in line for line in log))
    shown = json.dumps(wiring.diagnose(settings, "sales"))
    assert "the receiver did not take the message: it answered HTTP 503" in shown
    notes = [each for each in wiring.open_store(settings).events("sales", limit=1000) if each.field == "alert"]
    refusal = "the receiver did not take the message: it answered HTTP 503"
    assert [each.cause for each in notes] == [f"channel hook: {refusal}"]
    webhook.status = 200
    due_now(settings)
    tick(settings)
    eventually(lambda: len(webhook.received) == 1)
    eventually(lambda: _report(settings)["waiting"] == 0)
    assert _report(settings)["last_error"] is None


def _report(settings: Settings) -> dict[str, object]:
    return asdict(open_alert_book(settings).reports(["hook"])[0])


def test_a_message_whose_sender_died_before_the_receiver_took_it_comes_again(
    configure: Configure, webhook: Webhook
) -> None:
    settings = configure(hook=webhook.url)
    webhook.status = 500
    tick(settings)
    walk(settings, FAILED)
    tick(settings)
    eventually(lambda: "500" in str(_report(settings)["last_error"]))
    due_now(settings)
    # Claimed, and then nothing more: as a process that was killed leaves it.
    assert open_alert_book(settings).claim("hook") is not None
    webhook.status = 200
    tick(settings)
    assert webhook.received == []
    due_now(settings)
    tick(settings)
    eventually(lambda: len(webhook.received) == 1)


def test_a_receiver_that_never_answers_holds_up_neither_the_tick_nor_the_other_receiver(
    configure: Configure, webhook: Webhook, mailbox: Mailbox
) -> None:
    settings = configure(hook=webhook.url, mail=mailbox.url)
    tick(settings)
    webhook.hold = Event()
    walk(settings, FAILED)
    begun = time.monotonic()
    tick(settings)
    tick(settings)
    # Without the deadline each would last the receiver's minute.
    assert time.monotonic() - begun < 45
    eventually(lambda: len(mailbox.mails) == 1)
    assert _report(settings)["last_error"] == "no answer yet"
    webhook.hold.set()
    eventually(lambda: len(webhook.received) == 1)


def test_of_a_receiver_that_is_away_for_long_one_reminder_waits_and_not_a_hundred(
    configure: Configure, webhook: Webhook
) -> None:
    settings = configure("remind_hours: 0.000001", hook=webhook.url)
    tick(settings)
    webhook.status = 503
    walk(settings, FAILED)
    for _ in range(10):
        tick(settings)
    assert _report(settings)["waiting"] == 1


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """What every library writes into a log that takes everything."""
    written = io.StringIO()
    handler, root = logging.StreamHandler(written), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def test_no_part_of_an_address_is_shown_anywhere(
    configure: Configure, webhook: Webhook, everything_logged: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    away = f"json://hook:{PASSWORD}@127.0.0.1:9/{TOKEN}"
    settings = configure(hook=webhook.url, away=away, odd=f"nosuch://{PASSWORD}@host/{TOKEN}")
    webhook.status = 401
    tick(settings)
    walk(settings, FAILED)
    log: list[str] = []
    tick(settings, log)
    eventually(lambda: sum("try 1" in line for line in log) == 3)
    seen = [*log, everything_logged.getvalue(), *capfd.readouterr(), json.dumps(wiring.diagnose(settings, "sales"))]
    answers = wiring.try_channels(settings)
    seen += [json.dumps(answers), everything_logged.getvalue(), *capfd.readouterr()]
    with psycopg.connect(settings.database_url) as session:
        for table in ("alert_messages", "alert_memory", "pipeline_events"):
            seen.append(str(session.execute(f"SELECT * FROM {table}").fetchall()))
    assert "the connection was refused" in str(answers["away"])
    assert "it answered HTTP 401" in str(answers["hook"])
    assert "cannot be used" in str(answers["odd"])
    for text in seen:
        assert TOKEN not in text
        assert PASSWORD not in text


def test_a_channel_that_left_the_file_is_told_nothing_more(configure: Configure, webhook: Webhook) -> None:
    settings = configure(hook=webhook.url)
    tick(settings)
    webhook.status = 503
    walk(settings, FAILED)
    tick(settings)
    configure(other=webhook.url)
    webhook.status = 200
    tick(settings)
    due_now(settings)
    configure(hook=webhook.url)
    tick(settings)
    assert webhook.received == []


def test_without_a_file_nobody_is_told_and_nothing_is_recorded(configure: Configure, webhook: Webhook) -> None:
    settings = configure(hook=webhook.url)
    settings.alerts_file.unlink()
    walk(settings, FAILED)
    assert "nobody is to be told" in tick(settings)
    assert "nobody is told" in str(wiring.diagnose(settings, "sales")["alerts"])


def test_check_names_a_bad_file(configure: Configure) -> None:
    settings = configure(hook="json://host")
    settings.alerts_file.write_text("chanels: {}\n")
    (found,) = _alert_checks(settings)
    assert (found.name, found.status, "chanels" in found.what) == ("alerts_valid", CheckStatus.WARN, True)
    settings.alerts_file.unlink()
    assert _alert_checks(settings) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("channels: {ops: {url: json://host/token}}", "alerts.yaml:1: channels.ops.url: an address holds passwords"),
        ("channels: {ops: {url: {env: A, file: B}}}", "must name either `env` or `file`"),
        ("channels: {}", "must hold at least one entry"),
        ("channels: {ops: {url: {env: A}, alerts: [load]}}", "alerts.yaml:1: channels.ops.alerts[1]"),
        ("chanels: {}", "did you mean `channels`?"),
        ("channels: {ops: {url: {env: A}}}\nlinks: {api: ftp://x}", "alerts.yaml:2: links.api: is no web address"),
    ],
)
def test_a_bad_file_is_named_with_line_and_fix(configure: Configure, content: str, said: str) -> None:
    settings = configure(hook="json://host")
    settings.alerts_file.write_text(content + "\n")
    with pytest.raises(DefinitionError) as refused:
        wiring.send_alerts(settings, log=print)
    assert said in str(refused.value)
    assert "token" not in str(refused.value).replace("passwords and tokens", "")
