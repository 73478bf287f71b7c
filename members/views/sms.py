from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, HttpResponseForbidden
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from members.sms import delivery, twilio


@csrf_exempt
@login_not_required
@require_POST
def receipt(request, message_id: UUID):
    """What the provider says about one of our texts. The signature is all that opens this page."""
    if not twilio.is_genuine(
        message_id, request.POST, request.headers.get("X-Twilio-Signature", "")
    ):
        return HttpResponseForbidden()
    news = twilio.read_receipt(request.POST)
    if news:
        delivery.record_receipt(message_id, news)
    return HttpResponse(status=204)  # also for a text unknown here: nothing to repeat
