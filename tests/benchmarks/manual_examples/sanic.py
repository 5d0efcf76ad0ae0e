from sanic import Sanic, json

app = Sanic("MyHelloWorldApp")


@app.get("/hello")
async def hello_world(request):
    return json({"hello": "world"})
