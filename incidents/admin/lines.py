from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db import models


class LinesField(forms.CharField):
    """Text whose lines end as they were written: browsers send each end of line as CR LF.

    Without it, a page saved untouched changes what the seal of a version covers.
    """

    def to_python(self, value):
        return super().to_python(value).replace("\r\n", "\n")


def lines(rows: int) -> dict:
    """`formfield_overrides` of an admin whose texts keep their lines, shown in `rows` of them."""
    widget = AdminTextareaWidget(attrs={"rows": rows})
    return {models.TextField: {"form_class": LinesField, "widget": widget}}
