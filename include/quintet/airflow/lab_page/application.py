"""Routes of the page: the page itself, the documentation that jobs have published, and who may see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.exceptions import HTTPException as StarletteHTTPException

from quintet import dbt
from quintet.airflow.lab_page.state import DagState, LabState, look
from quintet.settings import Lab, load_lab

__all__ = ["make_application"]

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=select_autoescape(default=True),
    trim_blocks=True,
    lstrip_blocks=True,
)

#: The page loads nothing from anywhere and may be framed by Airflow only.
_STRICT = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
#: Published pages bring their own scripts and styles inline; nothing comes from other hosts either.
_PUBLISHED = (
    "default-src 'self' data: blob:; style-src 'self' 'unsafe-inline' data:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
)


def make_application() -> FastAPI:
    """Application for Airflow to mount; every route of it asks for a user who may see the UI."""
    application = FastAPI(
        title="Lab",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(requires_access_view(AccessView.WEBSITE))],
    )
    application.add_exception_handler(StarletteHTTPException, _refusal)
    application.add_api_route("/", _page, response_class=HTMLResponse)
    application.add_api_route("/data-docs/{path:path}", _data_docs)
    application.add_api_route("/dbt-docs/{path:path}", _dbt_docs)
    return application


def _page() -> HTMLResponse:
    state = look(load_lab(), _last_runs, _airflow_health)
    return HTMLResponse(render(state), headers={"Content-Security-Policy": _STRICT, "Cache-Control": "no-store"})


def render(state: LabState) -> str:
    """The page as HTML."""
    return _PAGES.get_template("page.html").render(lab=state)


def _data_docs(path: str) -> Response:
    return _published(_folder(load_lab(), "data_docs"), path, "The quality gate writes them in its first run.")


def _dbt_docs(path: str) -> Response:
    return _published(dbt.docs_folder(load_lab()), path, "The gold layer writes it in its first run.")


def _folder(lab: Lab, name: str) -> Path:
    return lab.path("docs") / name


def _published(folder: Path, path: str, hint: str) -> Response:
    """File below a folder. Raises HTTPException 404 for what is not there or not below it, links included."""
    root = folder.resolve()
    try:
        wanted = (root / path).resolve()
    except (OSError, ValueError) as error:  # a name too long, a zero byte
        raise HTTPException(404, "There is no such page") from error
    if not wanted.is_relative_to(root):
        raise HTTPException(404, "There is no such page")
    if wanted.is_dir():
        wanted = wanted / "index.html"
    if not wanted.is_file():
        raise HTTPException(
            404, f"Not published yet. {hint}" if path in {"", "index.html"} else "There is no such page"
        )
    return FileResponse(wanted, headers={"Content-Security-Policy": _PUBLISHED, "Cache-Control": "no-cache"})


async def _refusal(request: Request, error: Exception) -> Response:
    """Send a browser without a session to the login, tell others in JSON."""
    assert isinstance(error, StarletteHTTPException)  # noqa: S101  # the handler is registered for it alone
    wants_page = "text/html" in request.headers.get("accept", "")
    if error.status_code == 401 and wants_page:
        return RedirectResponse(f"/auth/login/?next={quote(str(request.url.path), safe='')}", status_code=302)
    if wants_page:
        text = _PAGES.get_template("refusal.html").render(status=error.status_code, detail=error.detail)
        return HTMLResponse(text, status_code=error.status_code, headers={"Content-Security-Policy": _STRICT})
    return JSONResponse({"detail": error.detail}, status_code=error.status_code)


def _airflow_health() -> Mapping[str, Any]:
    from airflow.api.common.airflow_health import get_airflow_health  # its import needs the database settings

    health: Mapping[str, Any] = get_airflow_health()
    return health


def _last_runs(dag_ids: Sequence[str]) -> dict[str, DagState]:
    """Last run of each DAG, from Airflow's database: the page is a part of its API server."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    begun = func.coalesce(DagRun.start_date, DagRun.queued_at)
    found = {}
    with create_session(scoped=False) as session:
        for dag_id in dag_ids:
            latest = (
                select(DagRun, DagModel.description)
                .join(DagModel, DagModel.dag_id == DagRun.dag_id)
                .where(DagRun.dag_id == dag_id)
                .order_by(begun.desc())
                .limit(1)
            )
            for run, description in session.execute(latest):
                found[dag_id] = _run(run, description or "")
    return found


def _run(run: Any, description: str) -> DagState:
    seconds = (run.end_date - run.start_date).total_seconds() if run.start_date and run.end_date else None
    return DagState(run.dag_id, description, run.run_id, str(run.state), run.start_date or run.queued_at, seconds)
