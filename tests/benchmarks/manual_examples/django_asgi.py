from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path

from startproject import INSTALLED_APPS, SETTINGS

settings.configure(**SETTINGS, INSTALLED_APPS=INSTALLED_APPS, ROOT_URLCONF=__name__)


async def index(request):
    return HttpResponse("Hello, async Django!")


urlpatterns = [path("hello", index, name="index")]
app = get_asgi_application()
