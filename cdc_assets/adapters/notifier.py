"""Sends a message to a receiver by way of apprise: chat, pager, e-mail, webhook.

The address is a secret as a whole: users, passwords and tokens stand anywhere in it. Apprise writes addresses,
recipients and answers into its log, so nothing of that log leaves this module but words from a list.
"""

import logging
import re

import apprise

from cdc_assets.model.alert import Severity
from cdc_assets.model.errors import AlertError

_TYPES = {
    Severity.FAILURE: apprise.NotifyType.FAILURE,
    Severity.WARNING: apprise.NotifyType.WARNING,
    Severity.SUCCESS: apprise.NotifyType.SUCCESS,
    Severity.INFO: apprise.NotifyType.INFO,
}
_STATUS = re.compile(r"\berror=(\d{3})\b")
# What a line of the log may become, first fit; the line itself is never shown.
_REASONS = (
    (re.compile(r"name or service not known|failed to resolve|getaddrinfo", re.IGNORECASE), "its host name is unknown"),
    (re.compile(r"connection refused", re.IGNORECASE), "the connection was refused"),
    (re.compile(r"timed? ?out", re.IGNORECASE), "it did not answer in time"),
    (re.compile(r"certificate", re.IGNORECASE), "its certificate is not trusted"),
    (re.compile(r"authenticat|\b53[045]\b", re.IGNORECASE), "it refused the login"),
    (re.compile(r"connection error|socket exception|reset by peer", re.IGNORECASE), "the connection failed"),
    (re.compile(r"unsupported|unparse?able|invalid", re.IGNORECASE), "its address is not complete"),
)


class AppriseNotifier:
    """Implements `ports.alerts.Notifier`."""

    def __init__(self) -> None:
        """Keep the log lines that hold addresses away from every handler, for the life of this process."""
        logging.getLogger("apprise").propagate = False
        # It writes the path of each request, where webhooks have their tokens.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

    def send(self, url: str, *, title: str, body: str, severity: Severity) -> None:
        """Return when the receiver took the message; AlertError, without any part of the address, when it did not."""
        # In memory: nothing about a receiver is written to disk. Redirects would carry tokens to somebody else.
        asset = apprise.AppriseAsset(
            app_id="cdc_assets",
            app_desc="cdc_assets",
            app_url="",
            async_mode=False,
            http_redirects=0,
            storage_mode=apprise.PersistentStoreMode.MEMORY,
        )
        receivers = apprise.Apprise(asset=asset)
        if not receivers.add(url) or len(receivers) != 1:
            raise AlertError(
                "the address of the receiver cannot be used: the service is unknown, or a part of it is missing",
                hint="write one address as apprise documents it for the service, such as mailtos:// or slack://",
            )
        lines: list[str] = []
        taken = receivers.notify(
            title=title,
            body=body,
            notify_type=_TYPES[severity],
            body_format=apprise.NotifyFormat.TEXT,
            log_callback=lambda entry, _service: lines.append(entry.message),
            log_level=logging.DEBUG,
        )
        if not taken:
            raise AlertError(f"the receiver did not take the message: {_reason(lines)}", hint="try ./cdc alert test")


def _reason(lines: list[str]) -> str:
    for line in lines:
        if status := _STATUS.search(line):
            return f"it answered HTTP {status[1]}"
    text = "\n".join(lines)
    return next((reason for pattern, reason in _REASONS if pattern.search(text)), "no cause is known")
