"""What a refused connection is called: the reason, not the guess that libpq puts below it."""

import psycopg
import pytest

from cdc_assets.adapters.postgres.session import _connect_reason


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (
            (
                'connection failed: connection to server at "10.0.0.1", port 5432 failed: Connection refused\n'
                "\tIs the server running on that host and accepting TCP/IP connections?"
            ),
            "Connection refused",
        ),
        (
            (
                'connection failed: connection to server at "10.0.0.1", port 5432 failed: server closed the connection '
                "unexpectedly\n\tThis probably means the server terminated abnormally\n"
                "\tbefore or while processing the request."
            ),
            "server closed the connection unexpectedly",
        ),
    ],
)
def test_the_reason_is_told_without_libpqs_guesses(report: str, reason: str) -> None:
    assert _connect_reason(psycopg.OperationalError(report)).endswith(f"failed: {reason}")
