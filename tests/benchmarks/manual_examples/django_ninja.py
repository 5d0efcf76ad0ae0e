from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

from startproject import INSTALLED_APPS, SETTINGS

settings.configure(**SETTINGS, INSTALLED_APPS=INSTALLED_APPS, ROOT_URLCONF=__name__)

from ninja import NinjaAPI

api = NinjaAPI()


@api.get("/hello")
def hello(request):
    return "Hello world"


urlpatterns = [path("", api.urls)]
app = get_wsgi_application()
