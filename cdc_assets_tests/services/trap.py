"""A target table that refuses its rows, set before the product makes it: preflight finds nothing, the load fails."""

import psycopg
from psycopg import sql

_TRAP = """
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused by the test'; END $$;
CREATE FUNCTION public.set_trap() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE made record;
BEGIN
    FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_identity = '{schema}.{table}' LOOP
        EXECUTE 'CREATE TRIGGER trap BEFORE INSERT ON {schema}.{table} FOR EACH ROW EXECUTE FUNCTION public.refuse()';
    END LOOP;
END $$;
CREATE EVENT TRIGGER trap ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.set_trap();
"""


def set_trap(target_url: str, schema: str, table: str) -> None:
    """Let the table of that name refuse every row as soon as it is made; plain names only."""
    with psycopg.connect(target_url, autocommit=True) as connection:
        connection.execute(_TRAP.format(schema=schema, table=table).encode())


def remove_trap(target_url: str, schema: str, table: str) -> None:
    """Let the table take rows again."""
    with psycopg.connect(target_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP TRIGGER trap ON {}").format(sql.Identifier(schema, table)))
        connection.execute("DROP EVENT TRIGGER trap")
