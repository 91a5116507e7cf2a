"""Alerts: what the sensor calls at each tick, and what an operator asks about them.

A tick decides in one short transaction and hands the messages to one thread a receiver, which it waits for only
`_PATIENCE_SECONDS`: a receiver that is slow delays nobody. A message whose thread or process ends before the receiver
has taken it is tried again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from threading import Thread
from time import monotonic

from cdc_assets.adapters.definition_files import load_alerts
from cdc_assets.adapters.notifier import AppriseNotifier
from cdc_assets.adapters.pipeline_store import PostgresAlertBook
from cdc_assets.adapters.secret_reader import read_secret
from cdc_assets.model.alert import Alert, AlertChannel, AlertRules, Severity
from cdc_assets.model.errors import AlertError, DefinitionError, SecretMissingError, StateDatabaseError
from cdc_assets.model.pipeline_document import Json
from cdc_assets.model.record import Event
from cdc_assets.planning.alert_memory import AlertMemory
from cdc_assets.planning.alert_text import test_message
from cdc_assets.planning.alerts import decide
from cdc_assets.ports.alerts import AlertBook
from cdc_assets.settings import Settings, inherited_environment
from cdc_assets.wiring.basics import open_store

Log = Callable[[str], None]
_PATIENCE_SECONDS = 2.0
_AT_ONCE = 20
_busy: dict[tuple[str, str], Thread] = {}


def alert_rules(settings: Settings) -> AlertRules:
    """Return who is told what; no channel when there is no alerts file. DefinitionError when it cannot be used."""
    return load_alerts(
        settings.alerts_file,
        dagster_url=f"http://{_reachable(settings.ui_host)}:{settings.ui_port}",
        api_url=f"http://{_reachable(settings.api_host)}:{settings.api_port}",
    )


def send_alerts(settings: Settings, *, log: Log) -> str:
    """Decide what is to be told, and send what waits; returns one line about it.

    DefinitionError when the alerts file cannot be used, StateDatabaseError without a state database.
    """
    rules = alert_rules(settings)
    if not rules.channels:
        return f"nobody is to be told: there is no {settings.alerts_file.name}"
    book = open_alert_book(settings)
    records = open_store(settings).list_pipelines()

    def step(
        stored: str | None, mark: int, events: tuple[Event, ...], now: datetime
    ) -> tuple[str, int, Sequence[Alert]]:
        memory = AlertMemory(mark=mark) if stored is None else AlertMemory.from_json(stored)
        memory, alerts = decide(memory, records=records, events=events, rules=rules, now=now)
        for alert in alerts:
            log(f"alert: {alert.title}")
        return memory.to_json(), memory.mark, alerts

    added = book.update(step, rules.channels)
    deliver(settings.database_url, book, rules.channels, log=log)
    return f"{added} new messages"


def deliver(key: str, book: AlertBook, channels: Sequence[AlertChannel], *, log: Log) -> None:
    """Send what is due, to every channel at once; returns when all is sent, or after two seconds at most.

    A channel whose thread is still at work from an earlier tick is left to it, and not waited for again.
    """
    started: list[Thread] = []
    for channel in channels:
        busy = _busy.get((key, channel.name))
        if busy is None or not busy.is_alive():
            # Its end is not waited for at the end of the process: the message comes again.
            thread = Thread(target=_serve, args=(book, channel, log), name=f"alerts to {channel.name}", daemon=True)
            _busy[key, channel.name] = thread
            started.append(thread)
            thread.start()
    until = monotonic() + _PATIENCE_SECONDS
    for thread in started:
        thread.join(max(0.0, until - monotonic()))


def try_channels(settings: Settings, only: str | None = None) -> dict[str, str | None]:
    """Send a test message to each channel, or to one; returns the reason of each that did not take it.

    AlertError when there is no channel (of that name). No state database is needed.
    """
    rules = alert_rules(settings)
    chosen = [channel for channel in rules.channels if only in {None, channel.name}]
    if not chosen:
        known = ", ".join(channel.name for channel in rules.channels) or "none"
        what = "no channel is configured" if only is None else f"there is no channel {only} (known: {known})"
        raise AlertError(what, hint=f"see channels in {settings.alerts_file}")
    answers: dict[str, str | None] = {}
    for channel in chosen:
        title, body = test_message(channel.name, rules)
        try:
            _send(channel, title=title, body=body, severity=Severity.INFO)
            answers[channel.name] = None
        except (AlertError, SecretMissingError) as error:
            answers[channel.name] = str(error)
    return answers


def alert_report(settings: Settings) -> Json | str:
    """Return how each channel is served, for a report; a sentence when there is none."""
    try:
        channels = alert_rules(settings).channels
    except DefinitionError as error:
        return f"nobody is told: {error}"
    if not channels:
        return f"nobody is told: there is no {settings.alerts_file}"
    return {
        report.name: {
            "waiting": report.waiting,
            "given_up": report.given_up,
            "last_sent_at": report.last_sent_at,
            "last_error": report.last_error,
        }
        for report in open_alert_book(settings).reports([channel.name for channel in channels])
    }


def open_alert_book(settings: Settings) -> PostgresAlertBook:
    """What was told and what waits; one pool of sessions a process and URL."""
    return _book(settings.database_url)


@cache
def _book(database_url: str) -> PostgresAlertBook:
    return PostgresAlertBook(database_url)


def _serve(book: AlertBook, channel: AlertChannel, log: Log) -> None:
    """Send what is due to one receiver until it refuses one."""
    try:
        for _ in range(_AT_ONCE):
            due = book.claim(channel.name)
            if due is None:
                return
            try:
                _send(channel, title=due.title, body=due.body, severity=due.severity)
            except (AlertError, SecretMissingError) as error:
                book.refused(due, error.message)
                log(f"alert not delivered to {channel.name}, try {due.attempt}: {error.message}")
                return
            book.sent(due)
    except StateDatabaseError as error:
        # Not marked as sent: it comes again.
        log(f"alerts to {channel.name} wait: {error.message}")


def _send(channel: AlertChannel, *, title: str, body: str, severity: Severity) -> None:
    url = read_secret(channel.url, environment=inherited_environment().get)
    AppriseNotifier().send(url, title=title, body=body, severity=severity)


def _reachable(host: str) -> str:
    # An address that means "all" is none to connect to.
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
