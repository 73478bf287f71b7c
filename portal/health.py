"""Health for the machines that watch us: is the process alive, is it ready to serve."""

import uuid

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import connection
from django.http import JsonResponse
from django.views.decorators.http import require_safe

from portal.celery import app


@login_not_required
@require_safe
def live(request):
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def ready(request):
    """200 when database, cache and broker all answer, else 503; names what does not, never why."""
    parts = {"database": _database, "cache": _cache, "broker": _broker}
    answers = {name: _answers(part) for name, part in parts.items()}
    healthy = all(answers.values())
    return JsonResponse(
        {
            "status": "ok" if healthy else "unavailable",
            "parts": {name: "ok" if answer else "down" for name, answer in answers.items()},
        },
        status=200 if healthy else 503,
    )


def _answers(part) -> bool:
    try:
        return bool(part())
    except Exception:
        return False


def _database():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()


def _cache():
    key, value = "health", uuid.uuid4().hex
    cache.set(f"{key}:{value}", value, 5)
    return cache.get(f"{key}:{value}") == value


def _broker():
    if not settings.REDIS_URL:
        return True  # tasks run in this process
    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=1)
        return True
