from django.conf import settings
from django.core.management import execute_from_command_line

if not settings.configured:
    settings.configure(BOLT_API=["app:api"], INSTALLED_APPS=["django_bolt"], ROOT_URLCONF="app")
from django_bolt import BoltAPI

api, urlpatterns = BoltAPI(), []


@api.get("/hello")
async def hello():
    return {"message": "Hello, World!"}


if __name__ == "__main__":
    execute_from_command_line()
