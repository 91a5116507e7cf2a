"""What may leave a connector's stack trace: the exception's class and the part of its message without values.

Traces of both connectors print whole rows: the statement with its values, PostgreSQL's `Detail:`, rejected values in
quotes. What is kept is the last cause that Java itself printed, cut at the first place where a value may begin, with
every quoted word left out that is not introduced as a name.
"""

import re

_MAX_CHARACTERS = 300
# Java prints a cause after the frames of the exception above it; a row's text that looks like a cause stands elsewhere.
_CAUSE = re.compile(
    r"(?:^[ \t]+(?:at |\.\.\. \d+ ).*\n)Caused by: (?P<cause>[\w.$]+(?:Exception|Error|Throwable)\b.*)", re.MULTILINE
)
_NO_DIALECT = "Unable to determine Dialect"
UNREACHABLE = "the target cannot be reached, or refuses the login (Unable to determine Dialect)"
"""What the sink's words mean when it cannot connect; which of the two, the driver does not tell it."""
_KNOWN_ORIGINS = ("java.", "javax.", "jakarta.", "org.", "io.debezium.", "com.")
_HEAD = re.compile(r"^(?P<class>[\w.$]+)(?::\s*(?P<message>.*))?$", re.DOTALL)
# From here on a message may print values: statements, PostgreSQL's further lines, a rejected value after a colon.
_VALUES_BEGIN = re.compile(
    r"\bVALUES\b|\bvalues\s*\(|Batch entry|\bDetail:|\bDETAIL:|\bWhere:|\bHint:|\bCall getNextException|"
    r"\binsert into\b|\bupdate \"|\bdelete from\b|: [\"'(\[{]|\bStruct\{|SinkRecord|\bfor value\b|=\(|[\r\n]|"
    r"\bThe duplicate key value is\b|\bTruncated value\b",
    re.IGNORECASE,
)
_NAMED = (
    "column|relation|table|tables|constraint|index|schema|type|function|role|user|database|slot|publication|sequence|domain|"
    "collection|topic|connector|task|group|class|property|configuration|extension|named|name"
)
_QUOTED = re.compile(rf"(?P<named>\b(?:{_NAMED})\s+)?(?P<quote>[\"'])(?P<inner>.*?)(?P=quote)", re.IGNORECASE)
_SECRET = re.compile(r"(?i)(password|passwd|pwd|secret|token)(\s*[=:]\s*)[^\s,;&]+")
_CREDENTIALS = re.compile(r"//[^/\s:@]+:[^/\s@]+@")


def cause_of(trace: str) -> str:
    """The last cause of a trace that says something, in one short line without row values, secrets and stack frames."""
    causes = [match["cause"] for match in _CAUSE.finditer(trace) if match["cause"].startswith(_KNOWN_ORIGINS)]
    shown = [without_values(cause) for cause in (trace.partition("\n\tat ")[0], *causes)]
    if any(_NO_DIALECT in cause for cause in shown):
        return UNREACHABLE
    # The innermost one may be a bare class, such as EOFException: the one above it says what ended.
    return next((cause for cause in reversed(shown) if ": " in cause), shown[-1])


def without_values(message: str) -> str:
    """Cut a message before anything that could be a row's value and leave out secrets."""
    head = _HEAD.match(message.strip())
    exception, text = (head["class"], head["message"] or "") if head else ("", message)
    text = _CREDENTIALS.sub("//", text)
    begin = _VALUES_BEGIN.search(text)
    if begin:
        text = text[: begin.start()]
    text = _SECRET.sub(r"\1\2***", _QUOTED.sub(_keep_names, text))
    text = _without_open_end(text).strip().rstrip(":").strip()
    name = exception.rpartition(".")[2]
    return f"{name}: {text}"[:_MAX_CHARACTERS] if name and text else (name or text)[:_MAX_CHARACTERS]


def _without_open_end(text: str) -> str:
    """Leave out what follows an unpaired quote: it begins a value whose end was cut off."""
    if text.count('"') % 2:
        text = text[: text.rindex('"')]
    marks = [match.start() for match in re.finditer(r"(?<!\w)'|'(?!\w)", text)]
    return text[: marks[-1]] if len(marks) % 2 else text


def _keep_names(quoted: re.Match[str]) -> str:
    if quoted["named"]:
        return quoted[0]
    return f"{quoted['quote']}...{quoted['quote']}"
