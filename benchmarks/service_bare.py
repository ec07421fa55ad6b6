"""A bare FastAPI application: it sends the bytes of files, under the settings that the service's own server has.

    python -m benchmarks.service_bare PORT FOLDER

`GET` or `POST /NAME` sends what the file `NAME` of the folder held when the process began, as JSON.
"""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    bodies = {path.name: path.read_bytes() for path in folder.iterdir()}
    app = FastAPI()

    @app.get("/{name}")
    async def get(name: str) -> Response:
        return Response(bodies[name], media_type="application/json")

    @app.post("/{name}", status_code=202)
    async def post(name: str) -> Response:
        return Response(bodies[name], status_code=202, media_type="application/json")

    uvicorn.run(app, host="127.0.0.1", port=port, server_header=False, access_log=False, log_config=None)


if __name__ == "__main__":
    main()
