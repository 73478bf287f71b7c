"""Periods of inclusive dates; an open end is null. (domain.md §3)"""

from datetime import date, timedelta

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _

FOREVER = date(9999, 12, 31)


class PeriodQuerySet(models.QuerySet):
    def on(self, day: date):
        """Rows whose period holds `day`."""
        return self.overlapping(day, day)

    def overlapping(self, start: date, end: date | None):
        """Rows that share at least one day with [start, end]."""
        later = Q() if end is None else Q(start__lte=end)
        return self.filter(later, Q(end__isnull=True) | Q(end__gte=start))


class Period(models.Model):
    start = models.DateField(_("début"))
    end = models.DateField(_("fin (incluse)"), null=True, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(end__isnull=True) | Q(end__gte=F("start")),
                name="%(class)s_period_in_order",
                violation_error_message=_("La fin précède le début."),
            )
        ]

    def holds(self, day: date) -> bool:
        return self.start <= day <= (self.end or FOREVER)


def gap_in(start: date, end: date | None, periods) -> date | None:
    """The first day of [start, end] that none of `periods` holds, or None. All are inclusive."""
    day, last = start, end or FOREVER
    for period in sorted(periods, key=lambda period: period.start):
        if period.start > day:
            break
        if (period.end or FOREVER) >= day:
            if (period.end or FOREVER) >= last:
                return None
            day = period.end + timedelta(days=1)
    return day


class NoOverlap(ExclusionConstraint):
    """Two rows equal on `fields` (and touching on `optional`) may not share a day.

    Kept by PostgreSQL as an exclusion constraint; elsewhere by `validate`, that is by every form and
    `full_clean`. A null in `optional` stands for « all », and so touches every value.
    """

    def __init__(self, *, name, fields, optional=(), violation_error_message=None, **kwargs):
        self.equal_fields, self.optional_fields = tuple(fields), tuple(optional)
        days = Func(
            F("start"), F("end"), Value("[]"), function="DATERANGE", output_field=DateRangeField()
        )
        expressions = [(F(field), RangeOperators.EQUAL) for field in self.equal_fields]
        expressions += [
            (_EveryValueIfNull(field), RangeOperators.OVERLAPS) for field in self.optional_fields
        ]
        kwargs.pop("expressions", None)
        super().__init__(
            name=name,
            expressions=[*expressions, (days, RangeOperators.OVERLAPS)],
            violation_error_message=violation_error_message,
            **kwargs,
        )

    def deconstruct(self):
        path, args, kwargs = super().deconstruct()
        kwargs.pop("expressions")
        return path, args, kwargs | {"fields": self.equal_fields, "optional": self.optional_fields}

    def check(self, model, connection):
        return []

    def constraint_sql(self, model, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            return super().constraint_sql(model, schema_editor)

    def create_sql(self, model, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            return super().create_sql(model, schema_editor)

    def remove_sql(self, model, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            return super().remove_sql(model, schema_editor)

    def validate(self, model, instance, exclude=None, using="default"):
        names = {*self.equal_fields, *self.optional_fields, "start", "end"}
        if names & set(exclude or ()) or instance.start is None:
            return
        same = {field: getattr(instance, field) for field in self.equal_fields}
        rows = PeriodQuerySet(model, using=using).filter(**same)
        for field in self.optional_fields:
            value = getattr(instance, field)
            if value is not None:
                rows = rows.filter(Q(**{field: value}) | Q(**{f"{field}__isnull": True}))
        if rows.overlapping(instance.start, instance.end).exclude(pk=instance.pk).exists():
            raise ValidationError(self.get_violation_error_message(), code="overlap")


class _EveryValueIfNull(Func):
    """The range of ids that a nullable foreign key stands for: one id, or all of them when null."""

    template = "INT8RANGE(COALESCE(%(expressions)s, 0), COALESCE(%(expressions)s, 9223372036854775806), '[]')"

    def __init__(self, field):
        super().__init__(F(field), output_field=models.Field())

    def as_sql(self, compiler, connection, **context):
        sql, params = super().as_sql(compiler, connection, **context)
        return sql, (*params, *params)
