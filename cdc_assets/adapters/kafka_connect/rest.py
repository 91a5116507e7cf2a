"""One call of Kafka Connect's REST API: which answers mean "not yet" and are asked again, which are final.

A worker that starts answers 404 with a web page, one that rebalances 409 or 500; both are waited out within a bounded
time.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from cdc_assets.adapters.kafka_connect.traces import without_values
from cdc_assets.model.errors import ConnectorError, ConnectUnavailableError

_WAIT_SECONDS = 0.2
# What Connect says while it cannot answer yet (its messages, 4.3).
_TRANSIENT = ("rebalance", "Request timed out", "Worker did not complete", "herder is not", "Cannot complete request")


class NotYetError(Exception):
    """The worker answers, but not this question yet."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer: its HTTP status and its JSON, None for an empty body."""

    status: int
    body: Any = None

    @property
    def is_missing(self) -> bool:
        """Whether Connect knows no connector of that name."""
        return self.status == HTTPStatus.NOT_FOUND


@dataclass(frozen=True)
class ConnectRest:
    """The REST API at one address; `patience_seconds` bounds every call with all its repetitions."""

    url: str
    patience_seconds: float = 60
    request_seconds: float = 10
    _session: requests.Session = field(default_factory=requests.Session)

    def get(self, *path: str, **query: str) -> Answer:
        """GET; a missing connector is an answer."""
        return self.call("GET", *path, query=query)

    def call(self, method: str, *path: str, body: object = None, query: dict[str, str] | None = None) -> Answer:
        """Return the first final answer.

        ConnectUnavailableError when there is none in time, ConnectorError when Connect refuses the request.
        """
        try:
            return self.waiting(requests.RequestException, NotYetError)(self._once, method, path, body, query)
        except (requests.RequestException, NotYetError) as error:
            reason = str(error) if isinstance(error, NotYetError) else _reason(error)
            raise ConnectUnavailableError(
                f"Kafka Connect at {self.url} does not answer: {reason}",
                hint="start it (./cdc up for the embedded one), or correct CDC_CONNECT_URL",
            ) from error

    def waiting(self, *exceptions: type[Exception]) -> Retrying:
        """How long and how often is asked again."""
        return Retrying(
            stop=stop_after_delay(self.patience_seconds),
            wait=wait_fixed(_WAIT_SECONDS),
            retry=retry_if_exception_type(exceptions),
            retry_error_callback=_raise_last,
        )

    def _once(self, method: str, path: tuple[str, ...], body: object, query: dict[str, str] | None) -> Answer:
        response = self._session.request(
            method,
            "/".join([self.url.rstrip("/"), *(quote(part, safe="") for part in path)]),
            json=body,
            params=query or None,
            timeout=min(self.request_seconds, self.patience_seconds),
        )
        try:
            content = response.json() if response.content else None
        except requests.JSONDecodeError:
            raise NotYetError(f"HTTP {response.status_code} with a web page: the worker is starting") from None
        if response.ok or response.status_code == HTTPStatus.NOT_FOUND:
            return Answer(response.status_code, content)
        message = str(content.get("message", "")) if isinstance(content, dict) else ""
        if _is_transient(response.status_code, message):
            raise NotYetError(f"HTTP {response.status_code}: the workers are rebalancing or starting")
        raise ConnectorError(
            f"Kafka Connect refused {method} {'/'.join(path)} (HTTP {response.status_code}): {_refusal(message)}",
            hint="see the log of Kafka Connect; ./cdc check names settings that it does not accept",
        )


def _is_transient(status: int, message: str) -> bool:
    if status == HTTPStatus.CONFLICT:
        # A name that is taken is final; everything else Connect answers 409 for passes.
        return "already exists" not in message
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and any(sign in message for sign in _TRANSIENT)


def _refusal(message: str) -> str:
    # Validation prints every wrong setting on a line of its own; values of settings stay out.
    return "; ".join(filter(None, (without_values(line) for line in message.splitlines()))) or "no reason given"


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    return "no connection" if isinstance(error, requests.ConnectionError) else type(error).__name__


def _raise_last(state: RetryCallState) -> Answer:
    assert state.outcome is not None  # noqa: S101  tenacity calls this after an attempt
    return state.outcome.result()  # type: ignore[no-any-return]
