from blacksheep import Application, get

app = Application()


@get("/hello")
def home():
    return "Hello, World!"
