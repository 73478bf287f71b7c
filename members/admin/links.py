from django.urls import reverse
from django.utils.html import format_html


class Readers:
    """For a ModelAdmin: its object knows who reads it, so that no link leads him to a refusal.

    Django links every read-only foreign key, whatever the rights of its reader: display methods that
    call `link` replace these.
    """

    def get_object(self, request, object_id, from_field=None):
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.reader = request.user
        return found


def link(reader, row, words: str = "") -> str:
    """`row` in `words`, which lead to its page when `reader` may open it."""
    meta, words = row._meta, words or str(row)
    if not reader.has_perm(f"{meta.app_label}.view_{meta.model_name}"):
        return words
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', url, words)
