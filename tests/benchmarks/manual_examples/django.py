from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

from startproject import INSTALLED_APPS, SETTINGS

settings.configure(**SETTINGS, INSTALLED_APPS=INSTALLED_APPS, ROOT_URLCONF=__name__)


def index(request):
    return HttpResponse("Hello, world. You're at the polls index.")


urlpatterns = [path("hello", index, name="index")]
app = get_wsgi_application()
