"""The Celery application. Its settings: the section « Celery » of portal/settings.py."""

import os
import sys

from celery import Celery, bootsteps
from celery.signals import celeryd_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
def refuse_wrong_settings(**kwargs):
    import django

    django.setup()
    from django.core.management.base import SystemCheckError

    from portal import checks

    try:
        checks.insist()
    except SystemCheckError as error:
        sys.exit(str(error))  # an ordinary exception in a signal is only logged


@celeryd_init.connect
def be_patient_with_the_broker(conf, **kwargs):
    """A page must not wait for a slow broker; a worker has nothing better to do."""
    conf.broker_transport_options = {**conf.broker_transport_options, "socket_timeout": 5}


class SweeperStep(bootsteps.StartStopStep):
    """Runs the sweeper inside every worker.

    After the pool, so that no process is forked while its threads run; before the consumer, which
    waits for a broker that the sweeper does without.
    """

    requires = {"celery.worker.components:Pool"}

    def start(self, worker):
        from members.sms.sweeper import Sweeper  # after django.setup()

        self.sweeper = Sweeper()
        self.sweeper.start()

    def stop(self, worker):
        self.sweeper.stop()


app.steps["worker"].add(SweeperStep)
