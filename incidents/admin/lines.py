from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db import models


class LinesField(forms.CharField):
    """Text whose lines end as they were written: browsers send each end of line as CR LF.

    Without it, a page saved untouched changes what the seal of a version covers.
    """

    def to_python(self, value):
        return super().to_python(value).replace("\r\n", "\n")


KEEPS_LINES = {models.TextField: {"form_class": LinesField}}
KEEPS_LINES_IN_TWO_ROWS = {
    models.TextField: {"form_class": LinesField, "widget": AdminTextareaWidget(attrs={"rows": 2})}
}
