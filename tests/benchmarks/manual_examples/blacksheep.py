from blacksheep import Application, get, json

app = Application()


@get("/hello")
def home():
    return json({"message": "Hello, World!"})
