"""The driver's bulk copy panics with what is no Exception; whoever waits for the load needs a sentence all the same.

A fake: the real driver cannot be made to panic at will, and takes a server.
"""

from types import SimpleNamespace

import pytest

from cdc_assets.adapters.sqlserver.session import SqlServerSessions
from cdc_assets.model.errors import TargetError
from cdc_assets.model.pipeline import Connection, Endpoint, SecretReference


class PanicException(BaseException):
    """As the driver raises it."""


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> SqlServerSessions:
    """Sessions whose driver is not loaded."""
    monkeypatch.setattr(SqlServerSessions, "_driver", lambda *_: SimpleNamespace(Error=ConnectionError))
    login = Connection("warehouse", "sqlserver", "ms", 1433, "sa", SecretReference(env="X"))
    return SqlServerSessions(Endpoint(login, "dw", "dbo"), "s3cret", "app")


def test_a_panic_becomes_an_error_that_names_what_was_done(sessions: SqlServerSessions) -> None:
    with (
        pytest.raises(TargetError, match="chunk 1 cannot be copied: the packet is too small") as caught,
        sessions.translated("chunk 1 cannot be copied", table="t"),
    ):
        raise PanicException("the packet is too small")
    assert caught.value.table == "t"
    assert caught.value.hint


@pytest.mark.parametrize("request_to_end", [KeyboardInterrupt, SystemExit])
def test_a_request_to_end_passes(sessions: SqlServerSessions, request_to_end: type[BaseException]) -> None:
    with pytest.raises(request_to_end), sessions.translated("it cannot be copied"):
        raise request_to_end
