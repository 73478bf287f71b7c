"""`{{ cents|euros }}`: « 12,50 € »."""

from django import template

from members import money

register = template.Library()
register.filter("euros", money.euros)
