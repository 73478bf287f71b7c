from django import template
from django.conf import settings
from django.urls import reverse

from portal.demo import people

register = template.Library()


@register.inclusion_tag("demo/_accounts.html")
def demo_accounts():
    """Who can sign in, told on the sign-in page of a demonstration; nothing anywhere else."""
    if not settings.DEMO:
        return {"accounts": [], "newcomers": [], "phone_url": ""}
    return {
        "accounts": people.demo_accounts(),
        "newcomers": people.newcomers(),
        "phone_url": reverse("demo_phone"),
    }
