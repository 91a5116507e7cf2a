"""Collects the checks of one pipeline in the order in which they were made."""

from cdc_assets.model.preflight import CheckStatus, PreflightCheck, Script


class Findings:
    """The checks of one pipeline so far."""

    def __init__(self, pipeline: str) -> None:
        """Begin with none."""
        self._pipeline = pipeline
        self._checks: list[PreflightCheck] = []

    def passed(self, name: str, what: str, *, table: str | None = None) -> None:
        """Record that a check passed, for the whole pipeline unless a table is named."""
        self._checks.append(PreflightCheck(name, CheckStatus.PASS, self._pipeline, what, table=table))

    def warn(self, name: str, what: str, fix: str, *, table: str | None = None, column: str | None = None) -> None:
        """Record what the operator should know; the start goes on."""
        self._checks.append(PreflightCheck(name, CheckStatus.WARN, self._pipeline, what, fix, table, column))

    def fail(
        self,
        name: str,
        what: str,
        fix: str,
        *,
        table: str | None = None,
        column: str | None = None,
        scripts: tuple[Script, ...] = (),
    ) -> None:
        """Record what stops the start."""
        self._checks.append(PreflightCheck(name, CheckStatus.FAIL, self._pipeline, what, fix, table, column, scripts))

    def has_failed(self, name: str) -> bool:
        """Whether a check of that name failed or warned."""
        return any(check.name == name and check.status is not CheckStatus.PASS for check in self._checks)

    def has_failed_table(self, table: str) -> bool:
        """Whether a check failed for that table already."""
        return any(check.table == table and check.status is CheckStatus.FAIL for check in self._checks)

    def pass_unless_found(self, name: str, what: str) -> None:
        """Record a pass for the whole pipeline when nothing of that name was found."""
        if not self.has_failed(name):
            self.passed(name, what)

    def checks(self) -> tuple[PreflightCheck, ...]:
        """Return every check so far."""
        return tuple(self._checks)
