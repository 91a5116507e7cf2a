"""What may be asked for in an address, and pages of a list.

The header `Link` (RFC 8288) leads to the next page, and is absent on the last.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from cdc_assets.model.pipeline_document import Json

PAGED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "Link": {
                "description": "The next page, absent on the last.",
                "schema": {"type": "string", "examples": ['</api/pipelines/final_test2/events?after=17>; rel="next"']},
            }
        }
    }
}


class _Asked(BaseModel):
    # A name that is not known is a slip, and what was meant would not be done.
    model_config = ConfigDict(extra="forbid")


class PipelinesAsked(_Asked):
    """Which pipelines of the list."""

    limit: int = Field(default=1000, ge=1, le=1000, description="At most so many.")
    after: str = Field(default="", max_length=100, description="Only those with a greater name.")


class EventsAsked(_Asked):
    """Which events of a pipeline."""

    limit: int = Field(default=100, ge=1, le=1000, description="At most so many.")
    after: int = Field(default=0, ge=0, le=2**63 - 1, description="Only those with a greater id.")


class HistoryAsked(_Asked):
    """Which part of a history."""

    minutes: int = Field(default=60, ge=1, le=24 * 60, description="So far back.")


class NextPage:
    """Names the page that follows the one that is answered."""

    def __init__(self, request: Request, response: Response) -> None:
        self._url = request.url
        self._headers = response.headers

    def link(self, shown: Sequence[Json], *, limit: int, key: str) -> None:
        """Lead to what follows the last of `shown`; `key` is what `after` compares."""
        # Relative: which name and port lead here is known to a proxy in front, not to us.
        following = self._url.include_query_params(after=shown[-1][key], limit=limit)
        self._headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'


Paging = Annotated[NextPage, Depends()]
