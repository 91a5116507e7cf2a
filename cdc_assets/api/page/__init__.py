"""The page at `/`: pipelines for people, made on the server; state and buttons only, never a row value."""

from cdc_assets.api.page.rendering import STATIC, render_problem
from cdc_assets.api.page.routes import router

__all__ = ["STATIC", "render_problem", "router"]
