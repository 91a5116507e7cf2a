"""Rows of a query as PostgreSQL sends them: binary COPY taken from libpq row by row, nothing decoded.

Measured: `get_copy_data` without psycopg's wait around every row takes half of the client's CPU time.
"""

import select
from collections.abc import Iterator

import psycopg
from psycopg import pq

from cdc_assets.adapters.postgres.session import Connection

_HEADER_BYTES = 19  # signature, flags, length of the header extension; glued to the first row
_TRAILER = b"\xff\xff"


def copy_rows(connection: Connection, query: str) -> Iterator[bytes]:
    """Yield the binary rows of the query, each with its field count, without file header and trailer.

    Raises psycopg's errors. An iterator that is not read to its end leaves the connection closed: the rows still on
    their way cannot be taken back.
    """
    pgconn = connection.pgconn
    socket = select.poll()
    socket.register(pgconn.socket, select.POLLIN)
    done = False
    try:
        pgconn.send_query(f"COPY ({query}) TO STDOUT (FORMAT binary)".encode())
        _flush(pgconn)
        _expect(pgconn, _next_result(pgconn, socket), pq.ExecStatus.COPY_OUT)
        get_copy_data = pgconn.get_copy_data
        first = True
        while True:
            size, row = get_copy_data(1)
            if size > 0:
                if first:
                    row = row[_HEADER_BYTES:]
                    first = False
                if len(row) == len(_TRAILER) and bytes(row) == _TRAILER:
                    continue
                yield row  # type: ignore[misc]  # a memoryview of libpq's own buffer; every consumer takes bytes-like
            elif size == 0:
                socket.poll()
                pgconn.consume_input()
            else:
                break
        _expect(pgconn, _next_result(pgconn, socket), pq.ExecStatus.COMMAND_OK)
        while _next_result(pgconn, socket) is not None:
            pass
        done = True
    finally:
        if not done and pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
            connection.close()


def _flush(pgconn: pq.abc.PGconn) -> None:
    writable = select.poll()
    writable.register(pgconn.socket, select.POLLOUT)
    while pgconn.flush():
        writable.poll()


def _next_result(pgconn: pq.abc.PGconn, socket: select.poll) -> pq.abc.PGresult | None:
    while pgconn.is_busy():
        socket.poll()
        pgconn.consume_input()
    return pgconn.get_result()


def _expect(pgconn: pq.abc.PGconn, result: pq.abc.PGresult | None, status: pq.ExecStatus) -> None:
    if result is not None and result.status == status:
        return
    if result is None:
        raise psycopg.OperationalError(pgconn.get_error_message())
    error = psycopg.errors.error_from_result(result)
    while pgconn.get_result() is not None:  # else "another command is already in progress"
        pass
    raise error
