from django import forms


class CellForm(forms.ModelForm):
    """A row of a table: the head of a column is no label, so each field says its own name aloud."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            widget = getattr(field.widget, "widget", field.widget)
            for part in getattr(widget, "widgets", [widget]):
                part.attrs["aria-label"] = str(field.label)
