"""The page on which a person imports a follow list (Settings::ImportsController)."""

from starlette.datastructures import UploadFile
from starlette.responses import Response

from .. import cookies, imports
from ..context import Context
from ..http import page, redirect
from ..kinds import Json
from ..models import Account
from .routing import Endpoint

PLACE = "/settings/imports"


def _owner(context: Context) -> Account | Response:
    user = cookies.signed_in(context)
    return user.account if user else redirect(f"/auth/sign_in?return_to={PLACE}")


def _form(context: Context, problem: str = "", **values: Json) -> Response:
    secret, csrf = cookies.csrf(context)
    response = page(context.config, "imports.html", csrf=csrf, problem=problem, **values)
    cookies.set_cookie(response, cookies.CSRF, secret, cookies.FORM_SECONDS)
    return response


def show_form(context: Context) -> Response:
    """GET /settings/imports."""
    owner = _owner(context)
    return owner if isinstance(owner, Response) else _form(context)


def create(context: Context) -> Response:
    """POST /settings/imports: look at the file, and ask whether it is meant."""
    owner = _owner(context)
    if isinstance(owner, Response):
        return owner
    if not cookies.csrf_good(context):
        return _form(context, "Security verification failed. Are you blocking cookies?")
    given = context.params.get("form_import")
    given = given if isinstance(given, dict) else {}
    if given.get("type") != "following":
        return _form(context, "This rehearsal server imports follow lists only.")
    data = given.get("data")
    try:
        rows = imports.rows_of(data if isinstance(data, UploadFile) else None)
        name = imports.keep(context, owner, rows, overwrite=given.get("mode") == "overwrite")
    except imports.WrongFileError as error:
        return _form(context, f"Data {error}" if str(error)[0].islower() else str(error))
    return redirect(f"{PLACE}/{name}")


def show(context: Context) -> Response:
    """GET /settings/imports/ID."""
    owner = _owner(context)
    if isinstance(owner, Response):
        return owner
    name = context.params.text("id")
    return _form(context, name=name, content=imports.find(context, owner, name))


def confirm(context: Context) -> Response:
    """POST /settings/imports/ID/confirm."""
    owner = _owner(context)
    if isinstance(owner, Response):
        return owner
    if not cookies.csrf_good(context):
        return _form(context, "Security verification failed. Are you blocking cookies?")
    name = context.params.text("id")
    imports.perform(context, owner, name)
    return redirect(f"{PLACE}/{name}", 303)


def failures(context: Context) -> Response:
    """GET /settings/imports/ID/failures.csv."""
    owner = _owner(context)
    if isinstance(owner, Response):
        return owner
    content = imports.find(context, owner, context.params.text("id"))
    headers = {"Content-Disposition": 'attachment; filename="following_accounts_failures.csv"'}
    return Response(imports.failures(content), 200, {"Content-Type": "text/csv; charset=utf-8", **headers})


ENDPOINTS = tuple(
    Endpoint(method, path, handler, api=False)
    for method, path, handler in (
        ("GET", PLACE, show_form),
        ("POST", PLACE, create),
        ("GET", f"{PLACE}/{{id}}", show),
        ("POST", f"{PLACE}/{{id}}/confirm", confirm),
        ("GET", f"{PLACE}/{{id}}/failures.csv", failures),
    )
)
