"""Where a pipeline is found in Dagster's own pages."""

from dataclasses import dataclass
from urllib.parse import quote

from cdc_assets.settings import Settings

_LOCATION = "cdc_assets"
_RUN_TAG = "cdc_assets/pipeline"
_ALL_ADDRESSES = frozenset({"0.0.0.0", "::"})  # noqa: S104


@dataclass(frozen=True, slots=True)
class DagsterLinks:
    """`base`: Dagster's address as the browser reaches it."""

    base: str

    @classmethod
    def of(cls, settings: Settings, *, host: str) -> "DagsterLinks":
        """Return the links; where Dagster listens on all addresses, the one that led here leads there too."""
        name = host if settings.ui_host in _ALL_ADDRESSES else settings.ui_host
        return cls(f"http://{f'[{name}]' if ':' in name else name}:{settings.ui_port}")

    def group(self, pipeline: str) -> str:
        """The pipeline's assets with their lineage."""
        return f"{self.base}/locations/{_LOCATION}/asset-groups/{quote(pipeline)}"

    def file(self, pipeline: str) -> str:
        """The asset that stands for a pipeline whose file cannot be used."""
        return f"{self.base}/assets/{quote(pipeline)}"

    def runs(self, pipeline: str) -> str:
        """The pipeline's runs."""
        return f"{self.base}/runs?q[0]={quote(f'tag:{_RUN_TAG}={pipeline}')}"

    def table(self, endpoint: dict[str, str], table: str) -> str:
        """A table's asset: its checks and what reads it."""
        parts = (endpoint["connection"], endpoint["database"], endpoint["schema"], table)
        return f"{self.base}/assets/" + "/".join(quote(part, safe="") for part in parts)
