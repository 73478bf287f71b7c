class TypedOnly:
    """For a ModelAdmin: saving a page writes what was typed there, and no column that the page only read.

    A password, a phone or a state that changed meanwhile stays as it is.
    """

    def save_model(self, request, obj, form, change):
        if not change:
            return super().save_model(request, obj, form, change)
        columns = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=columns.intersection(self.typed(form)))
        return None

    def typed(self, form) -> list[str]:
        """The fields that `form` changed."""
        return form.changed_data
