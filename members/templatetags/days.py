"""`{{ value|day }}` and `{{ value|hour }}`, inside sentences. In HTML, write components/date.html."""

from django import template

from members import days

register = template.Library()
register.filter("day", days.day)
register.filter("hour", days.hour)
