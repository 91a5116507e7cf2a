"""Asks the running Dagster from outside: whether its daemon lives, and to read the pipeline files again.

The daemon is known from Dagster's storage, which answers without the web page; nothing of Dagster is imported.
"""

import psycopg
import requests
from psycopg import errors

from cdc_assets.model.errors import NotTakenUpError, StateDatabaseError

# Heartbeats come every 30 s only, ticks of the sensor that takes wishes up every 5 s. Both columns are UTC.
_AGE = """
SELECT extract(epoch FROM (now() AT TIME ZONE 'UTC') - max(seen))::float8
FROM (
    SELECT max(timestamp) AS seen FROM dagster.daemon_heartbeats WHERE daemon_type = 'SENSOR'
    UNION ALL
    SELECT max(tick.timestamp) FROM dagster.job_ticks AS tick
    WHERE tick.type = 'SENSOR' AND tick.timestamp > (now() AT TIME ZONE 'UTC') - interval '1 hour'
) AS signs
"""
_RELOAD = """
mutation($location: String!) {
  reloadRepositoryLocation(repositoryLocationName: $location) {
    __typename
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } }
    ... on PythonError { message }
  }
}
"""
_CONNECT_SECONDS = 5
_RELOAD_SECONDS = 40


class DagsterClient:
    """One Dagster: its storage in schema `dagster` of the state database, its web page at `url`."""

    def __init__(self, *, database_url: str, url: str, location: str) -> None:
        self._database_url = database_url
        self._url = url
        self._location = location

    def daemon_age(self) -> float | None:
        """Return the seconds since the daemon gave a sign of life, or None when it never did.

        Below about 10 while it lives. StateDatabaseError when the state database does not answer.
        """
        try:
            with psycopg.connect(self._database_url, connect_timeout=_CONNECT_SECONDS, autocommit=True) as session:
                row = session.execute(_AGE).fetchone()
        except (errors.UndefinedTable, errors.InvalidSchemaName):
            # Dagster was never started on this database.
            return None
        except psycopg.Error as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise StateDatabaseError(
                f"the state database did not say whether a Dagster daemon lives: {reason}",
                hint="start the stack with ./cdc up, or look at CDC_DATABASE_URL",
            ) from error
        return None if row is None or row[0] is None else max(0.0, float(row[0]))

    def reload(self) -> None:
        """Make Dagster load the definitions again; returns when it has.

        NotTakenUpError when its web page does not answer or the definitions cannot be loaded.
        """
        try:
            answer = requests.post(
                f"{self._url}/graphql",
                json={"query": _RELOAD, "variables": {"location": self._location}},
                timeout=_RELOAD_SECONDS,
            )
            answer.raise_for_status()
            entry = (answer.json().get("data") or {}).get("reloadRepositoryLocation")
        except requests.RequestException as error:
            raise self._not_reloaded(type(error).__name__) from error
        if entry is None:
            raise self._not_reloaded("it gave an empty answer")
        loaded = entry.get("locationOrLoadError") or entry
        if loaded["__typename"] != "RepositoryLocation":
            raise self._not_reloaded(loaded.get("message") or loaded["__typename"])

    def _not_reloaded(self, reason: str) -> NotTakenUpError:
        return NotTakenUpError(
            f"changed pipeline files are not read: Dagster's web page at {self._url} did not reload them ({reason})",
            hint="look at the web page and at the code server's log, or stop and start the stack",
        )
