import sys

from robyn import Robyn

app = Robyn(__file__)


@app.get("/hello")
async def index(request):
    return {"message": "Hello, world!"}


if __name__ == "__main__":
    app.start(host=sys.argv[1], port=int(sys.argv[2]))
