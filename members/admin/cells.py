"""Tables inside a form: the rows of a parent, edited on its page."""

from django import forms


class CellForm(forms.ModelForm):
    """A row of a table: the head of a column is no label, so each field says its own name aloud."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            widget = getattr(field.widget, "widget", field.widget)
            for part in getattr(widget, "widgets", [widget]):
                part.attrs["aria-label"] = str(field.label)


def touched(formsets) -> dict[str, int]:
    """How many rows of each table were added, changed or taken away, for the trail."""
    rows = {
        formset.model._meta.model_name: len(
            formset.new_objects + formset.changed_objects + formset.deleted_objects
        )
        for formset in formsets
    }
    return {model: number for model, number in rows.items() if number}
