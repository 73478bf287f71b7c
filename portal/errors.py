"""Error pages in the look of the portal, without database, session or context processors."""

import logging
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from django.template.loader import render_to_string

log = logging.getLogger("portal")

DATABASE_RETRY_AFTER = 15


def page(template: str, status: int, **context) -> HttpResponse:
    return HttpResponse(render_to_string(template, context), status=status)


def bad_request(request, exception=None):
    return page("400.html", 400)


def permission_denied(request, exception=None):
    return page("403.html", 403)


def csrf_failure(request, reason=""):
    return page("403_csrf.html", 403)


def not_found(request, exception=None):
    return page("404.html", 404)


def server_error(request):
    """500, or an honest 503 while the database is away: nothing was saved, so nothing is lost."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        response = page("503.html", 503, retry_after=DATABASE_RETRY_AFTER)
        response["Retry-After"] = str(DATABASE_RETRY_AFTER)
        return response
    return page("500.html", 500)
