"""Can Kafka Connect carry the changes: reachable, both plugins, config providers, topic names of their own?"""

from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.planning.connectors import CONVERTER_VERSION, LOGIN_CLASS, SINK_CLASS, SOURCE_CLASS
from cdc_assets.planning.names import colliding_topics, pipeline_names, too_long_topics
from cdc_assets.stages.captured_tables import offers_converter
from cdc_assets.stages.preflight.facts import ConnectFacts, KafkaFacts, PreflightFacts
from cdc_assets.stages.preflight.findings import Findings

# Of the length every real name will have: the generation may grow to six digits.
LONGEST_GENERATION, ANY_SUFFIX = 999_999, "0" * 6


def check_stream(facts: PreflightFacts, findings: Findings) -> None:
    """Add the checks of Connect and of the topics; none for a pipeline without capture."""
    if not facts.pipeline.mode.captures:
        return
    _check_topics(facts.pipeline, findings)
    _check_kafka(facts, findings)
    match facts.connect:
        case None:
            return
        case CdcAssetsError() as error:
            if facts.is_connect_configured:
                findings.fail("connect_reachable", error.message, error.hint)
            else:
                what = f"the embedded Kafka Connect does not run: {error.message}"
                findings.warn("connect_reachable", what, "start it with ./cdc up")
        case ConnectFacts() as connect:
            findings.passed("connect_reachable", "Kafka Connect answers")
            _check_plugins(connect, findings)
            _check_converter(connect, findings)
            _check_providers(connect, findings)
            _check_target_login(facts, connect, findings)


def _check_kafka(facts: PreflightFacts, findings: Findings) -> None:
    match facts.kafka:
        case None:
            return
        case KafkaFacts():
            findings.passed("kafka_reachable", "Kafka answers")
        case CdcAssetsError() as error:
            if facts.is_kafka_configured:
                findings.fail("kafka_reachable", error.message, error.hint)
            else:
                what = f"the embedded Kafka does not run: {error.message}"
                findings.warn("kafka_reachable", what, "start it with ./cdc up")


def _check_topics(pipeline: Pipeline, findings: Findings) -> None:
    tables = [mapping.source for mapping in pipeline.tables]
    for group in colliding_topics(tables):
        listed = ", ".join(str(table) for table in group)
        what = f"the changes of {listed} would meet in one topic: to Kafka their names are one"
        fix = "put these tables into different pipelines, or rename one"
        for table in group:
            findings.fail("topic_names", what, fix, table=table.name)
    for table in too_long_topics(pipeline_names(pipeline, LONGEST_GENERATION, ANY_SUFFIX), tables):
        what = f"the topic name of {table} would be longer than Kafka's 249 characters"
        findings.fail(
            "topic_names", what, "give the pipeline, the schema or the table a shorter name", table=table.name
        )
    findings.pass_unless_found("topic_names", "every table has a topic name of its own")


def _check_plugins(connect: ConnectFacts, findings: Findings) -> None:
    offered = {plugin.class_name: plugin.version for plugin in connect.plugins}
    for wanted in (SOURCE_CLASS, SINK_CLASS):
        if wanted not in offered:
            what = f"Kafka Connect does not offer {wanted}"
            fix = "install the Debezium PostgreSQL source and JDBC sink plugins on every worker, then restart it"
            findings.fail("connect_plugins", what, fix)
    versions = ", ".join(f"{name.rsplit('.', 1)[-1]} {offered.get(name)}" for name in (SOURCE_CLASS, SINK_CLASS))
    findings.pass_unless_found("connect_plugins", versions)


def _check_converter(connect: ConnectFacts, findings: Findings) -> None:
    if offers_converter(connect.plugins):
        findings.passed("connect_converter", f"the converter for exact text, version {CONVERTER_VERSION}")
        return
    what = "Kafka Connect has not our converter: types that need it are refused, or exact for some values only"
    fix = (
        "put cdc_assets/embedded/cdc-assets-connect.jar into the directory of the PostgreSQL connector on every worker "
        "and restart it (docs/own_servers.md); for the embedded one: ./cdc down and ./cdc up"
    )
    findings.warn("connect_converter", what, fix)


def _check_providers(connect: ConnectFacts, findings: Findings) -> None:
    if connect.problems is None:
        return
    for problem in connect.problems:
        findings.fail(
            "connect_accepts",
            f"Kafka Connect refuses the source connector: {problem}",
            "see the worker's config.providers (directory, with the secrets folder and /proc/sys/kernel/random in "
            "allowed.paths), the secret it reads, and connect_host and connect_port of the connection",
        )
    what = "Kafka Connect resolves the config providers and logs in to the source"
    findings.pass_unless_found("connect_accepts", what)


def _check_target_login(facts: PreflightFacts, connect: ConnectFacts, findings: Findings) -> None:
    connection = facts.pipeline.target.connection
    if LOGIN_CLASS not in {plugin.class_name for plugin in connect.plugins}:
        findings.warn(
            "connect_target",
            "whether Kafka Connect can log in to the target is not known before its sinks start: it has not our check",
            "put cdc_assets/embedded/cdc-assets-connect-sink.jar into the directory of the JDBC sink connector on each "
            "worker and restart it (docs/own_servers.md); for the embedded one: ./cdc down and ./cdc up",
        )
    elif connect.target_problems is not None:
        host, port = connection.connect_host or connection.host, connection.connect_port or connection.port
        for problem in connect.target_problems:
            findings.fail(
                "connect_target",
                f"Kafka Connect cannot log in to the target at {host}:{port}: {problem}",
                "see connect_host, connect_port and tls of the connection, the secret that Connect reads "
                "(connect_password), and the certificates that the worker's Java trusts",
            )
        findings.pass_unless_found("connect_target", f"Kafka Connect logs in to the target at {host}:{port}")
