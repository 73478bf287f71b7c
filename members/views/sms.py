from django.http import HttpResponse


def receipt(request, message_id):
    return HttpResponse(status=204)
