import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = get_wsgi_application()

from portal import charset, checks  # noqa: E402 - needs django.setup()
from portal.demo import sweeper  # noqa: E402

application = charset.Unread(application)

checks.insist()
sweeper.start()
