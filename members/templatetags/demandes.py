"""What the first page of the admin says of demandes."""

from django import template

from members.demandes import queue

register = template.Library()


@register.inclusion_tag("admin/members/demande/_waiting.html", takes_context=True)
def demandes_waiting(context):
    """How many wait in each state, for who may see them. One statement."""
    may_see = context["request"].user.has_perm("members.view_demande")
    return {"waiting": queue.waiting() if may_see else {}}
