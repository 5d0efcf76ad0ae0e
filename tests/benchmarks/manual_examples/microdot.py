from microdot.asgi import Microdot

app = Microdot()


@app.route("/hello")
async def index(request):
    return {"hello": "world"}
