"""Every error of the product: one small hierarchy, each with a code, a sentence and the way out.

The docstring is the default meaning of a code; `message` says what, where and why; `hint` what to do next. Messages
hold names, types, counts and LSNs, never row values, passwords or URLs with credentials.
"""

from typing import ClassVar


class CdcAssetsError(Exception):
    """Something the operator must know about."""

    code: ClassVar[str] = "CDC_ASSETS_ERROR"

    def __init__(self, message: str, *, hint: str, table: str | None = None) -> None:
        """Keep the sentence, the way out and, where one table is concerned, its source name."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.table = table

    def __str__(self) -> str:
        """The one sentence shown everywhere: what, where, why, and the fix."""
        return f"{self.message}. Fix: {self.hint}" if self.hint else self.message


class SettingsError(CdcAssetsError):
    """A setting in the environment or in cdc_assets.toml cannot be used."""

    code = "SETTINGS_INVALID"


class DefinitionError(CdcAssetsError):
    """A pipeline or connections file cannot be used."""

    code = "DEFINITION_INVALID"


class DefinitionConflictError(CdcAssetsError):
    """A pipeline file exists already, cannot be written, or belongs to a pipeline that is at work."""

    code = "DEFINITION_CONFLICT"


class SecretMissingError(CdcAssetsError):
    """The variable or file that a connection names for its secret holds none."""

    code = "SECRET_MISSING"


class UnknownPipelineError(CdcAssetsError):
    """No pipeline of that name is defined or recorded."""

    code = "PIPELINE_UNKNOWN"


class UnknownTableError(UnknownPipelineError):
    """The pipeline has no table of that name."""

    code = "TABLE_UNKNOWN"


class NotPossibleNowError(CdcAssetsError):
    """What was asked for makes no sense in the state the pipeline or table is in; nothing was changed."""

    code = "NOT_POSSIBLE_NOW"


class StateDatabaseError(CdcAssetsError):
    """The state database does not answer; without it nothing is done."""

    code = "STATE_DATABASE_UNAVAILABLE"


class SourceError(CdcAssetsError):
    """The source database does not answer or refuses a command."""

    code = "SOURCE_UNAVAILABLE"


class SourceAwayError(SourceError):
    """The connection to the source database could not be made or broke; a new one may do."""


class SourceLockedError(SourceError):
    """Somebody holds a source table so that not even its catalog entry can be read."""

    code = "TABLE_LOCKED"


class TargetError(CdcAssetsError):
    """The target database does not answer or refuses a command."""

    code = "TARGET_UNAVAILABLE"


class TargetAwayError(TargetError):
    """The connection to the target database could not be made or broke; a new one may do."""


class TargetLockedError(TargetError):
    """Somebody holds a target table so that not even its catalog entry can be read."""

    code = "TABLE_LOCKED"


class PreflightError(CdcAssetsError):
    """A named check failed before anything was changed."""

    code = "PREFLIGHT_FAILED"


class SchemaCreationError(CdcAssetsError):
    """Step 0 could not make the target schema or a target table."""

    code = "SCHEMA_CREATION_FAILED"


class TargetNotOursError(CdcAssetsError):
    """A target table exists that this pipeline did not make, or holds rows it did not load."""

    code = "TARGET_NOT_OURS"


class FullLoadError(CdcAssetsError):
    """A table could not be loaded completely and verifiably."""

    code = "FULL_LOAD_FAILED"


class VerificationError(FullLoadError):
    """What arrived in the target differs from what was read from the source."""

    code = "FULL_LOAD_DIFFERS"


class SnapshotLostError(FullLoadError):
    """The exported snapshot of the load is gone; tables not yet loaded begin again under a newer one."""

    code = "SNAPSHOT_LOST"


class SlotError(CdcAssetsError):
    """The replication slot is missing, lost, foreign or ahead of what Kafka acknowledged: changes may be gone."""

    code = "SLOT_UNUSABLE"


class SourceDriftError(CdcAssetsError):
    """A source table, or the way its changes are sent, is no longer what was captured: changes may be gone."""

    code = "SOURCE_DRIFT"


class TargetDriftError(CdcAssetsError):
    """A target table is not as it was made: values in it may be others than the source's."""

    code = "TARGET_DRIFT"


class WalHeldError(CdcAssetsError):
    """The source keeps so much log for the slot that the slot may be lost, or the disk filled."""

    code = "WAL_HELD"


class ConnectUnavailableError(CdcAssetsError):
    """Kafka Connect does not answer."""

    code = "CONNECT_UNAVAILABLE"


class ConnectorError(CdcAssetsError):
    """A connector or one of its tasks failed or was refused."""

    code = "CONNECTOR_FAILED"


class ConnectorGapError(ConnectorError):
    """The records a sink has to begin with are not in its topic."""

    code = "CONNECTOR_GAP"


class KafkaError(CdcAssetsError):
    """The Kafka cluster does not answer or refuses a command."""

    code = "KAFKA_UNAVAILABLE"


class NotFlowingError(CdcAssetsError):
    """Connectors run, but a marker did not pass from the source to the target in time."""

    code = "NOT_FLOWING"


class LeaseHeldError(CdcAssetsError):
    """Another run works on this pipeline."""

    code = "LEASE_HELD"


class LeaseLostError(CdcAssetsError):
    """This run was declared dead or replaced; it may not change anything any more."""

    code = "LEASE_LOST"


class IntentChangedError(CdcAssetsError):
    """The operator asked for something else while this run worked."""

    code = "INTENT_CHANGED"


class IllegalTransitionError(CdcAssetsError):
    """A status change that the transition table does not allow; a defect, not an operator's mistake."""

    code = "ILLEGAL_TRANSITION"


class RunDiedError(CdcAssetsError):
    """A run ended without a word (killed, out of memory, machine restarted)."""

    code = "RUN_DIED"


class WaitingError(CdcAssetsError):
    """The work goes on when others let it: an open transaction, a lock, a standby that has to confirm."""

    code = "WAITING"


class NotTakenUpError(CdcAssetsError):
    """No Dagster daemon takes the request up."""

    code = "NOT_TAKEN_UP"


class WaitTimeoutError(CdcAssetsError):
    """What was waited for did not happen in the time given."""

    code = "TIMEOUT"


class AlertError(CdcAssetsError):
    """A receiver of alerts did not take a message; it is tried again."""

    code = "ALERT_NOT_DELIVERED"


class EmbeddedStackError(CdcAssetsError):
    """A server of the embedded stack cannot be fetched, started or stopped."""

    code = "EMBEDDED_STACK"


class DemoError(CdcAssetsError):
    """The demo could not show what it is there to show."""

    code = "DEMO_FAILED"


class BenchError(CdcAssetsError):
    """A benchmark could not be run to its end; there are no figures then."""

    code = "BENCH_FAILED"
