"""Reads a secret at the moment a login is made; it is kept nowhere and stands in no message."""

from collections.abc import Callable

from cdc_assets.model.errors import SecretMissingError
from cdc_assets.model.pipeline import SecretReference

Lookup = Callable[[str], str | None]
_BOM = "\ufeff"


def read_secret(reference: SecretReference, *, environment: Lookup) -> str:
    """Return the secret; SecretMissingError names the variable or the file when there is none to be had.

    One trailing newline of a file is not part of it, because editors and `echo` write one.
    """
    if reference.env is not None:
        value = environment(reference.env)
        if not value:
            raise SecretMissingError(
                f"environment variable {reference.env} holds no secret",
                hint=f"set {reference.env} for this process, and for the one started by ./cdc up",
            )
        return value
    if reference.file is None:
        raise SecretMissingError("a secret reference names neither variable nor file", hint="correct the file")
    path = reference.file
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SecretMissingError(
            f"secret file {path} cannot be read: {error.strerror}", hint="make the file readable for this user"
        ) from error
    except UnicodeDecodeError as error:
        raise SecretMissingError(f"secret file {path} is not UTF-8 text", hint="save it as UTF-8") from error
    secret = text.removeprefix(_BOM).removesuffix("\n").removesuffix("\r")
    if not secret:
        raise SecretMissingError(f"secret file {path} is empty", hint="write the secret into it")
    return secret
