from django.contrib import admin
from django.utils.text import smart_split, unescape_string_literal
from django.utils.translation import gettext_lazy as _


class MachineRows:
    """Rows that machines write: staff look, nobody adds, changes or deletes."""

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class LargeTable(admin.ModelAdmin):
    """A list that costs the same with a thousand rows or thirty million: it answers a search.

    Until one is made, the page asks for it in the words of `search_prompt`.
    """

    change_list_template = "admin/searched_list.html"
    search_prompt = _("Faites une recherche : cette liste est trop longue pour s'afficher entière.")
    show_full_result_count = False
    list_per_page = 50
    ordering = ["-pk"]

    def get_search_results(self, request, queryset, search_term):
        """Nothing without a word to look for: lists and autocompletions, both ask here."""
        words = [_unquoted(word) for word in smart_split(search_term)]
        if not any(words):
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)


def _unquoted(word: str) -> str:
    """The word as Django's search reads it: "" and a lone " are empty, and every name begins with that."""
    if word[0] in "\"'" and word[0] == word[-1]:
        word = unescape_string_literal(word)
    return word.strip()
