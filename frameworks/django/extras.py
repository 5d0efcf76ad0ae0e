from app import settings
from django.core.wsgi import get_wsgi_application

from common.contract.extras import empty, empty_middlewares


def pass_on(get_response):
    @empty
    def middleware(request):
        return get_response(request)

    return middleware


settings.MIDDLEWARE += [f"{__name__}.pass_on"] * empty_middlewares()
app = get_wsgi_application()
