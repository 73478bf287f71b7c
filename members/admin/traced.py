from members import audit


class Traced:
    """Writes in the trail what is added, changed or deleted here: which row and which of its fields, never
    their values. For pages whose saving is Django's own; those that call a function leave it to that one.
    """

    def log_addition(self, request, obj, message):
        self._tell("record.added", request, obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request, obj, message):
        if message:
            self._tell("record.changed", request, obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request, queryset):
        for obj in queryset:
            self._tell("record.deleted", request, obj, [])
        return super().log_deletions(request, queryset)

    def _tell(self, action, request, obj, message):
        what = [
            {kind: {name: told for name, told in one.items() if name != "object"}}
            for entry in message
            for kind, one in entry.items()
        ]
        audit.record(action, request=request, model=obj._meta.label_lower, row=obj.pk, what=what)
