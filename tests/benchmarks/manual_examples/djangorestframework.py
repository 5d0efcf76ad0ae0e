import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

from startproject import INSTALLED_APPS, SETTINGS

settings.configure(**SETTINGS, INSTALLED_APPS=[*INSTALLED_APPS, "rest_framework"], ROOT_URLCONF=__name__)
django.setup()

from rest_framework.decorators import api_view
from rest_framework.response import Response


@api_view()
def hello_world(request):
    return Response({"message": "Hello, world!"})


urlpatterns = [path("hello", hello_world)]
app = get_wsgi_application()
