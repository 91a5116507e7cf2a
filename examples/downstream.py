"""A code location of your own that reads a target table each time it is caught up past a position of the source.

Beside the stack's location in workspace.yaml:

    load_from:
      - python_file: {relative_path: examples/downstream.py, location_name: downstream}

`orders_by_customer` depends on the target table `orders` of the pipeline `sales`, so the lineage runs on from there.
The sensor takes the source's present position as its goal, waits until the HTTP API says that everything before it is
in the target, starts one run, and takes the next goal. The stream does not wait for the run: rows of later commits may
be there too. Copy the file, and change the names.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import psycopg
import requests

PIPELINE = dg.EnvVar("DOWNSTREAM_PIPELINE")
TABLE = "orders"
# [connection, database, schema, table] of the target, as the pipeline's file has it.
ORDERS = dg.AssetKey(["warehouse", "dw", "sales", TABLE])
_TIMEOUT_SECONDS = 10


@dg.asset(
    deps=[ORDERS],
    group_name="reports",
    kinds={"postgres"},
    description="Orders of each customer, counted after every change up to the run's position had arrived.",
)
def orders_by_customer(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Count what is there; put the work of your own in its place."""
    # The address names the schema too: ?options=-csearch_path%3Dsales
    with psycopg.connect(dg.EnvVar("DOWNSTREAM_WAREHOUSE_URL").get_value() or "") as warehouse:
        row = warehouse.execute("SELECT count(*), count(DISTINCT customer) FROM orders").fetchone()
    orders, customers = row if row is not None else (0, 0)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": customers,
            "orders": orders,
            "caught_up_to": context.run.tags.get("caught_up_to", ""),
        }
    )


@dg.sensor(
    target=[orders_by_customer],
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Runs orders_by_customer each time the table is caught up past the position noted before.",
)
def orders_are_caught_up(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Compare the goal with how far the stream is; an API that is away makes the tick red, and the next one tries."""
    lag = read_lag()
    goal = context.cursor
    if goal is None:
        return dg.SensorResult(skip_reason=f"the goal is {lag['source_lsn']}", cursor=lag["source_lsn"])
    if not is_caught_up(lag, TABLE, past=goal):
        return dg.SkipReason(f"{TABLE} is not caught up past {goal}")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=goal, tags={"caught_up_to": goal})],
        cursor=lag["source_lsn"],
    )


def read_lag() -> Mapping[str, Any]:
    """Ask the HTTP API how far the pipeline is; its token, where it has one, in CDC_API_TOKEN."""
    url = dg.EnvVar("DOWNSTREAM_API_URL").get_value() or "http://127.0.0.1:8000"
    token = dg.EnvVar("CDC_API_TOKEN").get_value()
    answer = requests.get(
        f"{url}/api/pipelines/{PIPELINE.get_value() or 'sales'}/lag",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=_TIMEOUT_SECONDS,
    )
    answer.raise_for_status()
    return dict(answer.json())


def is_caught_up(lag: Mapping[str, Any], table: str, *, past: str) -> bool:
    """Whether everything of the table that was committed before that position is in the target.

    `delivered_lsn` is read first: what lies before it is in Kafka; then no record of the table may be left there.
    """
    delivered = lag["delivered_lsn"]
    behind = {each["name"]: each["records_behind"] for each in lag["tables"]}
    return delivered is not None and _position(delivered) >= _position(past) and behind.get(table) == 0


def _position(lsn: str) -> int:
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


defs = dg.Definitions(assets=[orders_by_customer], sensors=[orders_are_caught_up])
