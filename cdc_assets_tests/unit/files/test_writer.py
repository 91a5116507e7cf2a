"""Files that the API writes where it may not."""

from pathlib import Path

import pytest

from cdc_assets.adapters.definition_files.writer import write
from cdc_assets.model.errors import DefinitionConflictError

_CONTENT = {
    "mode": "full_load_only",
    "source": {"connection": "app", "database": "shop", "schema": "public"},
    "target": {"connection": "app", "database": "shop", "schema": "dbo"},
    "tables": ["orders"],
}
# Not even root makes a file there.
_CLOSED = Path("/proc")


@pytest.mark.skipif(not _CLOSED.is_dir(), reason="there is no /proc")
def test_a_directory_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    connections = tmp_path / "connections.yaml"
    connections.write_text("app: {kind: postgres, host: h, port: 9, user: cdc, password: {env: APP_PASSWORD}}\n")
    with pytest.raises(DefinitionConflictError, match=r"/proc/sales\.yaml cannot be written") as refused:
        write(_CLOSED, connections, "sales", _CONTENT, new=True)
    assert "make the directory writable" in refused.value.hint
    write(tmp_path, connections, "sales", _CONTENT, new=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["connections.yaml", "sales.yaml"], "no draft is left"
