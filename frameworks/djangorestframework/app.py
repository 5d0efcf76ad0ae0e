import time

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

from common.contract import HELLO, parse_delay, sleep_seconds, slept

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # of the default ones only this: it sets Content-Length
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},  # as without contrib.auth
    ROOT_URLCONF=__name__,
    SECRET_KEY="not used for anything",  # noqa: S106
)
django.setup()

from rest_framework.decorators import api_view  # noqa: E402 -- they read the settings when imported
from rest_framework.response import Response  # noqa: E402


@api_view()
def hello(request):
    return Response(HELLO)


@api_view()
def sleep(request, delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return Response({"error": str(error)}, status=400)
    time.sleep(sleep_seconds(delay_ms))
    return Response(slept(delay_ms))


urlpatterns = [path("hello", hello), path("sleep/<delay>", sleep)]
app = get_wsgi_application()
