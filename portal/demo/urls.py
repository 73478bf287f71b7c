from django.urls import path

from portal.demo import phone

urlpatterns = [path("telephone/", phone.phone, name="demo_phone")]
