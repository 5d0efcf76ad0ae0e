from connexion import AsyncApp


def hello():
    return {"greeting": "Hello"}, 200


def sleep(delay):
    return "the specification names it, and nothing calls it"


app = AsyncApp(__name__)
app.add_api("openapi.yaml")
