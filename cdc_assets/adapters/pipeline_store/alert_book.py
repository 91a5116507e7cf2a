"""What was told to whom, in the state database: decided in one transaction, delivered at least once."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, RowMapping, case, delete, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from cdc_assets.adapters.pipeline_store.database import StateDatabase
from cdc_assets.adapters.pipeline_store.rows import event_record
from cdc_assets.adapters.pipeline_store.tables import alert_memory, alert_messages, pipeline_events, pipelines
from cdc_assets.model.alert import Alert, AlertChannel, ChannelReport, DueAlert, Severity
from cdc_assets.ports.alerts import Decide

_PAUSES = (timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=10))
_GIVEN_UP_AFTER = timedelta(days=3)
_KEPT = timedelta(days=30)
_EVENT_PAGE = 5000
_ON_ITS_WAY = "no answer yet"
_waits = alert_messages.c.sent_at.is_(None) & alert_messages.c.given_up_at.is_(None)


class PostgresAlertBook:
    """Implements `ports.alerts.AlertBook`."""

    def __init__(self, database_url: str) -> None:
        """Remember where the state database is; nothing connects before the first call."""
        self._database = StateDatabase(database_url, application="cdc_assets:alerts", pool_size=2)

    def close(self) -> None:
        """Close the pooled sessions."""
        self._database.close()

    def update(self, decide: Decide, channels: Sequence[AlertChannel]) -> int:
        """Decide once, in one transaction with what is stored; returns how many messages were added."""
        with self._database.change() as connection:
            # At the first time history is no news.
            newest = select(func.coalesce(func.max(pipeline_events.c.id), 0)).scalar_subquery()
            connection.execute(
                upsert(alert_memory)
                .values(only_row=True, mark=newest, updated_at=func.clock_timestamp())
                .on_conflict_do_nothing()
            )
            stored = (
                connection.execute(
                    select(alert_memory, func.clock_timestamp().label("now")).with_for_update(skip_locked=True)
                )
                .mappings()
                .one_or_none()
            )
            if stored is None:
                return 0
            events = connection.execute(
                select(pipeline_events)
                .where(pipeline_events.c.id > stored["mark"])
                .order_by(pipeline_events.c.id)
                .limit(_EVENT_PAGE)
            ).mappings()
            memory, mark, alerts = decide(
                stored["memory"], stored["mark"], tuple(event_record(event) for event in events), stored["now"]
            )
            if memory != stored["memory"]:
                connection.execute(
                    update(alert_memory).values(memory=memory, mark=mark, updated_at=func.clock_timestamp())
                )
            _tidy(connection, [channel.name for channel in channels])
            return sum(
                _add(connection, channel.name, alert)
                for alert in alerts
                for channel in channels
                if channel.takes(alert)
            )

    def claim(self, channel: str) -> DueAlert | None:
        """Take the oldest message that is due, with its next try put off."""
        due = (
            select(alert_messages.c.id)
            .where(alert_messages.c.channel == channel, _waits, alert_messages.c.next_try_at <= func.clock_timestamp())
            .order_by(alert_messages.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        pause = case(
            *((alert_messages.c.attempt == tried, pause) for tried, pause in enumerate(_PAUSES[:-1])), else_=_PAUSES[-1]
        )
        with self._database.change() as connection:
            row = (
                connection.execute(
                    update(alert_messages)
                    .where(alert_messages.c.id == due)
                    .values(
                        attempt=alert_messages.c.attempt + 1,
                        next_try_at=func.clock_timestamp() + pause,
                        last_error=func.coalesce(alert_messages.c.last_error, _ON_ITS_WAY),
                    )
                    .returning(alert_messages)
                )
                .mappings()
                .one_or_none()
            )
        if row is None:
            return None
        return DueAlert(
            row["id"], channel, Severity(row["severity"]), row["title"], row["body"], attempt=row["attempt"]
        )

    def sent(self, alert: DueAlert) -> None:
        """Record that the receiver took it."""
        with self._database.change() as connection:
            connection.execute(
                update(alert_messages)
                .where(alert_messages.c.id == alert.id)
                .values(sent_at=func.clock_timestamp(), last_error=None)
            )

    def refused(self, alert: DueAlert, reason: str) -> None:
        """Record why the receiver did not take it; the first time, an event of the pipeline says so too."""
        with self._database.change() as connection:
            name = connection.execute(
                update(alert_messages)
                .where(alert_messages.c.id == alert.id)
                .values(last_error=reason)
                .returning(alert_messages.c.pipeline_name)
            ).scalar_one_or_none()
            if name is not None and alert.attempt == 1:
                _note(connection, name, f"not delivered: {alert.title}", cause=f"channel {alert.channel}: {reason}")

    def reports(self, channels: Sequence[str]) -> tuple[ChannelReport, ...]:
        """How these receivers are served."""
        message = alert_messages.c
        latest = (
            select(message.channel, message.last_error)
            .where(message.last_error.is_not(None))
            .ext(distinct_on(message.channel))
            .order_by(message.channel, message.id.desc())
        )
        query = select(
            message.channel,
            func.count().filter(_waits).label("waiting"),
            func.count().filter(message.given_up_at.is_not(None)).label("given_up"),
            func.max(message.sent_at).label("last_sent_at"),
        ).group_by(message.channel)
        with self._database.read() as connection:
            errors: dict[str, str] = {row.channel: row.last_error for row in connection.execute(latest)}
            rows = {row["channel"]: row for row in connection.execute(query).mappings()}
        return tuple(_report(name, rows.get(name), errors.get(name)) for name in channels)


def _report(channel: str, row: RowMapping | None, error: str | None) -> ChannelReport:
    if row is None:
        return ChannelReport(channel, waiting=0, last_error=None, last_sent_at=None, given_up=0)
    sent_at = row["last_sent_at"]
    return ChannelReport(
        channel,
        waiting=row["waiting"],
        last_error=error,
        last_sent_at=None if sent_at is None else sent_at.isoformat(),
        given_up=row["given_up"],
    )


def _add(connection: Connection, channel: str, alert: Alert) -> int:
    same = select(alert_messages.c.id).where(
        alert_messages.c.channel == channel,
        alert_messages.c.pipeline_name == alert.pipeline,
        alert_messages.c.about == alert.about.value,
        _waits,
    )
    if alert.is_reminder and connection.execute(select(exists(same))).scalar_one():
        return 0
    connection.execute(
        insert(alert_messages).values(
            at=func.clock_timestamp(),
            channel=channel,
            kind=alert.kind.value,
            about=alert.about.value,
            pipeline_name=alert.pipeline,
            severity=alert.severity.value,
            title=alert.title,
            body=alert.body,
            attempt=0,
            next_try_at=func.clock_timestamp(),
        )
    )
    return 1


def _tidy(connection: Connection, channels: Sequence[str]) -> None:
    """Forget what nobody is told any more: channels that are gone, messages delivered long ago or for days in vain."""
    message = alert_messages.c
    connection.execute(delete(alert_messages).where(_waits, message.channel.not_in(channels)))
    connection.execute(delete(alert_messages).where(~_waits, message.at < func.clock_timestamp() - _KEPT))
    connection.execute(
        update(alert_messages)
        .where(_waits, message.attempt > 0, message.at < func.clock_timestamp() - _GIVEN_UP_AFTER)
        .values(given_up_at=func.clock_timestamp())
    )


def _note(connection: Connection, pipeline: str, what: str, *, cause: str) -> None:
    identity = connection.execute(select(pipelines.c.id).where(pipelines.c.name == pipeline)).scalar_one_or_none()
    if identity is None:
        return
    connection.execute(
        insert(pipeline_events).values(
            at=func.clock_timestamp(),
            pipeline_id=identity,
            pipeline_name=pipeline,
            field="alert",
            new_value=what,
            cause=cause,
        )
    )
